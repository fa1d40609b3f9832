//! A filter against typing into somebody else's terminal (ioctl_tty(2), TIOCSTI): a program that shares the
//! controlling terminal of the user's shell could otherwise make the shell execute commands outside of its sandbox.

use std::io;
use std::ptr;

use super::process::check;

/// `ioctl` of 32-bit x86 and ARM; on x86-64 the number is setsockopt, whose second argument never is [`FORBIDDEN`].
const IOCTL_32: u32 = 54;
/// `ioctl` of the x32 interface, without [`X32_BIT`].
const IOCTL_X32: u32 = 514;
/// Marks system calls of the x32 interface.
const X32_BIT: u32 = 0x4000_0000;
/// TIOCSTI puts characters into the input queue, TIOCLINUX pastes the selection of a virtual console.
const FORBIDDEN: [u32; 2] = [libc::TIOCSTI as u32, 0x541c];
/// Offset of the low half of the second argument in `struct seccomp_data`, little-endian.
const SECOND_ARGUMENT: u32 = if cfg!(target_endian = "little") { 24 } else { 28 };

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP_EQ: u16 = 0x15;
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

/// From now on these ioctls fail with EPERM, in this process and all its descendants.
///
/// Errors: EACCES without CAP_SYS_ADMIN in the user namespace, EINVAL without seccomp in the kernel.
pub fn refuse() -> io::Result<()> {
    let program = filter();
    let fprog = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the program is alive during the call and has the length given; the kernel only reads it.
    check(unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            ptr::from_ref(&fprog),
        )
    })
}

fn filter() -> [libc::sock_filter; 10] {
    let op = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    [
        op(LOAD, 0, 0, 0),
        op(AND, 0, 0, !X32_BIT),
        op(JUMP_EQ, 2, 0, libc::SYS_ioctl as u32),
        op(JUMP_EQ, 1, 0, IOCTL_32),
        op(JUMP_EQ, 0, 3, IOCTL_X32),
        op(LOAD, 0, 0, SECOND_ARGUMENT),
        op(JUMP_EQ, 2, 0, FORBIDDEN[0]),
        op(JUMP_EQ, 1, 0, FORBIDDEN[1]),
        op(RETURN, 0, 0, ALLOW),
        op(RETURN, 0, 0, ERRNO | libc::EPERM as u32),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{exit_now, fork, wait, Fork, Namespaces, Status, WaitOptions};

    /// errno of the ioctl on a descriptor that is no terminal.
    fn ioctl(request: libc::c_ulong) -> Option<i32> {
        // SAFETY: a readable byte; descriptor 0 may be anything.
        unsafe { libc::ioctl(1000, request as _, b"x".as_ptr()) };
        io::Error::last_os_error().raw_os_error()
    }

    #[test]
    fn typing_is_refused_and_other_ioctls_are_not() {
        let Fork::Parent(child) = fork(Namespaces::empty()).unwrap() else {
            // SAFETY: integer arguments only; allows the filter for an ordinary user too.
            unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
            let installed = refuse().is_ok();
            let right = ioctl(libc::TIOCSTI) == Some(libc::EPERM)
                && ioctl(0x541c) == Some(libc::EPERM)
                && ioctl(libc::TIOCGWINSZ) == Some(libc::EBADF);
            exit_now(if installed && right { 0 } else { 1 });
        };
        let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Exited(0));
    }
}
