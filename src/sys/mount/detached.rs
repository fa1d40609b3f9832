//! A directory without what is mounted below it, attached nowhere: by `open_tree(2)`, or where that is missing through
//! a bind mount that only a short-lived child can see. Nothing of it is ever visible to others.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::{call, is_missing, make_private, Flags};
use crate::sys::namespace::unshare;
use crate::sys::passing::Passage;
use crate::sys::path::Root;
use crate::sys::process::{self, Fork, Namespaces, WaitOptions};

/// Where the child mounts; it is there wherever these calls can work (they need `/proc/self/fd`).
const PLACE: &str = "/proc";

/// A private copy of the mount that `source` lies in, with the directory `source` at its top; nothing that is mounted
/// below is in it. `None` without the right to mount anything.
///
/// Errors: EINVAL when something is mounted below that came from outside of our user namespace, so that it may not be
/// uncovered.
pub fn clone_tree(source: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    match call::open_tree(source, false) {
        Err(e) if is_missing(&e) => by_child(source),
        tree => tree.map(Some),
    }
}

/// A private copy of what `source` is open on with everything mounted below it, `flags` on all of it: what it shows and
/// forbids is settled before anybody attaches it ([`attach`]), also in a namespace with fewer rights.
///
/// Errors: EPERM without CAP_SYS_ADMIN, ENOSYS before Linux 5.12.
pub fn detach(source: BorrowedFd<'_>, flags: Flags) -> io::Result<OwnedFd> {
    let tree = call::open_tree(source, true)?;
    if !flags.is_empty() {
        call::mount_setattr(tree.as_fd(), true, flags)?;
    }
    Ok(tree)
}

/// A new file system of type `kind` that is attached nowhere yet; `options` as `mount -o` has them.
///
/// Errors: EPERM without CAP_SYS_ADMIN, ENOSYS before Linux 5.2.
pub fn detached_filesystem(kind: &str, flags: Flags, options: &OsStr) -> io::Result<OwnedFd> {
    call::new_filesystem(kind, flags, options)
}

/// Attaches a detached mount over what `target` is open on.
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    call::move_mount(tree, target)
}

/// The same over an absolute path of this process's root, links followed.
pub fn attach_to_path(tree: BorrowedFd<'_>, target: &str) -> io::Result<()> {
    call::move_mount_to_path(tree, OsStr::new(target))
}

/// A child in a mount namespace of its own binds the directory, opens it and hands us the descriptor. The mount lives as
/// long as the descriptor does; our own namespace is not touched.
fn by_child(source: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let (ours, theirs) = Passage::pair()?;
    match process::fork(Namespaces::empty())? {
        Fork::Child => {
            let told = match bound(source) {
                Ok(top) => theirs.send(b"0", &[top.as_fd()]),
                Err(e) => theirs.send(e.raw_os_error().unwrap_or(libc::EIO).to_string().as_bytes(), &[]),
            };
            process::exit_now(told.is_err().into())
        }
        Fork::Parent(child) => {
            drop(theirs);
            let answer = ours.receive();
            process::wait(Some(child.pid), WaitOptions::default())?;
            understand(answer?)
        }
    }
}

fn understand(answer: Option<(Vec<u8>, Vec<OwnedFd>)>) -> io::Result<Option<OwnedFd>> {
    let Some((text, fds)) = answer else {
        return Err(io::Error::other(
            "the child that should bind a directory ended early",
        ));
    };
    if let Some(fd) = fds.into_iter().next() {
        return Ok(Some(fd));
    }
    match std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) {
        Some(libc::EPERM) => Ok(None),
        errno => Err(io::Error::from_raw_os_error(errno.unwrap_or(libc::EIO))),
    }
}

/// In the child. A new mount namespace takes the current directory along, while descriptors stay in the old one, where
/// mount(2) does not accept them any more.
fn bound(source: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    nix::unistd::fchdir(source)?;
    unshare(Namespaces::MOUNT)?;
    make_private()?;
    let place = OsStr::new(PLACE);
    call::mount(Some(OsStr::new(".")), place, None, libc::MS_BIND, None)?;
    Root::open(Path::new(place))?.open_dir(".")
}
