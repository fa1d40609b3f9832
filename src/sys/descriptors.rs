//! Descriptors of this process as a whole: which ones survive, and who may look at them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

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
    use std::os::fd::AsFd;

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
