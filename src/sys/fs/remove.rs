//! Removing trees: by descriptor, without following links, without crossing mount points, without recursion.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::descent::Descent;
use super::Kind;
use crate::sys::at;
use crate::sys::mount::{mount_id, same_mount};

/// Removes a file, link or directory with everything below it. What is missing is fine.
///
/// Mount points below are left alone with what is mounted there: `EBUSY` after everything else is gone.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let (dir, name) = match super::split(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        split => split?,
    };
    remove_at(dir.as_fd(), name)
}

/// [`remove_tree`] for an entry of an open directory.
pub fn remove_at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let error = match at::unlink(dir, name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => e,
        Ok(()) => return Ok(()),
    };
    // Linux says EISDIR of a directory; POSIX allows EPERM.
    if !matches!(error.raw_os_error(), Some(libc::EISDIR | libc::EPERM)) {
        return Err(error);
    }
    match at::stat(dir, name) {
        Ok(stat) if stat.kind() == Kind::Dir => {}
        _ => return Err(error),
    }
    let fd = open(dir, name)?;
    if !same_mount(dir, fd.as_fd())? {
        return Err(Errno::EBUSY.into());
    }
    empty(fd)?;
    at::rmdir(dir, name)
}

/// Removes everything in an open directory (`O_PATH` is enough), not the directory.
pub fn remove_contents(dir: BorrowedFd<'_>) -> io::Result<()> {
    let here = OsStr::new(".");
    let before = at::fstat(dir)?.permissions();
    empty(open(dir, here)?)?;
    match at::fstat(dir)?.permissions() == before {
        true => Ok(()),
        false => at::chmod(dir, here, before),
    }
}

/// One directory being emptied.
struct Level {
    /// Its name in the one above.
    name: OsString,
    /// Subdirectories still to be done.
    rest: Vec<OsString>,
}

fn empty(top: OwnedFd) -> io::Result<()> {
    let mut busy = false;
    let mount = mount_id(top.as_fd())?;
    let mut descent = Descent::default();
    let mut levels = vec![Level {
        name: OsString::new(),
        rest: unlink_files(top.as_fd())?,
    }];
    descent.enter(top)?;
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.rest.pop() {
            let fd = open(descent.here()?, &name)?;
            if mount_id(fd.as_fd())? != mount {
                busy = true;
                continue;
            }
            let rest = unlink_files(fd.as_fd())?;
            descent.enter(fd)?;
            levels.push(Level { name, rest });
            continue;
        }
        let done = levels.pop();
        if let (Some(done), false) = (done, levels.is_empty()) {
            descent.leave()?;
            match at::rmdir(descent.here()?, &done.name) {
                // A mount point below it is still there.
                Err(e) if busy && e.raw_os_error() == Some(libc::ENOTEMPTY) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
    }
    if busy {
        return Err(Errno::EBUSY.into());
    }
    Ok(())
}

/// Removes what is not a directory and returns the names of the directories.
fn unlink_files(dir: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut directories = Vec::new();
    for entry in at::list(dir)? {
        if entry.kind == Kind::Dir {
            directories.push(entry.name);
            continue;
        }
        match at::unlink(dir, &entry.name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            // Became a directory since it was listed.
            Err(e) if e.raw_os_error() == Some(libc::EISDIR) => directories.push(entry.name),
            done => done?,
        }
    }
    Ok(directories)
}

/// Opens a directory so that its entries can be listed and removed: one of our own without the permissions gets them.
fn open(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let privileged = nix::unistd::geteuid().is_root();
    if !privileged && at::stat(dir, name)?.mode & 0o700 != 0o700 {
        // Not ours, or a read-only file system: what follows tells.
        let _ = at::chmod(dir, name, 0o700);
    }
    at::open(dir, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)
}
