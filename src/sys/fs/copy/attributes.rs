//! Owner, extended attributes, mode and times of a finished copy, in the one order that keeps them all: changing the
//! owner drops setuid bits and capabilities, changing anything but the times does not change the times asked for.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::fcntl::OFlag;

use super::{CopyOptions, CopyStats};
use crate::sys::at;
use crate::sys::fs::{xattr, Kind, Stat};

/// Attributes of the original that make no sense on a copy in another place.
const LEFT_BEHIND: [&str; 4] = [
    "trusted.overlay.",
    "user.overlay.",
    "security.selinux",
    "system.nfs4_acl",
];

/// Names and values of extended attributes.
pub type Xattrs = Vec<(OsString, Vec<u8>)>;

/// Gives the entry `name` of `dir` the attributes of an original.
pub fn apply(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    original: &Stat,
    xattrs: &[(OsString, Vec<u8>)],
    options: &CopyOptions,
    stats: &mut CopyStats,
) -> io::Result<()> {
    let uid = options.uid.unwrap_or(original.uid);
    let gid = options.gid.unwrap_or(original.gid);
    let mut mode = options.mode.apply(original);
    match at::chown(dir, name, Some(uid), Some(gid)) {
        Err(e) if options.tolerate_owner && is_owner_refused(&e) => {
            stats.skipped_owners += 1;
            if original.kind() != Kind::Dir {
                mode &= !0o6000;
            }
        }
        done => done?,
    }
    if !xattrs.is_empty() {
        set_xattrs(dir, name, xattrs, stats)?;
    }
    let kind = original.kind();
    if kind != Kind::Symlink {
        at::chmod(dir, name, mode)?;
    }
    match options.times {
        None => at::set_times(dir, name, original.atime, original.mtime),
        Some(time) if kind == Kind::File => at::set_times(dir, name, time, time),
        Some(_) => Ok(()),
    }
}

/// Attributes worth copying of something open.
pub fn xattrs(fd: BorrowedFd<'_>, options: &CopyOptions) -> io::Result<Xattrs> {
    let mut found = Vec::new();
    if options.without_xattrs {
        return Ok(found);
    }
    for name in xattr::list(fd)? {
        let text = name.to_string_lossy();
        if LEFT_BEHIND.iter().any(|prefix| text.starts_with(prefix)) {
            continue;
        }
        // Removed meanwhile, or not for our eyes.
        if let Ok(Some(value)) = xattr::get(fd, &name) {
            found.push((name, value));
        }
    }
    Ok(found)
}

fn set_xattrs(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    xattrs: &[(OsString, Vec<u8>)],
    stats: &mut CopyStats,
) -> io::Result<()> {
    let file = at::open(dir, name, OFlag::O_PATH, 0)?;
    for (key, value) in xattrs {
        match xattr::set(file.as_fd(), key, value) {
            Err(e) if is_xattr_refused(&e) => stats.skipped_xattrs += 1,
            done => done?,
        }
    }
    Ok(())
}

/// The id is not mapped (`EINVAL`), or we may not give files away.
fn is_owner_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EINVAL))
}

/// The file system has no such attributes, or we may not set this one.
fn is_xattr_refused(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPERM | libc::EACCES | libc::EOPNOTSUPP | libc::EINVAL)
    )
}
