//! Filters that allow a list of calls and refuse everything else, also what future kernels add.
//!
//! The program is a binary search among ranges of numbers; the kernel evaluates it once for each number when it is
//! installed, and then remembers which calls are always allowed (Linux 5.11).

use std::io;
use std::ptr;

use super::super::process::check;
use super::{ALLOW, RETURN, SET_MODE_FILTER};

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQ: u16 = 0x15;
const JUMP_GE: u16 = 0x35;
const JUMP_SET: u16 = 0x45;
/// Instructions that a condition can skip, less one.
const FARTHEST: usize = 254;
/// Answers that lie closer are jumped to.
const NEAR: usize = 120;
const ERRNO: u32 = 0x0005_0000;
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

/// From now on only the calls of these lists work, with these exceptions (of calls in the list, or not). Other calls fail with EPERM;
/// with ENOSYS those with numbers above all listed, which a program takes for an older kernel, and all of other
/// interfaces of the architecture (32-bit programs, x32).
///
/// Errors: EACCES without `no_new_privs` or CAP_SYS_ADMIN, EINVAL without seccomp in the kernel.
pub fn allow_only(calls: &[&[i64]], exceptions: &[Exception]) -> io::Result<()> {
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

fn program(calls: &[&[i64]], exceptions: &[Exception]) -> Vec<libc::sock_filter> {
    let mut tail = Tail {
        exceptions,
        reversed: Vec::new(),
        answers: Vec::new(),
    };
    tail.search(&stretches(&ranges(calls), exceptions));
    let start = [
        op(LOAD, 0, 0, ARCHITECTURE),
        op(JUMP_EQ, 1, 0, OURS),
        refuse(libc::ENOSYS),
        op(LOAD, 0, 0, NUMBER),
    ];
    start.into_iter().chain(tail.reversed.into_iter().rev()).collect()
}

/// What becomes of the calls of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer {
    /// The call whose exceptions are looked at before.
    excepted: Option<u32>,
    /// `None`: allowed.
    errno: Option<i32>,
}

/// The end of a program, which is made from its end on: jumps lead forward, so that an answer that is there already can be
/// jumped to. The kernel compiles the program at each start of a container.
struct Tail<'a> {
    exceptions: &'a [Exception],
    reversed: Vec<libc::sock_filter>,
    /// Answers that are there, the nearest last, with the place of their first instruction in `reversed`.
    answers: Vec<(Answer, usize)>,
}

impl Tail<'_> {
    /// The number in the accumulator to its answer, by halving: the kernel tries all numbers when a filter is installed,
    /// so that a walk over all ranges would cost more than the rest of the start. Gives the place to begin at, which is
    /// the last instruction unless that is an answer.
    fn search(&mut self, stretches: &[(u32, Answer)]) -> usize {
        let (low, high) = stretches.split_at(stretches.len() / 2);
        let Some((middle, answer)) = high.first() else {
            return 0;
        };
        if low.is_empty() {
            return self.answer(*answer);
        }
        let high = self.search(high);
        let low = self.search(low);
        let (high, low) = (self.within_reach(high), self.within_reach(low));
        let (up, down) = (self.distance(high) as u8, self.distance(low) as u8);
        self.push(op(JUMP_GE, up, down, *middle))
    }

    fn answer(&mut self, answer: Answer) -> usize {
        let known = self.answers.iter().rfind(|(other, _)| *other == answer);
        if let Some((_, place)) = known.filter(|(_, place)| self.distance(*place) < NEAR) {
            return *place;
        }
        let mut place = self.push(answer.errno.map_or(op(RETURN, 0, 0, ALLOW), refuse));
        let exceptions = self.exceptions.iter().rev();
        for exception in exceptions.filter(|e| Some(e.call() as u32) == answer.excepted) {
            for instruction in except(*exception).iter().rev() {
                place = self.push(*instruction);
            }
        }
        self.answers.push((answer, place));
        place
    }

    /// The place itself, or that of a jump to it if it is too far away for a condition.
    fn within_reach(&mut self, place: usize) -> usize {
        match self.distance(place) {
            // A jump may still come between.
            ..=FARTHEST => place,
            skipped => self.push(op(JUMP, 0, 0, skipped as u32)),
        }
    }

    /// Instructions that lie between a place and the next one to be pushed.
    fn distance(&self, place: usize) -> usize {
        self.reversed.len().saturating_sub(place + 1)
    }

    fn push(&mut self, instruction: libc::sock_filter) -> usize {
        self.reversed.push(instruction);
        self.reversed.len() - 1
    }
}

/// All numbers as ascending stretches, each with its first number and its answer.
fn stretches(ranges: &[(u32, u32)], exceptions: &[Exception]) -> Vec<(u32, Answer)> {
    let listed = ranges.last().map_or(0, |(_, last)| last.saturating_add(1));
    let excepted = || exceptions.iter().map(|exception| exception.call() as u32);
    let mut firsts = Vec::with_capacity(2 + 2 * (ranges.len() + exceptions.len()));
    firsts.extend([0, listed]);
    firsts.extend(
        ranges
            .iter()
            .flat_map(|(first, last)| [*first, last.saturating_add(1)]),
    );
    firsts.extend(excepted().flat_map(|call| [call, call.saturating_add(1)]));
    firsts.sort_unstable();
    firsts.dedup();
    let allowed = |call: u32| {
        ranges
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&call))
    };
    let errno = |call: u32| match call {
        _ if allowed(call) => None,
        _ if call >= listed => Some(libc::ENOSYS),
        _ => Some(libc::EPERM),
    };
    let answer = |call: u32| Answer {
        excepted: excepted().find(|number| *number == call),
        errno: errno(call),
    };
    firsts.into_iter().map(|call| (call, answer(call))).collect()
}

