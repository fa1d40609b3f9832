//! Descriptors of this process as a whole: which ones survive, and who may look at them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::process::check;

/// Closes every descriptor from `first` up except those in `keep`.
///
/// For a freshly forked process that goes its own way: values of the parent that own closed descriptors must not
/// be used or dropped afterwards.
pub fn close_all_but(first: i32, keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut keep: Vec<i32> = keep
        .iter()
        .map(AsRawFd::as_raw_fd)
        .filter(|fd| *fd >= first)
        .collect();
    keep.sort_unstable();
    let mut from = first;
    for fd in keep {
        close_between(from, fd)?;
        from = fd + 1;
    }
    super::process::close_from(from)
}

/// A close-on-exec copy whose number is `least` or above.
pub fn copy_above(fd: BorrowedFd<'_>, least: i32) -> io::Result<OwnedFd> {
    // SAFETY: integer arguments only.
    let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) };
    check(copy)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Takes over a descriptor that was inherited under a known number; `None` when there is none of this number.
pub fn inherited(number: i32) -> Option<OwnedFd> {
    // SAFETY: integer arguments only.
    if number < 0 || unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return None;
    }
    // SAFETY: it is open, and whoever asks for it by number says that nobody else in this process owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Before exec: each of `wanted` gets its number, and everything else from 3 up is closed. Numbers may be crossed:
/// `[(5, 6), (6, 5)]` works.
///
/// As for [`close_all_but`]: values that own other descriptors must not be used or dropped afterwards.
pub fn arrange(wanted: &[(BorrowedFd<'_>, i32)]) -> io::Result<()> {
    // Above all numbers, so that none of them covers a copy.
    let above = wanted.iter().map(|(_, number)| number + 1).fold(3, i32::max);
    let copies: Vec<OwnedFd> = wanted
        .iter()
        .map(|(fd, _)| copy_above(*fd, above))
        .collect::<io::Result<_>>()?;
    let mut stay = Vec::new();
    for (copy, (_, number)) in copies.iter().zip(wanted) {
        super::process::dup_to(copy.as_fd(), *number)?;
        // SAFETY: it has just been opened; nobody closes it before the end of this function.
        stay.push(unsafe { BorrowedFd::borrow_raw(*number) });
    }
    close_all_but(3, &stay)?;
    // Closed with all others.
    copies.into_iter().for_each(std::mem::forget);
    Ok(())
}

/// Closes `from..to`.
fn close_between(from: i32, to: i32) -> io::Result<()> {
    if from >= to {
        return Ok(());
    }
    // SAFETY: the caller gives up what owns these descriptors (documented).
    let r = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            from as libc::c_uint,
            (to - 1) as libc::c_uint,
            0,
        )
    };
    if r == -1 {
        for fd in from..to {
            // SAFETY: as above; EBADF is harmless.
            unsafe { libc::close(fd) };
        }
    }
    Ok(())
}

/// Hides this process from everybody without CAP_SYS_PTRACE in the user namespace it was executed in: no
/// `/proc/PID/fd`, `root`, `exe`, `mem`, no ptrace. Lasts until exec.
///
/// Errors: none in practice.
pub fn hide() -> io::Result<()> {
    // SAFETY: integer arguments only.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })
}

/// Takes [`hide`] back: needed while another process writes files of `/proc` of this one or of its children.
///
/// Errors: none in practice.
pub fn show() -> io::Result<()> {
    // SAFETY: integer arguments only.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{exit_now, fork, wait, Fork, Namespaces, Status, WaitOptions};

    #[test]
    fn numbers_may_be_crossed() {
        let Fork::Parent(child) = fork(Namespaces::empty()).unwrap() else {
            let (read, write) = crate::sys::process::pipe().unwrap();
            let (r, w) = (read.as_raw_fd(), write.as_raw_fd());
            let extra = std::fs::File::open("/dev/null").unwrap();
            let done = arrange(&[(write.as_fd(), r), (read.as_fd(), w)]);
            let (Some(write), Some(read)) = (inherited(r), inherited(w)) else {
                exit_now(2)
            };
            let written = nix::unistd::write(&write, b"x") == Ok(1);
            let got = nix::unistd::read(&read, &mut [0; 4]) == Ok(1);
            let closed = inherited(extra.as_raw_fd()).is_none();
            exit_now(if done.is_ok() && written && got && closed {
                0
            } else {
                1
            });
        };
        let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Exited(0));
    }

    #[test]
    fn only_the_kept_descriptors_survive() {
        let Fork::Parent(child) = fork(Namespaces::empty()).unwrap() else {
            let files: Vec<_> = (0..4).map(|_| std::fs::File::open("/dev/null")).collect();
            let open = |f: &io::Result<std::fs::File>| f.as_ref().is_ok_and(|f| f.metadata().is_ok());
            let kept = [
                files[1].as_ref().unwrap().as_fd(),
                files[3].as_ref().unwrap().as_fd(),
            ];
            let done = close_all_but(3, &kept).is_ok();
            let right = !open(&files[0]) && open(&files[1]) && !open(&files[2]) && open(&files[3]);
            exit_now(if done && right { 0 } else { 1 });
        };
        let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Exited(0));
    }
}
