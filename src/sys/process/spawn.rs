//! Programs started without copying this process: vfork(2) by clone(2).
//!
//! The child runs in our memory, on a stack of its own, while we are stopped, and may do nothing but a few system
//! calls until execve(2). Copying the page tables of a program with a large heap would take longer than that.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use super::{change_mask, exec_strings, exit_now, keep_children, pointers, wait, Child, WaitOptions};

/// Words of 16 bytes for the stack of the child, which calls only wrappers of system calls.
const STACK: usize = 512;

/// What the child needs; all of it is ours and outlives it.
struct Job {
    program: *const libc::c_char,
    argv: *const *const libc::c_char,
    env: *const *const libc::c_char,
    stderr: i32,
    /// Set by the child when something fails.
    errno: i32,
}

/// Starts `program` (a path, no search in PATH) with `stderr` as its standard error and no signal blocked. `argv`
/// includes the zeroth argument. No pidfd: the caller waits for it.
///
/// Errors: the errno of clone(2) or execve(2); InvalidInput when a string contains a NUL.
pub fn spawn(
    program: &Path,
    argv: &[OsString],
    env: &[(OsString, OsString)],
    stderr: BorrowedFd<'_>,
) -> io::Result<Child> {
    let (program, argv, env) = exec_strings(program, argv, env)?;
    let (argv, env) = (pointers(&argv), pointers(&env));
    let mut job = Job {
        program: program.as_ptr(),
        argv: argv.as_ptr(),
        env: env.as_ptr(),
        stderr: stderr.as_raw_fd(),
        errno: 0,
    };
    keep_children()?;
    // No handler of ours may run on the child's stack.
    let old = change_mask(libc::SIG_SETMASK, u64::MAX)?;
    let started = start(&mut job);
    change_mask(libc::SIG_SETMASK, old)?;
    let pid = started?;
    if job.errno != 0 {
        let _ = wait(Some(pid), WaitOptions::default());
        return Err(io::Error::from_raw_os_error(job.errno));
    }
    Ok(Child { pid, pidfd: None })
}

/// Returns once the child has become the program or has ended.
fn start(job: &mut Job) -> io::Result<i32> {
    let mut stack = [0u128; STACK];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is aligned, grows down from its end, and lives in this frame, which is not left before the
    // child has its own memory or is gone (CLONE_VFORK); so does the job. This process is single-threaded.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(STACK).cast();
        libc::clone(child, top, flags, std::ptr::from_mut(job).cast())
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(pid),
    }
}

/// The child: only system calls, nothing that allocates.
extern "C" fn child(job: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `start` passes a job that outlives this function, and does not touch it meanwhile.
    let job = unsafe { &mut *job.cast::<Job>() };
    // SAFETY: the strings and arrays of the job are terminated and alive.
    unsafe {
        if libc::dup2(job.stderr, 2) == 2 && change_mask(libc::SIG_SETMASK, 0).is_ok() {
            libc::execve(job.program, job.argv, job.env);
        }
        job.errno = *libc::__errno_location();
    }
    exit_now(127)
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
        let child = spawn(Path::new(program), &argv, &env, write.as_fd())?;
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
