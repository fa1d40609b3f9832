//! Flags and identity of mounts that exist: by descriptor, or by `/proc` where the kernel is too old.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{call, is_missing, Flags};
use crate::sys::at;

/// Bit of `stx_mask` for `stx_mnt_id` (Linux 5.8).
const STATX_MNT_ID: u32 = 0x1000;

/// Adds restrictions to the mount whose top `fd` is open on; with `recursive` to everything mounted below as well.
/// Flags the mounts already have stay, also those locked because the mount comes from outside of the user namespace.
pub fn set_flags(fd: BorrowedFd<'_>, recursive: bool, flags: Flags) -> io::Result<()> {
    match call::mount_setattr(fd, recursive, flags) {
        Err(e) if is_missing(&e) => {}
        done => return done,
    }
    remount(fd, flags)?;
    if recursive {
        for mount in mounts_below(mount_id(fd)?)? {
            remount(mount.as_fd(), flags)?;
        }
    }
    Ok(())
}

/// True when both descriptors are open in the same mount.
pub fn same_mount(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(mount_id(a)? == mount_id(b)?)
}

/// The kernel's number of the mount that `fd` is open in; unique among mounts that exist.
pub fn mount_id(fd: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: an all-zero `struct statx` is valid, it is plain data.
    let mut data: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: a NUL-terminated string and a structure of the kernel's layout, which outlive the call.
    let n = unsafe {
        libc::statx(
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            STATX_MNT_ID,
            &mut data,
        )
    };
    if n == 0 && data.stx_mask & STATX_MNT_ID != 0 {
        return Ok(data.stx_mnt_id);
    }
    let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
    let text = std::fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    let id = line.and_then(|id| id.trim().parse().ok());
    id.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "the kernel does not tell mounts apart",
        )
    })
}

/// `mount(2)` replaces all flags of a mount, so those it has are read first.
fn remount(top: BorrowedFd<'_>, flags: Flags) -> io::Result<()> {
    let all = libc::MS_REMOUNT | libc::MS_BIND | current_flags(top)? | flags.bits();
    call::mount(None, &at::handle(top), None, all, None)
}

/// `MS_*` flags of the mount that `fd` is open in.
#[allow(clippy::unnecessary_cast)]
fn current_flags(fd: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: an all-zero `struct statvfs` is valid, it is plain data.
    let mut data: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the structure outlives the call. (fstatvfs works with O_PATH since Linux 3.6.)
    if unsafe { libc::fstatvfs(fd.as_raw_fd(), &mut data) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let has = data.f_flag as u64;
    let table = [
        (libc::ST_RDONLY, libc::MS_RDONLY),
        (libc::ST_NOSUID, libc::MS_NOSUID),
        (libc::ST_NODEV, libc::MS_NODEV),
        (libc::ST_NOEXEC, libc::MS_NOEXEC),
        (libc::ST_NOATIME, libc::MS_NOATIME),
        (libc::ST_NODIRATIME, libc::MS_NODIRATIME),
        (libc::ST_RELATIME, libc::MS_RELATIME),
    ];
    Ok(table
        .iter()
        .filter(|(st, _)| has & (*st as u64) != 0)
        .fold(0, |flags, (_, ms)| flags | *ms))
}

/// Opens the tops of all mounts below the mount `top`. Ones hidden by a later mount cannot be reached by anybody and
/// are left out.
fn mounts_below(top: u64) -> io::Result<Vec<OwnedFd>> {
    // Namespaces belong to threads.
    let text = std::fs::read("/proc/thread-self/mountinfo")?;
    let mut found = Vec::new();
    for (id, path) in descendants(&text, top) {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let fd = match nix::fcntl::open(path.as_os_str(), flags, nix::sys::stat::Mode::empty()) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
            fd => fd?,
        };
        if mount_id(fd.as_fd())? == id {
            found.push(fd);
        }
    }
    Ok(found)
}

/// Ids and mount points of what is mounted below the mount `top`, from the text of `mountinfo`
/// (`proc_pid_mountinfo(5)`: id, parent's id, device, root, mount point, …).
fn descendants(mountinfo: &[u8], top: u64) -> Vec<(u64, OsString)> {
    let lines: Vec<(u64, u64, &[u8])> = mountinfo.split(|b| *b == b'\n').filter_map(parse_line).collect();
    let mut below = HashSet::from([top]);
    let mut found = Vec::new();
    // A mount may be listed before its parent when the parent was moved: repeat until nothing is added.
    loop {
        let before = found.len();
        for (id, parent, path) in &lines {
            if below.contains(parent) && below.insert(*id) {
                found.push((*id, unescape(path)));
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

fn parse_line(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    let mut fields = line.split(|b| *b == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let (id, parent) = (number()?, number()?);
    Some((id, parent, fields.nth(2)?))
}

/// Undoes `\040` and the like.
pub(in crate::sys) fn unescape(text: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let code = match (first, tail.get(..3)) {
            (b'\\', Some(digits)) => std::str::from_utf8(digits).ok(),
            _ => None,
        };
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_of_a_mount() {
        let text = b"20 1 8:1 / / rw - ext4 /dev/sda rw\n\
            31 30 0:5 / /a/b\\040c rw - tmpfs t rw\n\
            30 20 0:4 / /a rw shared:1 - tmpfs t rw\n\
            40 20 0:6 / /z rw - tmpfs t rw\n";
        assert_eq!(descendants(text, 30), [(31, OsString::from("/a/b c"))]);
        assert_eq!(descendants(text, 20).len(), 3);
        assert!(descendants(text, 40).is_empty());
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(b"/a\\011\\134\\x\\"), OsString::from("/a\t\\\\x\\"));
    }
}
