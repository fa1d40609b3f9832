//! Programs started without copying this process: vfork(2) by clone(2).
//!
//! The child runs in our memory, on a stack of its own, while we are stopped, and may do nothing but a few system
//! calls until execve(2). Copying the page tables of a program with a large heap would take longer than that.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::{
    change_mask, default_action, exit_now, keep_children, wait, Child, Program, WaitOptions, LAST_SIGNAL,
};

/// Words of 16 bytes for the stack of the child, which calls only wrappers of system calls.
const STACK: usize = 512;

/// `CLOSE_RANGE_CLOEXEC` of close_range(2), Linux 5.11.
const CLOSE_ON_EXEC: libc::c_uint = 4;

/// A program to be started.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// A path; PATH is not searched.
    pub program: &'a Path,
    /// With the zeroth argument.
    pub argv: &'a [OsString],
    /// The whole environment.
    pub env: &'a [(OsString, OsString)],
    /// Descriptors and the numbers they get, crossed or not. The program has these and, unless among them, 0, 1 and 2.
    pub descriptors: &'a [(BorrowedFd<'a>, i32)],
    /// Signals that this process ignores and the program shall not: bit n-1 is signal n
    /// ([`ignored_signals`](super::ignored_signals)).
    pub ignored: u64,
}

/// A descriptor on its way to its number.
struct Move {
    from: i32,
    /// A copy above all numbers, made by the child.
    copy: i32,
    to: i32,
}

/// What the child needs; all of it is ours and outlives it.
struct Job {
    program: *const libc::c_char,
    argv: *const *const libc::c_char,
    env: *const *const libc::c_char,
    moves: Vec<Move>,
    /// All numbers are below.
    above: i32,
    ignored: u64,
    /// Set by the child when something fails.
    errno: i32,
}

/// Starts a program, with no signal blocked. Returns when it has been executed, with a pidfd.
///
/// Errors: the errno of clone(2), fcntl(2), dup2(2) or execve(2), and then there is no child; InvalidInput when a string
/// contains a NUL.
pub fn spawn(start: &Start<'_>) -> io::Result<Child> {
    let program = Program::new(start.program, start.argv, start.env)?;
    let moves = start.descriptors.iter().map(|(fd, to)| Move {
        from: fd.as_raw_fd(),
        copy: -1,
        to: *to,
    });
    let mut job = Job {
        program: program.path.as_ptr(),
        argv: program.argv.as_ptr(),
        env: program.env.as_ptr(),
        moves: moves.collect(),
        above: start
            .descriptors
            .iter()
            .map(|(_, to)| to.saturating_add(1))
            .fold(3, i32::max),
        ignored: start.ignored,
        errno: 0,
    };
    keep_children()?;
    // No handler of ours may run on the child's stack.
    let old = change_mask(libc::SIG_SETMASK, u64::MAX)?;
    let started = clone(&mut job);
    change_mask(libc::SIG_SETMASK, old)?;
    let child = started?;
    if job.errno != 0 {
        let _ = wait(Some(child.pid), WaitOptions::default());
        return Err(io::Error::from_raw_os_error(job.errno));
    }
    Ok(child)
}

/// Returns once the child has become the program or has ended.
fn clone(job: &mut Job) -> io::Result<Child> {
    let mut stack = [0u128; STACK];
    let mut pidfd: libc::c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the stack is aligned, grows down from its end, and lives in this frame, which is not left before the
    // child has its own memory or is gone (CLONE_VFORK); so does the job. This process is single-threaded. The kernel
    // writes the number of the pidfd.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(STACK).cast();
        libc::clone(child, top, flags, std::ptr::from_mut(job).cast(), &raw mut pidfd)
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

/// The child: only system calls, nothing that allocates.
extern "C" fn child(job: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `clone` passes a job that outlives this function, and does not touch it meanwhile.
    let job = unsafe { &mut *job.cast::<Job>() };
    if prepare(job) {
        // SAFETY: the strings and arrays of the job are terminated and alive.
        unsafe { libc::execve(job.program, job.argv, job.env) };
    }
    // SAFETY: the address of errno is valid in every thread.
    job.errno = unsafe { *libc::__errno_location() };
    exit_now(127)
}

/// Descriptors and signals of the program. `false`: errno says why not.
fn prepare(job: &mut Job) -> bool {
    close_on_exec();
    let above = job.above;
    let copied = job.moves.iter_mut().all(|step| {
        // SAFETY: integer arguments only.
        step.copy = unsafe { libc::fcntl(step.from, libc::F_DUPFD_CLOEXEC, above) };
        step.copy != -1
    });
    // SAFETY: integer arguments only.
    let moved = copied
        && job
            .moves
            .iter()
            .all(|step| unsafe { libc::dup2(step.copy, step.to) } != -1);
    let ignored = job.ignored;
    let mut ignored = (1..=LAST_SIGNAL).filter(|signal| ignored & (1 << (signal - 1)) != 0);
    moved && ignored.all(|signal| default_action(signal).is_ok()) && change_mask(libc::SIG_SETMASK, 0).is_ok()
}

/// What was inherited without the flag goes too.
fn close_on_exec() {
    // SAFETY: integer arguments only; the table of descriptors is the child's own.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_ON_EXEC) } != 0 {
        // SAFETY: integer arguments only; most of these numbers are not open.
        (3..1024).for_each(|fd| unsafe {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{pipe, Status};
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsFd;

    fn run(program: &str, argv: &[&str]) -> io::Result<(String, Status)> {
        let (read, write) = pipe()?;
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        let env = [("WORD".into(), "there".into())];
        let other = File::open("/proc/self/status")?;
        let child = spawn(&Start {
            program: Path::new(program),
            argv: &argv,
            env: &env,
            // Crossed, and a copy of what is inherited by mistake.
            descriptors: &[(write.as_fd(), 2), (write.as_fd(), other.as_raw_fd())],
            ignored: 1 << (libc::SIGPIPE - 1),
        })?;
        assert!(child.pidfd.is_some());
        drop(write);
        let mut text = String::new();
        File::from(read).read_to_string(&mut text)?;
        let (_, status) = wait(Some(child.pid), WaitOptions::default())?.unwrap();
        Ok((text, status))
    }

    #[test]
    fn a_program_gets_its_arguments_its_environment_and_the_pipe() {
        let (text, status) = run("/bin/sh", &["sh", "-c", "echo $0 $1 $WORD >&2; exit 3", "a", "b"]).unwrap();
        assert_eq!((text.as_str(), status), ("a b there\n", Status::Exited(3)));
    }

    #[test]
    fn a_missing_program_is_an_error_and_leaves_no_child() {
        let e = run("/nowhere/at/all", &["x"]).unwrap_err();
        assert_eq!(e.raw_os_error(), Some(libc::ENOENT));
        let e = run("/bin/sh", &["a\0b"]).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
    }
}
