//! The system calls of mounting themselves, one function each.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use super::{c_string, Flags};

// Values of <linux/mount.h> and the system call table, the same on all architectures we support.
const SYS_OPEN_TREE: libc::c_long = 428;
const SYS_MOVE_MOUNT: libc::c_long = 429;
const SYS_FSOPEN: libc::c_long = 430;
const SYS_FSCONFIG: libc::c_long = 431;
const SYS_FSMOUNT: libc::c_long = 432;
const SYS_MOUNT_SETATTR: libc::c_long = 442;
const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x4;
const MOVE_MOUNT_T_SYMLINKS: libc::c_uint = 0x10;
const MOVE_MOUNT_T_EMPTY_PATH: libc::c_uint = 0x40;
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_SET_FLAG: libc::c_uint = 0;
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
const AT_EMPTY_PATH: libc::c_uint = libc::AT_EMPTY_PATH as libc::c_uint;
const AT_RECURSIVE: libc::c_uint = 0x8000;
const EMPTY: &CStr = c"";

/// `struct mount_attr` of <linux/mount.h>.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// `mount(2)`; `None` where the call takes a null pointer.
pub fn mount(
    source: Option<&OsStr>,
    target: &OsStr,
    kind: Option<&str>,
    flags: u64,
    options: Option<&OsStr>,
) -> io::Result<()> {
    let source = source.map(c_string).transpose()?;
    let target = c_string(target)?;
    let kind = kind.map(|kind| c_string(OsStr::new(kind))).transpose()?;
    let options = options.map(c_string).transpose()?;
    let pointer = |text: &Option<std::ffi::CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: all pointers are null or NUL-terminated strings that outlive the call.
    let n = unsafe {
        libc::mount(
            pointer(&source),
            target.as_ptr(),
            pointer(&kind),
            flags as libc::c_ulong,
            pointer(&options).cast(),
        )
    };
    check(n.into()).map(drop)
}

/// `umount2(2)` with `MNT_DETACH`.
pub fn umount(target: &OsStr) -> io::Result<()> {
    let target = c_string(target)?;
    // SAFETY: a NUL-terminated string that outlives the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) }.into()).map(drop)
}

/// `pivot_root(".", ".")`.
pub fn pivot_root() -> io::Result<()> {
    let here = c".";
    // SAFETY: two NUL-terminated strings.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, here.as_ptr(), here.as_ptr()) }).map(drop)
}

/// A detached copy of the mount that `source` lies in, with `source` at its top.
pub fn open_tree(source: BorrowedFd<'_>, recursive: bool) -> io::Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | depth(recursive);
    // SAFETY: a descriptor, a NUL-terminated string and flags.
    let n = unsafe { libc::syscall(SYS_OPEN_TREE, source.as_raw_fd(), EMPTY.as_ptr(), flags) };
    descriptor(n)
}

/// Attaches a detached mount over what `target` is open on.
pub fn move_mount(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: two descriptors, two NUL-terminated strings and flags.
    let n = unsafe {
        libc::syscall(
            SYS_MOVE_MOUNT,
            tree.as_raw_fd(),
            EMPTY.as_ptr(),
            target.as_raw_fd(),
            EMPTY.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH,
        )
    };
    check(n).map(drop)
}

/// Attaches a detached mount over the path `target`, links followed.
pub fn move_mount_to_path(tree: BorrowedFd<'_>, target: &OsStr) -> io::Result<()> {
    let target = c_string(target)?;
    // SAFETY: a descriptor, two NUL-terminated strings and flags.
    let n = unsafe {
        libc::syscall(
            SYS_MOVE_MOUNT,
            tree.as_raw_fd(),
            EMPTY.as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS,
        )
    };
    check(n).map(drop)
}

/// Adds flags to the mount whose top `fd` is, or to it and all below.
pub fn mount_setattr(fd: BorrowedFd<'_>, recursive: bool, flags: Flags) -> io::Result<()> {
    let attr = MountAttr {
        attr_set: flags.bits(),
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the structure has the layout and size told, and outlives the call.
    let n = unsafe {
        libc::syscall(
            SYS_MOUNT_SETATTR,
            fd.as_raw_fd(),
            EMPTY.as_ptr(),
            AT_EMPTY_PATH | depth(recursive),
            &attr as *const MountAttr,
            std::mem::size_of::<MountAttr>(),
        )
    };
    check(n).map(drop)
}

/// A detached mount of a new file system.
pub fn new_filesystem(kind: &str, flags: Flags, options: &OsStr) -> io::Result<OwnedFd> {
    let name = c_string(OsStr::new(kind))?;
    // SAFETY: a NUL-terminated string and flags.
    let context = descriptor(unsafe { libc::syscall(SYS_FSOPEN, name.as_ptr(), FSOPEN_CLOEXEC) })?;
    let context = context.as_fd();
    fsconfig(
        context,
        FSCONFIG_SET_STRING,
        Some("source".as_ref()),
        Some(kind.as_ref()),
    )?;
    for option in options.as_bytes().split(|b| *b == b',').filter(|o| !o.is_empty()) {
        match option.iter().position(|b| *b == b'=') {
            Some(at) => {
                let (key, value) = option.split_at(at);
                let value = OsStr::from_bytes(value.get(1..).unwrap_or_default());
                fsconfig(
                    context,
                    FSCONFIG_SET_STRING,
                    Some(OsStr::from_bytes(key)),
                    Some(value),
                )?;
            }
            None => fsconfig(context, FSCONFIG_SET_FLAG, Some(OsStr::from_bytes(option)), None)?,
        }
    }
    fsconfig(context, FSCONFIG_CMD_CREATE, None, None)?;
    // SAFETY: a descriptor and flags.
    let n = unsafe {
        libc::syscall(
            SYS_FSMOUNT,
            context.as_raw_fd(),
            FSMOUNT_CLOEXEC,
            flags.bits() as u32,
        )
    };
    descriptor(n)
}

fn fsconfig(
    context: BorrowedFd<'_>,
    command: libc::c_uint,
    key: Option<&OsStr>,
    value: Option<&OsStr>,
) -> io::Result<()> {
    let key = key.map(c_string).transpose()?;
    let value = value.map(c_string).transpose()?;
    let pointer = |text: &Option<std::ffi::CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: pointers are null or NUL-terminated strings that outlive the call.
    let n = unsafe {
        libc::syscall(
            SYS_FSCONFIG,
            context.as_raw_fd(),
            command,
            pointer(&key),
            pointer(&value),
            0,
        )
    };
    check(n).map(drop)
}

fn depth(recursive: bool) -> libc::c_uint {
    match recursive {
        true => AT_RECURSIVE,
        false => 0,
    }
}

fn check(n: libc::c_long) -> io::Result<libc::c_long> {
    match n {
        -1 => Err(io::Error::last_os_error()),
        n => Ok(n),
    }
}

fn descriptor(n: libc::c_long) -> io::Result<OwnedFd> {
    let fd = check(n)?;
    // SAFETY: the call succeeded, so that this is a new descriptor nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}
