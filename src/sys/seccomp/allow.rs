//! Filters that allow a list of calls and refuse everything else, also what future kernels add.
//!
//! The program is a walk over ascending ranges of numbers; the kernel evaluates it once for each number and then
//! remembers which calls are always allowed (Linux 5.11).

use std::io;
use std::ptr;

use super::super::process::check;
use super::{ALLOW, RETURN, SET_MODE_FILTER};

const LOAD: u16 = 0x20;
const JUMP_EQ: u16 = 0x15;
const JUMP_GT: u16 = 0x25;
const JUMP_GE: u16 = 0x35;
const JUMP_SET: u16 = 0x45;
const ERRNO: u32 = 0x0005_0000;
/// Marks calls of the x32 interface, which share the architecture of x86-64.
const X32_BIT: u32 = 0x4000_0000;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// Offset of the low half of argument 0, little-endian; arguments have 8 bytes.
const ARGUMENTS: u32 = if cfg!(target_endian = "little") { 16 } else { 20 };

#[cfg(target_arch = "x86_64")]
const OURS: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OURS: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const OURS: u32 = 0xc000_00f3;

/// A call that is refused for some arguments only, or with an errno of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exception {
    /// Refused with EPERM when the argument (from 0) has any of the bits.
    Bits(i64, u32, u32),
    /// Refused with EPERM when the low 32 bits of the argument are this value.
    Value(i64, u32, u32),
    /// Always refused with this errno.
    Errno(i64, i32),
}

impl Exception {
    fn call(self) -> i64 {
        match self {
            Exception::Bits(call, ..) | Exception::Value(call, ..) | Exception::Errno(call, _) => call,
        }
    }
}

/// From now on only these calls work, with these exceptions (of calls in the list, or not). Other calls fail with EPERM;
/// with ENOSYS those with numbers above all listed, which a program takes for an older kernel, and all of other
/// interfaces of the architecture (32-bit programs, x32).
///
/// Errors: EACCES without `no_new_privs` or CAP_SYS_ADMIN, EINVAL without seccomp in the kernel.
pub fn allow_only(calls: &[i64], exceptions: &[Exception]) -> io::Result<()> {
    let program = program(calls, exceptions);
    let fprog = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the program is alive during the call and has the length given; the kernel only reads it.
    check(unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, 0, ptr::from_ref(&fprog)) } as i32)
}

fn op(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

fn refuse(errno: i32) -> libc::sock_filter {
    op(RETURN, 0, 0, ERRNO | errno as u32)
}

fn program(calls: &[i64], exceptions: &[Exception]) -> Vec<libc::sock_filter> {
    let mut out = vec![
        op(LOAD, 0, 0, ARCHITECTURE),
        op(JUMP_EQ, 1, 0, OURS),
        refuse(libc::ENOSYS),
        op(LOAD, 0, 0, NUMBER),
        op(JUMP_GE, 0, 1, X32_BIT),
        refuse(libc::ENOSYS),
    ];
    for exception in exceptions {
        out.extend(except(*exception));
    }
    let ranges = ranges(calls);
    for (first, last) in &ranges {
        out.extend([
            op(JUMP_GE, 0, 2, *first),
            op(JUMP_GT, 1, 0, *last),
            op(RETURN, 0, 0, ALLOW),
        ]);
    }
    let last = ranges.last().map_or(0, |(_, last)| *last);
    out.extend([op(JUMP_GT, 0, 1, last), refuse(libc::ENOSYS), refuse(libc::EPERM)]);
    out
}

/// Begins and ends with the number in the accumulator.
fn except(exception: Exception) -> Vec<libc::sock_filter> {
    let call = exception.call() as u32;
    let (code, argument, value) = match exception {
        Exception::Errno(_, errno) => return vec![op(JUMP_EQ, 0, 1, call), refuse(errno)],
        Exception::Bits(_, argument, bits) => (JUMP_SET, argument, bits),
        Exception::Value(_, argument, value) => (JUMP_EQ, argument, value),
    };
    vec![
        op(JUMP_EQ, 0, 4, call),
        op(LOAD, 0, 0, ARGUMENTS + 8 * argument),
        op(code, 0, 1, value),
        refuse(libc::EPERM),
        op(LOAD, 0, 0, NUMBER),
    ]
}

/// Ascending, disjoint, without gaps of nothing between them.
fn ranges(calls: &[i64]) -> Vec<(u32, u32)> {
    let mut calls: Vec<u32> = calls.iter().filter_map(|n| u32::try_from(*n).ok()).collect();
    calls.sort_unstable();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for call in calls {
        match ranges.last_mut() {
            Some((_, last)) if call <= last.saturating_add(1) => *last = call,
            _ => ranges.push((call, call)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{exit_now, fork, wait, Fork, Namespaces, Status, WaitOptions};

    #[test]
    fn ranges_join_neighbours() {
        assert_eq!(ranges(&[5, 1, 2, 2, 3, 9]), [(1, 3), (5, 5), (9, 9)]);
        assert!(ranges(&[]).is_empty());
    }

    /// errno of a call without meaningful arguments.
    fn errno(call: i64, argument: i64) -> Option<i32> {
        // SAFETY: none of the calls used here takes a pointer or changes anything with these arguments.
        let n = unsafe { libc::syscall(call, argument, 0, 0) };
        (n == -1)
            .then(|| io::Error::last_os_error().raw_os_error())
            .flatten()
    }

    #[test]
    fn only_what_is_listed_works_and_with_its_exceptions() {
        let Fork::Parent(child) = fork(Namespaces::empty()).unwrap() else {
            // SAFETY: integer arguments only.
            unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
            let list = [
                libc::SYS_exit_group,
                libc::SYS_getpid,
                libc::SYS_dup,
                libc::SYS_close,
                libc::SYS_getpgid,
            ];
            let exceptions = [
                Exception::Value(libc::SYS_dup, 0, 77),
                Exception::Bits(libc::SYS_getpgid, 0, 0x100),
                Exception::Errno(libc::SYS_clone3, libc::ENOSYS),
            ];
            let installed = allow_only(&list, &exceptions);
            let right = [
                errno(libc::SYS_getpid, 0).is_none(),
                errno(libc::SYS_dup, 77) == Some(libc::EPERM),
                errno(libc::SYS_dup, 78) == Some(libc::EBADF),
                errno(libc::SYS_getpgid, 0).is_none(),
                errno(libc::SYS_getpgid, 0x101) == Some(libc::EPERM),
                errno(libc::SYS_clone3, 0) == Some(libc::ENOSYS),
                errno(libc::SYS_getuid, 0) == Some(libc::EPERM),
                errno(5000, 0) == Some(libc::ENOSYS),
            ];
            exit_now(if installed.is_ok() && right.iter().all(|r| *r) {
                0
            } else {
                1
            });
        };
        let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Exited(0));
    }
}
