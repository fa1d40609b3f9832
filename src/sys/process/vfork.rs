//! Work done by a new process in our memory, while we wait: vfork(2) by clone(2).
//!
//! Copying the page tables of a process, and then each page that one of the two writes to, takes longer than what most
//! children do before they execute a program. Nothing but the memory is shared: descriptors, signal actions, ids,
//! filters and limits of the child are its own.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use super::{change_mask, exit_now, keep_children, Child};

/// Address space for the stack of the child, bytes; only what it touches becomes memory.
const STACK: usize = 256 << 10;
/// At its lower end, never accessible, bytes: a multiple of every page size.
const GUARD: usize = 64 << 10;

/// Runs `work` in a new process on a stack of its own. Returns once that has executed a program, or has ended: then with
/// what `work` returned, unless it was killed.
///
/// `work` may do everything that a child made by [`super::fork`] may. But what it allocates and does not free before it
/// executes a program is lost to us, so that it belongs into a place of the caller's. It begins with all signals
/// blocked. Must be called from a single-threaded process.
///
/// Errors: EAGAIN (process limit), ENOMEM.
pub fn vfork<T>(work: impl FnOnce() -> T) -> io::Result<(Child, Option<T>)> {
    let stack = Stack::new()?;
    keep_children()?;
    let mut job = Job {
        work: Some(work),
        result: None,
    };
    // No handler of ours may run on the child's stack.
    let old = change_mask(libc::SIG_SETMASK, u64::MAX)?;
    let child = clone(&stack, &mut job);
    change_mask(libc::SIG_SETMASK, old)?;
    Ok((child?, job.result))
}

/// What both sides see.
struct Job<F, T> {
    work: Option<F>,
    result: Option<T>,
}

fn clone<F: FnOnce() -> T, T>(stack: &Stack, job: &mut Job<F, T>) -> io::Result<Child> {
    let mut pidfd: libc::c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the stack is aligned and grows down from its end; it and the job are alive until the child has its own
    // memory or is gone, before which this call does not return (CLONE_VFORK). This process is single-threaded, so that
    // nobody else uses the memory meanwhile. The kernel writes the number of the pidfd.
    let pid = unsafe {
        let job = ptr::from_mut(job).cast();
        libc::clone(child::<F, T>, stack.top(), flags, job, &raw mut pidfd)
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Child {
            pid,
            // SAFETY: kernels that know CLONE_PIDFD (5.2) have stored a new descriptor that nobody else owns.
            pidfd: (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) }),
        }),
    }
}

/// The child.
extern "C" fn child<F: FnOnce() -> T, T>(job: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `clone` passes a job of these types that outlives this function, and does not touch it meanwhile.
    let job = unsafe { &mut *job.cast::<Job<F, T>>() };
    job.result = job.work.take().map(|work| work());
    exit_now(127)
}

/// A stack of its own, with a guard below.
struct Stack(*mut libc::c_void);

impl Stack {
    fn new() -> io::Result<Stack> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: a new mapping wherever the kernel likes.
        let start = unsafe { libc::mmap(ptr::null_mut(), STACK, libc::PROT_NONE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Stack(start);
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a part of the mapping just made, which nobody uses yet.
        super::check(unsafe { libc::mprotect(start.byte_add(GUARD), STACK - GUARD, access) })?;
        Ok(stack)
    }

    fn top(&self) -> *mut libc::c_void {
        // SAFETY: the end of the mapping.
        unsafe { self.0.byte_add(STACK) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no process runs on it any more.
        unsafe { libc::munmap(self.0, STACK) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{wait, Program, Status, WaitOptions};
    use std::path::Path;

    fn status(child: &Child) -> Status {
        wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap().1
    }

    #[test]
    fn what_the_child_says_arrives_and_its_descriptors_are_its_own() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let (child, said) = vfork(|| {
            nix::unistd::close(std::os::fd::AsRawFd::as_raw_fd(&file)).unwrap();
            format!("{} was here", "child")
        })
        .unwrap();
        assert_eq!(said.as_deref(), Some("child was here"));
        assert!(file.metadata().is_ok() && child.pidfd.is_some());
        assert_eq!(status(&child), Status::Exited(127));
    }

    #[test]
    fn a_program_is_executed_and_its_words_are_freed_here() {
        let mut words = None;
        let (child, failed) = vfork(|| {
            let argv = ["sh", "-c", "exit $CODE"].map(Into::into);
            let env = [("CODE".into(), "5".into())];
            match Program::new(Path::new("/bin/sh"), &argv, &env) {
                Ok(program) => words.insert(program).exec(),
                Err(e) => e,
            }
        })
        .unwrap();
        assert!(failed.is_none() && words.is_some());
        assert_eq!(status(&child), Status::Exited(5));
    }
}
