//! The terminal: is there one, how wide is it, which process group reads from it.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::process::{change_mask, check, set_mask};

/// True when the descriptor is a terminal.
pub fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: integer argument only.
    unsafe { libc::isatty(fd.as_raw_fd()) == 1 }
}

/// Foreground process group of the terminal. Errors: ENOTTY (no terminal, or not the controlling one).
pub fn foreground(fd: BorrowedFd<'_>) -> io::Result<i32> {
    // SAFETY: integer argument only.
    let group = unsafe { libc::tcgetpgrp(fd.as_raw_fd()) };
    check(group)?;
    Ok(group)
}

/// Gives the terminal to a process group of the same session.
///
/// SIGTTOU is blocked meanwhile: a process in the background that takes the terminal back would otherwise be
/// stopped. Errors: ENOTTY, EPERM (group of another session), ESRCH.
pub fn set_foreground(fd: BorrowedFd<'_>, group: i32) -> io::Result<()> {
    let old = change_mask(libc::SIG_BLOCK, 1 << (libc::SIGTTOU - 1))?;
    // SAFETY: integer arguments only.
    let result = check(unsafe { libc::tcsetpgrp(fd.as_raw_fd(), group) });
    set_mask(old)?;
    result
}

/// Columns of the terminal; `None` when it is none or does not know.
pub fn width(fd: BorrowedFd<'_>) -> Option<u16> {
    size(fd).map(|(columns, _)| columns)
}

/// Columns (at least 1) and lines of the terminal; `None` when it is none or does not know.
pub fn size(fd: BorrowedFd<'_>) -> Option<(u16, u16)> {
    // SAFETY: winsize is plain data.
    let mut size: libc::winsize = unsafe { mem::zeroed() };
    // SAFETY: TIOCGWINSZ fills a winsize.
    let r = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &mut size) };
    (r == 0 && size.ws_col > 0).then_some((size.ws_col, size.ws_row))
}

/// Stops this process (`group`: its whole process group) by a job-control signal with its default action, as the
/// terminal would; returns when it is continued. The signal may be blocked at other times.
///
/// Returns at once when the kernel ignores the stop, because nobody could continue the group (orphaned, see
/// setpgid(2)).
pub fn suspend(signal: i32, group: bool) -> io::Result<()> {
    super::process::default_action(signal)?;
    match group {
        true => super::process::kill_own_group(signal)?,
        false => super::process::kill(std::process::id() as i32, signal)?,
    }
    let old = change_mask(libc::SIG_UNBLOCK, 1 << (signal - 1))?;
    set_mask(old).map(drop)
}

/// Process group of this process.
pub fn own_group() -> i32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::getpgrp() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_pipe_is_no_terminal() {
        let (read, _write) = crate::sys::process::pipe().unwrap();
        assert!(!is_terminal(read.as_fd()));
        assert_eq!(width(read.as_fd()), None);
        assert_eq!(
            foreground(read.as_fd()).unwrap_err().raw_os_error(),
            Some(libc::ENOTTY)
        );
        let e = set_foreground(read.as_fd(), own_group()).unwrap_err();
        assert_eq!(e.raw_os_error(), Some(libc::ENOTTY));
    }
}
