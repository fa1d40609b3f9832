//! Mounts by descriptor: what is mounted and where is decided by open files, never by a path resolved twice.
//!
//! Targets are paths beneath a [`Root`], so that a link in an image cannot redirect a mount. The descriptors must be
//! opened in the mount namespace of the caller (after `unshare` or `clone`), and propagation should be private
//! ([`make_private`]) before anything is mounted. Where the mount calls of Linux 5.2–5.12 are missing, `mount(2)` does
//! the same through `/proc/self/fd`.

mod attributes;
mod call;
mod detached;

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::io;
use std::ops::BitOr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::at;
use super::path::Root;
pub(in crate::sys) use attributes::unescape;
pub use attributes::{mount_id, same_mount, set_flags};
pub use detached::{attach, attach_to_path, clone_tree, detach, detached_filesystem};

/// Flags of one mount; all are restrictions, so that adding them is always allowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u64);

impl Flags {
    /// No writing.
    pub const READ_ONLY: Flags = Flags(libc::MS_RDONLY);
    /// Setuid bits and file capabilities have no effect.
    pub const NOSUID: Flags = Flags(libc::MS_NOSUID);
    /// Device files cannot be opened.
    pub const NODEV: Flags = Flags(libc::MS_NODEV);
    /// Programs cannot be executed.
    pub const NOEXEC: Flags = Flags(libc::MS_NOEXEC);

    /// No restriction.
    pub const fn empty() -> Flags {
        Flags(0)
    }

    /// Both together.
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// True when there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The `MS_*` bits of `mount(2)`, which for these four are also the `MOUNT_ATTR_*` bits.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// As `mount -o` has them: `ro,nosuid,nodev`, `rw` without any.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 & libc::MS_RDONLY != 0 { "ro" } else { "rw" })?;
        for (bit, name) in [
            (libc::MS_NOSUID, ",nosuid"),
            (libc::MS_NODEV, ",nodev"),
            (libc::MS_NOEXEC, ",noexec"),
        ] {
            if self.0 & bit != 0 {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

/// Binds what `source` is open on (`O_PATH` is enough; a file or directory) onto `path` inside `at`.
///
/// With `recursive` everything mounted below comes along, and `flags` apply to all of it. In a user namespace a tree
/// with mounts inherited from outside can only be bound recursively (`EINVAL`).
pub fn bind(
    source: BorrowedFd<'_>,
    at: &Root,
    path: impl AsRef<Path>,
    recursive: bool,
    flags: Flags,
) -> io::Result<()> {
    let path = path.as_ref();
    let target = at.open_with(path, OFlag::O_PATH, 0)?;
    let tree = match call::open_tree(source, recursive) {
        Err(e) if is_missing(&e) => {
            let mode = libc::MS_BIND | if recursive { libc::MS_REC } else { 0 };
            let from = at::handle(source);
            call::mount(Some(&from), &at::handle(target.as_fd()), None, mode, None)?;
            return restrict(at, path, recursive, flags);
        }
        tree => tree?,
    };
    let early = match flags.is_empty() {
        true => Ok(()),
        false => call::mount_setattr(tree.as_fd(), recursive, flags),
    };
    match early {
        Err(e) if is_missing(&e) => {
            call::move_mount(tree.as_fd(), target.as_fd())?;
            set_flags(tree.as_fd(), recursive, flags)
        }
        Err(e) => Err(e),
        Ok(()) => call::move_mount(tree.as_fd(), target.as_fd()),
    }
}

/// Binds the device `source` is open on onto the file `target`, which is `name` in `dir`, without anything mounted on it.
///
/// The mount is read-only: a device can be written to all the same (open(2) does not ask for the right to write to the
/// file system), but its mode and owner, which are the host's, cannot be changed from inside.
pub fn bind_device(
    source: BorrowedFd<'_>,
    dir: &Root,
    name: &Path,
    target: BorrowedFd<'_>,
) -> io::Result<()> {
    let tree = match call::open_tree(source, false) {
        Err(e) if is_missing(&e) => {
            let from = at::handle(source);
            call::mount(Some(&from), &at::handle(target), None, libc::MS_BIND, None)?;
            return restrict(dir, name, false, Flags::READ_ONLY);
        }
        tree => tree?,
    };
    match call::mount_setattr(tree.as_fd(), false, Flags::READ_ONLY) {
        Err(e) if is_missing(&e) => {
            call::move_mount(tree.as_fd(), target)?;
            set_flags(tree.as_fd(), false, Flags::READ_ONLY)
        }
        Err(e) => Err(e),
        Ok(()) => call::move_mount(tree.as_fd(), target),
    }
}

/// Makes the part of a mount at `path` inside `at` a mount of its own with more restrictions, for all below it.
pub fn restrict_part(at: &Root, path: impl AsRef<Path>, flags: Flags) -> io::Result<()> {
    let path = path.as_ref();
    let part = at.open_with(path, OFlag::O_PATH, 0)?;
    let restricted = call::open_tree(part.as_fd(), true)
        .and_then(|tree| call::mount_setattr(tree.as_fd(), true, flags).map(|()| tree));
    match restricted {
        Err(e) if is_missing(&e) => bind(part.as_fd(), at, path, true, flags),
        tree => call::move_mount(tree?.as_fd(), part.as_fd()),
    }
}

/// Mounts a new file system of type `kind` onto `path` inside `at`; `options` as `mount -o` has them.
pub fn filesystem(
    kind: &str,
    at: &Root,
    path: impl AsRef<Path>,
    flags: Flags,
    options: &OsStr,
) -> io::Result<()> {
    let target = at.open_with(path, OFlag::O_PATH, 0)?;
    let source = OsStr::new(kind);
    let done = call::mount(
        Some(source),
        &at::handle(target.as_fd()),
        Some(kind),
        flags.bits(),
        Some(options),
    );
    match done {
        // There is no /proc here: the calls that need no path.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let tree = call::new_filesystem(kind, flags, options).map_err(|new| match is_missing(&new) {
                true => e,
                false => new,
            })?;
            call::move_mount(tree.as_fd(), target.as_fd())
        }
        done => done,
    }
}

