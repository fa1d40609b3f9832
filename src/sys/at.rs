//! Entries of an open directory: the `*at` family of system calls, never following a link in the last component.
//!
//! `name` is one component, or `.` for the directory itself; whoever calls has resolved everything above it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags};

use super::fs::{Kind, Stat, Time};

/// Number of `fchmodat2`, the same on every architecture (Linux 6.6).
const SYS_FCHMODAT2: libc::c_long = 452;

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// One component.
    pub name: OsString,
    /// What it is, without following a link.
    pub kind: Kind,
}

/// Opens an entry with `O_NOFOLLOW | O_CLOEXEC` in addition to `flags`; `mode` matters with `O_CREAT` only.
pub fn open(dir: BorrowedFd<'_>, name: &OsStr, flags: OFlag, mode: u32) -> io::Result<OwnedFd> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::openat(dir, name, flags, bits(mode))?)
}

/// Opens a subdirectory for reading its entries.
pub fn open_dir(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    open(dir, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)
}

/// Owner, mode, times, size of an entry.
pub fn stat(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Stat> {
    let stat = nix::sys::stat::fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(Stat::from(stat))
}

/// [`stat`] of something open (`O_PATH` is enough).
pub fn fstat(fd: BorrowedFd<'_>) -> io::Result<Stat> {
    Ok(Stat::from(nix::sys::stat::fstat(fd)?))
}

/// Makes a directory; the process's umask applies.
pub fn mkdir(dir: BorrowedFd<'_>, name: &OsStr, mode: u32) -> io::Result<()> {
    Ok(nix::sys::stat::mkdirat(dir, name, bits(mode))?)
}

/// Makes a fifo, socket, device or empty file; `mode` with the type bits (`S_IFMT`); the umask applies.
pub fn mknod(dir: BorrowedFd<'_>, name: &OsStr, mode: u32, dev: u64) -> io::Result<()> {
    let kind = SFlag::from_bits_truncate(mode & libc::S_IFMT);
    Ok(nix::sys::stat::mknodat(dir, name, kind, bits(mode), dev)?)
}

/// Makes a symbolic link with the text `target`.
pub fn symlink(target: &OsStr, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    Ok(nix::unistd::symlinkat(target, dir, name)?)
}

/// Text of a symbolic link; an empty `name` reads the link that `dir` itself is (opened with `O_PATH`).
pub fn read_link(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OsString> {
    Ok(nix::fcntl::readlinkat(dir, name)?)
}

/// Gives an existing entry (a link is linked itself) a second name.
pub fn hard_link(
    from_dir: BorrowedFd<'_>,
    from: &OsStr,
    to_dir: BorrowedFd<'_>,
    to: &OsStr,
) -> io::Result<()> {
    Ok(nix::unistd::linkat(from_dir, from, to_dir, to, AtFlags::empty())?)
}

/// Renames, replacing what is there as `rename(2)` does.
pub fn rename(from_dir: BorrowedFd<'_>, from: &OsStr, to_dir: BorrowedFd<'_>, to: &OsStr) -> io::Result<()> {
    Ok(nix::fcntl::renameat(from_dir, from, to_dir, to)?)
}

/// Removes an entry that is not a directory.
pub fn unlink(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    Ok(nix::unistd::unlinkat(dir, name, UnlinkatFlags::NoRemoveDir)?)
}

/// Removes an empty directory.
pub fn rmdir(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    Ok(nix::unistd::unlinkat(dir, name, UnlinkatFlags::RemoveDir)?)
}

/// Changes the owner; `None` leaves it. The kernel drops the setuid and setgid bits of files.
pub fn chown(dir: BorrowedFd<'_>, name: &OsStr, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    Ok(nix::unistd::fchownat(
        dir,
        name,
        uid,
        gid,
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )?)
}

/// Sets access and modification time.
pub fn set_times(dir: BorrowedFd<'_>, name: &OsStr, atime: Time, mtime: Time) -> io::Result<()> {
    Ok(nix::sys::stat::utimensat(
        dir,
        name,
        &TimeSpec::new(atime.sec, atime.nsec.into()),
        &TimeSpec::new(mtime.sec, mtime.nsec.into()),
        UtimensatFlags::NoFollowSymlink,
    )?)
}

/// Sets the 12 mode bits. A symbolic link has none: `EOPNOTSUPP`.
pub fn chmod(dir: BorrowedFd<'_>, name: &OsStr, mode: u32) -> io::Result<()> {
    static MISSING: AtomicBool = AtomicBool::new(false);
    if !MISSING.load(Ordering::Relaxed) {
        match fchmodat2(dir, name, mode) {
            Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => MISSING.store(true, Ordering::Relaxed),
            // Old outer sandboxes answer so to calls they do not know: ask again in the old way.
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => {}
            done => return done,
        }
    }
    let file = open(dir, name, OFlag::O_PATH, 0)?;
    if fstat(file.as_fd())?.kind() == Kind::Symlink {
        return Err(Errno::EOPNOTSUPP.into());
    }
    Ok(nix::sys::stat::fchmodat(
        nix::fcntl::AT_FDCWD,
        &*handle(file.as_fd()),
        bits(mode),
        nix::sys::stat::FchmodatFlags::FollowSymlink,
    )?)
}

/// Reads the entries of a directory opened for reading, in the order of the file system, without `.` and `..`.
/// The offset of the descriptor must be at the start.
pub fn list(dir: BorrowedFd<'_>) -> io::Result<Vec<DirEntry>> {
    let mut entries = Vec::new();
    let mut buffer = vec![0u8; 32 * 1024];
    loop {
        let size = getdents(dir, &mut buffer)?;
        if size == 0 {
            return Ok(entries);
        }
        let mut rest = buffer.get(..size).unwrap_or_default();
        while let Some((name, kind, length)) = parse_entry(rest) {
            if name != "." && name != ".." {
                let kind = match kind {
                    Some(kind) => kind,
                    None => stat(dir, name)?.kind(),
                };
                entries.push(DirEntry {
                    name: name.to_os_string(),
                    kind,
                });
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

/// `/proc/self/fd/N`: the way to what is open for calls that take no descriptor.
pub fn handle(fd: BorrowedFd<'_>) -> OsString {
    OsString::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// First record of a `struct linux_dirent64` buffer: name, type if known, length of the record.
/// Layout: u64 inode, u64 offset, u16 length, u8 type, name, NUL, padding.
fn parse_entry(buffer: &[u8]) -> Option<(&OsStr, Option<Kind>, usize)> {
    let length = usize::from(u16::from_ne_bytes([*buffer.get(16)?, *buffer.get(17)?]));
    let kind = Kind::from_dirent(*buffer.get(18)?);
    let name = buffer.get(19..length)?;
    let end = name.iter().position(|b| *b == 0)?;
    Some((OsStr::from_bytes(name.get(..end)?), kind, length))
}

fn getdents(dir: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer.
    let n = unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            dir.as_raw_fd(),
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

fn fchmodat2(dir: BorrowedFd<'_>, name: &OsStr, mode: u32) -> io::Result<()> {
    let name = std::ffi::CString::new(name.as_bytes())?;
    // SAFETY: the name is NUL-terminated and outlives the call.
    let n = unsafe {
        libc::syscall(
            SYS_FCHMODAT2,
            dir.as_raw_fd(),
            name.as_ptr(),
            mode & 0o7777,
            libc::AT_SYMLINK_NOFOLLOW,
        )
    };
    match n {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn bits(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode & 0o7777)
}
