//! A private view of a directory in memory: an overlay whose changes lie in a tmpfs, which costs no copy, or else a copy.
//! Nothing here may write to the directory itself.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::Input;
use crate::container::plan::Owner;
use crate::sys::fs::{copy_tree, xattr, CopyOptions, Stat};
use crate::sys::mount;
use crate::sys::path::Root;

/// Directories of the tmpfs: what is changed, and where the overlay prepares it.
const UPPER: &str = "upper";
const WORK: &str = "work";
/// Whiteouts need attributes like this one, which the overlay hides. Since Linux 6.6 a tmpfs takes them.
const PROBE: &str = "user.overlay.vagga";

/// Mounts at `target` a tmpfs of at most `size` bytes with what is there, or at the same path of `input`.
pub(super) fn mount(root: &Root, target: &Path, input: &Input, size: u64, owner: Owner) -> io::Result<()> {
    let source = match input {
        Input::Path(fd) => Root::from_fd(fd.try_clone()?, "/".into()).sub(target)?,
        _ => root.sub(target)?,
    };
    let stat = source.stat("/")?;
    let (uid, gid) = (owner.uid.unwrap_or(stat.uid), owner.gid.unwrap_or(stat.gid));
    mount::tmpfs(root, target, Some(size), stat.mode & 0o7777, Some(uid), Some(gid))?;
    let memory = root.sub(target)?;
    // Owners of one's own are a change of every file: nothing would be left to share.
    if owner == Owner::default() && layered(root, target, &source, &memory, &stat).is_ok() {
        return Ok(());
    }
    for dir in [UPPER, WORK] {
        if memory.lstat(dir).is_ok() {
            memory.remove_all(dir)?;
        }
    }
    let options = CopyOptions {
        uid: owner.uid,
        gid: owner.gid,
        tolerate_owner: true,
        ..CopyOptions::default()
    };
    copy_tree(&source, Path::new("/"), &memory, Path::new("/"), &options).map(drop)
}

/// Mounts an overlay over the tmpfs. The directory of the changes shows its own mode and owner, so it gets the source's.
fn layered(root: &Root, target: &Path, source: &Root, memory: &Root, stat: &Stat) -> io::Result<()> {
    for dir in [UPPER, WORK] {
        memory.mkdir(dir, 0o700)?;
    }
    memory.chown(UPPER, stat.uid, stat.gid)?;
    memory.chmod(UPPER, stat.mode & 0o7777)?;
    let (upper, work) = (memory.open_dir(UPPER)?, memory.open_dir(WORK)?);
    takes_attributes(upper.as_fd())?;
    let lower = source.open_dir("/")?;
    mount::overlay(root, target, &[lower.as_fd()], upper.as_fd(), work.as_fd(), true)
}

fn takes_attributes(dir: BorrowedFd<'_>) -> io::Result<()> {
    xattr::set(dir, OsStr::new(PROBE), b"")
}
