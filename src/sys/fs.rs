//! Files as data: what `stat` says, locks, atomic replacement, copying and removing of trees.
//!
//! Whatever is done to a tree is done by descriptor, one directory at a time: neither a link nor a deep or long path
//! can lead out, overflow the stack or exceed the kernel's limit on paths.

mod copy;
pub(in crate::sys) mod descent;
mod lock;
mod remove;
mod replace;
mod scratch;
mod walk;
pub mod xattr;

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub use copy::{can_share, copy_selected, copy_tree, CopyOptions, CopyStats, Method, Mode, Select, Verdict};
pub use descent::Descent;
pub use lock::{lock, lock_file, lock_waiting, Lock};
pub use remove::{remove_at, remove_contents, remove_tree};
pub use replace::{replace, replace_symlink};
pub use scratch::Scratch;
pub use walk::{survey, walk, Moment, Visit};

/// What an entry of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// Something younger than this program.
    Unknown,
}

impl Kind {
    /// From the type bits of `st_mode`.
    pub fn from_mode(mode: u32) -> Kind {
        match mode & libc::S_IFMT {
            libc::S_IFREG => Kind::File,
            libc::S_IFDIR => Kind::Dir,
            libc::S_IFLNK => Kind::Symlink,
            libc::S_IFIFO => Kind::Fifo,
            libc::S_IFSOCK => Kind::Socket,
            libc::S_IFCHR => Kind::CharDevice,
            libc::S_IFBLK => Kind::BlockDevice,
            _ => Kind::Unknown,
        }
    }

    /// From `d_type` of a directory entry; `None` when the file system does not tell.
    pub fn from_dirent(kind: u8) -> Option<Kind> {
        match kind {
            libc::DT_UNKNOWN => None,
            // The values are the type bits of the mode, shifted.
            kind => Some(Kind::from_mode(u32::from(kind) << 12)),
        }
    }
}

/// A point of time of the file system's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since the epoch.
    pub sec: i64,
    /// Nanoseconds, 0..1e9.
    pub nsec: u32,
}

/// What the kernel knows about a file, see `stat(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Type and the 12 permission bits.
    pub mode: u32,
    /// Owner as seen in our user namespace.
    pub uid: u32,
    /// Group as seen in our user namespace.
    pub gid: u32,
    /// Bytes; of a link the length of its text.
    pub size: u64,
    /// Space allocated, in units of 512 bytes.
    pub blocks: u64,
    /// Last change of the content.
    pub mtime: Time,
    /// Last access.
    pub atime: Time,
    /// Device holding the file.
    pub dev: u64,
    /// Number on that device.
    pub ino: u64,
    /// Names of the file.
    pub nlink: u64,
    /// Number of the device the file stands for.
    pub rdev: u64,
}

impl Stat {
    /// What it is.
    pub fn kind(&self) -> Kind {
        Kind::from_mode(self.mode)
    }

    /// The 12 permission bits.
    pub fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// True when both are about the same file.
    pub fn same_file(&self, other: &Stat) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }
}

// Widths of the fields differ between architectures.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
impl From<libc::stat> for Stat {
    fn from(s: libc::stat) -> Stat {
        Stat {
            mode: s.st_mode,
            uid: s.st_uid,
            gid: s.st_gid,
            size: s.st_size as u64,
            blocks: s.st_blocks as u64,
            mtime: Time {
                sec: s.st_mtime,
                nsec: s.st_mtime_nsec as u32,
            },
            atime: Time {
                sec: s.st_atime,
                nsec: s.st_atime_nsec as u32,
            },
            dev: s.st_dev as u64,
            ino: s.st_ino as u64,
            nlink: s.st_nlink as u64,
            rdev: s.st_rdev as u64,
        }
    }
}

/// Removes a range from a file and moves what follows to the front (fallocate(2), `FALLOC_FL_COLLAPSE_RANGE`). Who appends to
/// the file at the same time loses nothing.
///
/// Errors: `Unsupported` on most file systems (ext4 and xfs can do it); `InvalidInput` for what is not whole blocks or reaches the end.
pub fn collapse(file: std::os::fd::BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<()> {
    let number = |n: u64| libc::off_t::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let how = nix::fcntl::FallocateFlags::FALLOC_FL_COLLAPSE_RANGE;
    let done = nix::fcntl::fallocate(file, how, number(offset)?, number(length)?);
    done.map_err(|errno| match errno {
        nix::errno::Errno::EOPNOTSUPP => io::ErrorKind::Unsupported.into(),
        other => other.into(),
    })
}

/// Bytes that an ordinary user can still write to the file system of `path`.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let s = nix::sys::statfs::statfs(path)?;
    let block = u64::try_from(s.block_size()).unwrap_or(0);
    Ok(s.blocks_available().saturating_mul(block))
}

/// An error of the same kind whose text says what was done to which file; of a very long path only the end.
pub(in crate::sys) fn explain(error: io::Error, verb: &str, path: &Path) -> io::Error {
    const SHOWN: usize = 300;
    let bytes = path.as_os_str().as_bytes();
    let text = match bytes
        .len()
        .checked_sub(SHOWN)
        .and_then(|start| bytes.get(start..))
    {
        Some(end) => format!("{verb} …{:?}: {error}", OsStr::from_bytes(end)),
        None => format!("{verb} {path:?}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// Directory and last component of a path of the host, for calls that take an open directory.
fn split(path: &Path) -> io::Result<(super::path::Root, &OsStr)> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
    let name = path.file_name().ok_or_else(invalid)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Ok((super::path::Root::open(parent)?, name))
}

#[cfg(test)]
pub(crate) mod tests;
