//! The death of the parent: asked for in the child, watched across PID namespaces and on kernels without pidfds.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use super::{check, exit_now, pidfd_open, pipe};

/// In a child: process id of the parent, or 0 when it lives in another PID namespace.
static PARENT: AtomicI32 = AtomicI32::new(0);
/// In a child in a new PID namespace: descriptor that becomes ready when the parent ends; -1 = none.
static PARENT_WATCH: AtomicI32 = AtomicI32::new(-1);
/// Write end of the pipe that stands in for a pidfd of this process; held open as long as it lives.
static LIFELINE: AtomicI32 = AtomicI32::new(-1);
/// Its read end, of which every child gets a copy: all children watch the same pipe.
static LIFELINE_END: AtomicI32 = AtomicI32::new(-1);

/// Bookkeeping of a child. `parent` is 0 when it lives in another PID namespace; `watch` becomes ready when it ends.
pub(in crate::sys) fn now_child_of(parent: i32, watch: Option<OwnedFd>) {
    PARENT.store(parent, Ordering::Relaxed);
    PARENT_WATCH.store(watch.map_or(-1, OwnedFd::into_raw_fd), Ordering::Relaxed);
    close_lifeline();
    super::forget_children();
}

/// Descriptor that becomes ready (POLLIN or POLLHUP) when this process ends.
pub(super) fn watch_self(pid: i32) -> io::Result<OwnedFd> {
    if let Ok(fd) = pidfd_open(pid) {
        return Ok(fd);
    }
    if LIFELINE_END.load(Ordering::Relaxed) < 0 {
        let (read, write) = pipe()?;
        LIFELINE.store(write.into_raw_fd(), Ordering::Relaxed);
        LIFELINE_END.store(read.into_raw_fd(), Ordering::Relaxed);
    }
    // SAFETY: the static owns the descriptor and keeps it open in this process.
    let end = unsafe { BorrowedFd::borrow_raw(LIFELINE_END.load(Ordering::Relaxed)) };
    end.try_clone_to_owned()
}

/// A child must not keep its parent's lifeline open.
fn close_lifeline() {
    close_owned(LIFELINE.swap(-1, Ordering::Relaxed));
    close_owned(LIFELINE_END.swap(-1, Ordering::Relaxed));
}

/// Closes a descriptor taken out of one of the statics above; -1 is nothing.
fn close_owned(fd: i32) {
    if fd >= 0 {
        // SAFETY: the statics own what they hold, and it has just been taken out.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

/// Asks for `signal` when the parent dies, and ends the process at once if it is dead already.
///
/// The kernel forgets the request when effective ids change or capabilities are gained, so that it comes after
/// [`set_ids`](super::set_ids) and before [`exec`](super::exec).
///
/// Errors: EINVAL (no such signal).
pub fn set_parent_death_signal(signal: i32) -> io::Result<()> {
    // SAFETY: integer arguments only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong, 0, 0, 0) })?;
    if parent_is_dead() {
        exit_now(128 + signal);
    }
    Ok(())
}

/// True when the process that forked this one has ended.
fn parent_is_dead() -> bool {
    let parent = PARENT.load(Ordering::Relaxed);
    // SAFETY: no arguments, cannot fail.
    if parent != 0 && unsafe { libc::getppid() } != parent {
        return true;
    }
    let watch = PARENT_WATCH.load(Ordering::Relaxed);
    if watch < 0 {
        return false;
    }
    let mut fd = libc::pollfd {
        fd: watch,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid pollfd. POLLNVAL (somebody closed the descriptor) does not count as death.
    let ready = unsafe { libc::poll(&mut fd, 1, 0) };
    ready == 1 && fd.revents & (libc::POLLIN | libc::POLLHUP) != 0
}
