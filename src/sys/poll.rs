//! Waiting for descriptors, deadlines and signals, and for nothing else: no periodic wake-ups.
//!
//! Signals arrive through a signalfd(2) rather than handlers: vagga forks without exec (launcher, wrapper,
//! builder), and a handler would write a signal of the child into the pipe of its parent.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Instant;

use super::process::{change_mask, check, default_action};

/// The signals a loop wants to hear about. They stay blocked after it is dropped, so that none is lost between
/// two loops of one process; children start with an empty mask ([`super::process::fork`]).
///
/// A program started through `std::process::Command` inherits the blocked signals: use
/// [`super::process::fork`] and [`super::process::exec`] where that matters.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    mask: u64,
}

impl Signals {
    /// As [`Signals::new`], for a program to which SIGHUP is a request: collected also when whoever started it ignores
    /// the signal (nohup).
    pub fn with_hangup(signals: &[i32]) -> io::Result<Signals> {
        // Blocked first: one that comes now waits.
        change_mask(libc::SIG_BLOCK, 1 << (libc::SIGHUP - 1))?;
        default_action(libc::SIGHUP)?;
        Signals::new(signals)
    }

    /// Begins to collect the given signals instead of their default action.
    ///
    /// SIGHUP is left alone when it is ignored (nohup). Errors: EINVAL, EMFILE.
    pub fn new(signals: &[i32]) -> io::Result<Signals> {
        let mut mask = 0u64;
        for &signal in signals {
            if !(1..=64).contains(&signal) {
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            if signal == libc::SIGHUP && is_ignored(signal) {
                continue;
            }
            if signal == libc::SIGCHLD {
                default_action(signal)?;
            }
            mask |= 1 << (signal - 1);
        }
        change_mask(libc::SIG_BLOCK, mask)?;
        // SAFETY: a mask of the 8 bytes announced; the result is a fresh descriptor.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_signalfd4,
                -1,
                &mask,
                8,
                libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
            )
        };
        check(fd as i32)?;
        // SAFETY: the kernel has just given us this descriptor.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(Signals { fd, mask })
    }

    /// Ends the collecting: from here on the signals do again what they did before, also those that nobody drained.
    pub fn release(self) -> io::Result<()> {
        change_mask(libc::SIG_UNBLOCK, self.mask).map(|_| ())
    }

    /// Readable when a signal has arrived.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The signals that arrived since the last call, in the order the kernel reports them; never blocks.
    /// Equal signals may have merged, as always in Unix.
    pub fn drain(&self) -> io::Result<Vec<i32>> {
        let mut out = Vec::new();
        loop {
            // SAFETY: signalfd_siginfo is plain data.
            let mut infos: [libc::signalfd_siginfo; 8] = unsafe { mem::zeroed() };
            // SAFETY: the buffer has the size announced.
            let n = unsafe {
                libc::read(
                    self.fd.as_raw_fd(),
                    infos.as_mut_ptr().cast(),
                    mem::size_of_val(&infos),
                )
            };
            if n < 0 {
                let e = io::Error::last_os_error();
                match e.kind() {
                    io::ErrorKind::WouldBlock => return Ok(out),
                    io::ErrorKind::Interrupted => continue,
                    _ => return Err(e),
                }
            }
            let count = n as usize / mem::size_of::<libc::signalfd_siginfo>();
            out.extend(infos.iter().take(count).map(|info| info.ssi_signo as i32));
            if count < infos.len() {
                return Ok(out);
            }
        }
    }
}

/// True when one of the blocked signals has arrived and waits.
pub fn is_pending(signals: &[i32]) -> bool {
    // SAFETY: sigset_t is plain data, and is only written to and read.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigpending(&mut set) == 0 && signals.iter().any(|s| libc::sigismember(&set, *s) == 1)
    }
}

/// True when the action of the signal is SIG_IGN.
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: sigaction is plain data, and is only read into.
    unsafe {
        let mut old: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &mut old) == 0 && old.sa_sigaction == libc::SIG_IGN
    }
}

/// Waits until one of the descriptors is readable (or hung up, or in error), or the deadline has passed.
/// The result says for each descriptor whether it is ready; all `false` means the deadline. No deadline = forever.
pub fn wait(fds: &[BorrowedFd<'_>], deadline: Option<Instant>) -> io::Result<Vec<bool>> {
    let mut polls: Vec<libc::pollfd> = fds
        .iter()
        .map(|fd| libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    poll(&mut polls, deadline)?;
    Ok(polls.iter().map(|p| p.revents != 0).collect())
}

/// Waits until a file of the kernel says that its content has changed since it was last read from the start (POLLPRI:
/// `cgroup.events`, `memory.events`, `mountinfo`), or the deadline has passed: then `false`.
pub fn wait_change(fd: BorrowedFd<'_>, deadline: Option<Instant>) -> io::Result<bool> {
    let mut polls = [libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLPRI,
        revents: 0,
    }];
    poll(&mut polls, deadline)
}

/// ppoll(2) until one is ready: `true`, or the deadline has passed.
fn poll(polls: &mut [libc::pollfd], deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let timeout = deadline.map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            libc::timespec {
                tv_sec: left.as_secs().min(i32::MAX as u64) as libc::time_t,
                tv_nsec: left.subsec_nanos() as _,
            }
        });
        let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the array has the length given, the timeout is null or alive, no mask.
        let n = unsafe {
            libc::ppoll(
                polls.as_mut_ptr(),
                polls.len() as libc::nfds_t,
                timeout,
                ptr::null(),
            )
        };
        if n >= 0 {
            return Ok(n > 0);
        }
        let e = io::Error::last_os_error();
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, pipe, Fork, Namespaces, WaitOptions};
    use std::io::Write;
    use std::time::Duration;

    #[test]
    fn wait_tells_which_descriptor_is_ready() {
        let (a, _keep) = pipe().unwrap();
        let (b, w) = pipe().unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(wait(&[a.as_fd(), b.as_fd()], Some(soon)).unwrap(), [false, false]);
        assert!(Instant::now() >= soon);
        std::fs::File::from(w).write_all(b"x").unwrap();
        assert_eq!(wait(&[a.as_fd(), b.as_fd()], None).unwrap(), [false, true]);
    }

    /// In a child, since the test harness is threaded and the mask belongs to a thread.
    #[test]
    fn signals_of_this_process_are_collected() {
        let Fork::Parent(child) = process::fork(Namespaces::empty()).unwrap() else {
            let ok = (|| -> io::Result<bool> {
                let signals = Signals::new(&[libc::SIGTERM, libc::SIGINT])?;
                let me = std::process::id() as i32;
                process::kill(me, libc::SIGTERM)?;
                process::kill(me, libc::SIGINT)?;
                let ready = wait(&[signals.fd()], None)?;
                let mut got = signals.drain()?;
                got.sort_unstable();
                Ok(ready == [true] && got == [libc::SIGINT, libc::SIGTERM] && signals.drain()?.is_empty())
            })();
            process::exit_now(if matches!(ok, Ok(true)) { 0 } else { 1 });
        };
        let (_, status) = process::wait(Some(child.pid), WaitOptions::default())
            .unwrap()
            .unwrap();
        assert_eq!(status, process::Status::Exited(0));
    }
}