/// What is looked at before the answer of a call that is an exception. The number is not needed any more.
fn except(exception: Exception) -> Vec<libc::sock_filter> {
    let (code, argument, value) = match exception {
        Exception::Errno(_, errno) => return vec![refuse(errno)],
        Exception::Bits(_, argument, bits) => (JUMP_SET, argument, bits),
        Exception::Value(_, argument, value) => (JUMP_EQ, argument, value),
    };
    vec![
        op(LOAD, 0, 0, ARGUMENTS + 8 * argument),
        op(code, 0, 1, value),
        refuse(libc::EPERM),
    ]
}

/// Ascending, disjoint, without gaps of nothing between them.
fn ranges(calls: &[&[i64]]) -> Vec<(u32, u32)> {
    let mut all = Vec::with_capacity(calls.iter().map(|list| list.len()).sum());
    all.extend(
        calls
            .iter()
            .flat_map(|list| list.iter())
            .filter_map(|n| u32::try_from(*n).ok()),
    );
    let mut calls: Vec<u32> = all;
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
        assert_eq!(ranges(&[&[5, 1, 2], &[2, 3, 9]]), [(1, 3), (5, 5), (9, 9)]);
        assert!(ranges(&[]).is_empty());
    }

    /// What the program returns for a call with these low halves of its arguments, and after how many instructions.
    fn evaluate(program: &[libc::sock_filter], call: u32, arguments: [u32; 2]) -> (u32, usize) {
        let (mut at, mut accumulator) = (0, 0);
        for steps in 1.. {
            let i = program[at];
            at += 1;
            let holds = match i.code {
                RETURN => return (i.k, steps),
                JUMP_EQ => accumulator == i.k,
                JUMP_GE => accumulator >= i.k,
                JUMP_SET => accumulator & i.k != 0,
                JUMP => {
                    at += i.k as usize;
                    continue;
                }
                _ => {
                    accumulator = match i.k {
                        NUMBER => call,
                        ARCHITECTURE => OURS,
                        argument => arguments[(argument - ARGUMENTS) as usize / 8],
                    };
                    continue;
                }
            };
            at += usize::from(if holds { i.jt } else { i.jf });
        }
        unreachable!()
    }

    #[test]
    fn every_number_has_its_answer_after_few_steps() {
        let calls: Vec<i64> = (0..600).filter(|n| n % 7 < 3 || n % 5 == 0).collect();
        let exceptions = [
            Exception::Value(41, 0, 40),
            Exception::Value(41, 0, 38),
            Exception::Bits(14, 1, 6),
            Exception::Errno(599, 38),
            Exception::Errno(700, 5),
        ];
        let program = program(&[&calls], &exceptions);
        for call in (0..800).chain([0x4000_0000, 0x4000_0001, u32::MAX]) {
            let (plain, steps) = evaluate(&program, call, [0, 0]);
            let expected = match i64::from(call) {
                599 => ERRNO | 38,
                700 => ERRNO | 5,
                n if calls.contains(&n) => ALLOW,
                n if n > 597 => ERRNO | libc::ENOSYS as u32,
                _ => ERRNO | libc::EPERM as u32,
            };
            assert_eq!(plain, expected, "{call}");
            assert!(steps <= 20, "{call}: {steps}");
        }
        let eperm = ERRNO | libc::EPERM as u32;
        for (call, arguments) in [(41, [40, 0]), (41, [38, 9]), (14, [0, 2]), (14, [7, 4])] {
            assert_eq!(evaluate(&program, call, arguments).0, eperm, "{call}");
        }
        assert_eq!(evaluate(&program, 14, [6, 1]).0, ALLOW);
    }

    #[test]
    fn answers_are_shared_and_far_ones_are_reached() {
        let every_third: Vec<i64> = (0..300).filter(|n| n % 3 == 0).collect();
        let shared = program(&[&every_third], &[]);
        assert!(
            shared.len() < 220,
            "{} instructions for 200 stretches",
            shared.len()
        );
        let calls: Vec<i64> = (0..4000).filter(|n| n % 2 == 0).collect();
        let exceptions: Vec<Exception> = (0..2000)
            .map(|n| Exception::Bits(2 * n, 0, n as u32 | 1))
            .collect();
        let long = program(&[&calls], &exceptions);
        for call in 0..3999 {
            let expected = if call % 2 == 0 { ALLOW } else { ERRNO | 1 };
            assert_eq!(evaluate(&long, call, [0, 0]).0, expected, "{call}");
            assert_eq!(evaluate(&long, call, [u32::MAX, 0]).0, ERRNO | 1, "{call}");
        }
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
            let installed = allow_only(&[&list], &exceptions);
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