/// Mounts an empty tmpfs, `nosuid,nodev`. `size` in bytes, the kernel's default is half of the memory.
pub fn tmpfs(
    at: &Root,
    path: impl AsRef<Path>,
    size: Option<u64>,
    mode: u32,
    uid: Option<u32>,
    gid: Option<u32>,
) -> io::Result<()> {
    let mut options = format!("mode={mode:o}");
    for (name, value) in [
        ("size", size),
        ("uid", uid.map(u64::from)),
        ("gid", gid.map(u64::from)),
    ] {
        if let Some(value) = value {
            options.push_str(&format!(",{name}={value}"));
        }
    }
    let flags = Flags::NOSUID | Flags::NODEV;
    filesystem("tmpfs", at, path, flags, OsStr::new(&options))
}

/// Mounts the procfs of our PID namespace, `nosuid,nodev,noexec`. In a user namespace the kernel wants a procfs that
/// nothing is mounted over to be visible already (`EPERM`).
pub fn proc(at: &Root, path: impl AsRef<Path>) -> io::Result<()> {
    let flags = Flags::NOSUID | Flags::NODEV | Flags::NOEXEC;
    filesystem("proc", at, path, flags, OsStr::new(""))
}

/// Mounts a new instance of devpts. `tty_gid` owns new terminals, if that group exists inside.
pub fn devpts(at: &Root, path: impl AsRef<Path>, tty_gid: Option<u32>) -> io::Result<()> {
    let mut options = "newinstance,ptmxmode=0666,mode=0620".to_string();
    if let Some(gid) = tty_gid {
        options.push_str(&format!(",gid={gid}"));
    }
    let flags = Flags::NOSUID | Flags::NOEXEC;
    filesystem("devpts", at, path, flags, OsStr::new(&options))
}

