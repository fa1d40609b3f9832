//! The start of a short-lived program, in place of the standard library's.
//!
//! The library's own start asks for the limits of the main thread's stack, for which the C library opens and reads
//! `/proc/self/maps`, and sets up a handler that turns a stack overflow into a message: 17 system calls and a page
//! of the kernel's text, more than the rest of a short program does. What it does for safety is done here.

use std::io;

/// Memory that is kept for the next allocation rather than given back, bytes.
const KEPT: libc::c_int = 1 << 20;
/// Memory asked from the kernel beyond what is needed now, bytes.
const AHEAD: libc::c_int = 256 << 10;

/// Makes the standard descriptors exist, ignores SIGPIPE (writers see EPIPE), and tells the allocator not to hand
/// small amounts of memory back and forth. Called once, first of all.
///
/// Errors: a standard descriptor is closed and `/dev/null` cannot be opened in its place.
pub fn begin() -> io::Result<()> {
    fill_standard_descriptors()?;
    // SAFETY: SIG_IGN is a valid action; no handler is involved.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    keep_memory();
    Ok(())
}

/// A file opened later must not become standard output by chance.
fn fill_standard_descriptors() -> io::Result<()> {
    let mut fds = [0, 1, 2].map(|fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    });
    // SAFETY: an array of valid pollfds of the length given.
    if unsafe { libc::poll(fds.as_mut_ptr(), 3, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    for _ in fds.iter().filter(|fd| fd.revents & libc::POLLNVAL != 0) {
        // SAFETY: a constant string with its terminator. The lowest free number is the one that is missing, and it
        // stays open for good.
        if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(target_env = "gnu")]
fn keep_memory() {
    // SAFETY: plain integers; unknown parameters are refused without effect.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TOP_PAD, AHEAD);
    }
}

#[cfg(not(target_env = "gnu"))]
fn keep_memory() {}