/// Mounts an overlay: `lower` (topmost first) seen through `upper`, which receives the changes; `work` is an empty
/// directory beside `upper`. In a user namespace whiteouts and the like are kept in `user.*` attributes (Linux 5.11).
pub fn overlay(
    at: &Root,
    path: impl AsRef<Path>,
    lower: &[BorrowedFd<'_>],
    upper: BorrowedFd<'_>,
    work: BorrowedFd<'_>,
    user_namespace: bool,
) -> io::Result<()> {
    let more = if user_namespace { ",userxattr" } else { "" };
    overlay_with(at, path, lower, upper, work, more)
}

/// [`overlay`] in a user namespace, of an upper directory that counts only if its writer says so later: nothing is
/// written to the disk for the sake of `fsync` or of unmounting (`volatile`, Linux 5.10).
pub fn overlay_volatile(
    at: &Root,
    path: impl AsRef<Path>,
    lower: &[BorrowedFd<'_>],
    upper: BorrowedFd<'_>,
    work: BorrowedFd<'_>,
) -> io::Result<()> {
    overlay_with(at, path, lower, upper, work, ",userxattr,volatile")
}

fn overlay_with(
    at: &Root,
    path: impl AsRef<Path>,
    lower: &[BorrowedFd<'_>],
    upper: BorrowedFd<'_>,
    work: BorrowedFd<'_>,
    more: &str,
) -> io::Result<()> {
    // Descriptors, since paths may hold the separators `,` and `:` and exceed the page that options may fill.
    let mut options = OsString::from("lowerdir=");
    for (n, fd) in lower.iter().enumerate() {
        if n > 0 {
            options.push(":");
        }
        options.push(at::handle(*fd));
    }
    options.push(",upperdir=");
    options.push(at::handle(upper));
    options.push(",workdir=");
    options.push(at::handle(work));
    options.push(more);
    filesystem("overlay", at, path, Flags::empty(), &options)
}

/// Stops the exchange of mounts with other namespaces, for all mounts we see.
pub fn make_private() -> io::Result<()> {
    let root = OsStr::new("/");
    call::mount(None, root, None, libc::MS_REC | libc::MS_PRIVATE, None)
}

/// Mounts and unmounts of other namespaces still reach us, ours stay here; for all mounts we see.
pub fn make_slave() -> io::Result<()> {
    let root = OsStr::new("/");
    call::mount(None, root, None, libc::MS_REC | libc::MS_SLAVE, None)
}

/// Detaches what is mounted at `path` inside `at`; it goes away when the last user has left.
pub fn umount(at: &Root, path: impl AsRef<Path>) -> io::Result<()> {
    let target = at.open_with(path, OFlag::O_PATH, 0)?;
    call::umount(&at::handle(target.as_fd()))
}

/// Makes the file system mounted at `path` inside `at` read-only wherever it is mounted, so that its disk is complete.
/// Errors: EBUSY (a file is open for writing).
pub fn seal(at: &Root, path: impl AsRef<Path>) -> io::Result<()> {
    let target = at.open_with(path, OFlag::O_PATH, 0)?;
    let flags = libc::MS_REMOUNT | libc::MS_RDONLY;
    call::mount(None, &at::handle(target.as_fd()), None, flags, None)
}

/// Makes the mounted directory `new` the root of the process and drops the old one with all its mounts; the current
/// directory becomes `/`. `new` must be the top of a mount (a bind will do) of our namespace.
pub fn pivot_root(new: BorrowedFd<'_>) -> io::Result<()> {
    nix::unistd::fchdir(new)?;
    // The old root ends up mounted over the new one, where `.` then finds it: no directory for it is needed.
    call::pivot_root()?;
    call::umount(OsStr::new("."))?;
    Ok(nix::unistd::chdir("/")?)
}

/// After a mount by `mount(2)`: finds the top of what was mounted and restricts it.
fn restrict(at: &Root, path: &Path, recursive: bool, flags: Flags) -> io::Result<()> {
    if flags.is_empty() {
        return Ok(());
    }
    let top = at.open_with(path, OFlag::O_PATH, 0)?;
    set_flags(top.as_fd(), recursive, flags)
}

/// The kernel or an outer sandbox does not know the call. Old sandboxes say `EPERM`; then the other way is tried and
/// its error is the answer.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM))
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| Errno::EINVAL.into())
}

#[cfg(test)]
mod tests;
