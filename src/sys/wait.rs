//! How processes end: waitid(2) and the status for the shell.

use std::io;
use std::mem;

/// What happened to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Ended by itself with this exit code.
    Exited(u8),
    /// Killed by this signal.
    Signaled(i32),
    /// Stopped by this signal (only with [`WaitOptions::stopped`]).
    Stopped(i32),
    /// Continued (only with [`WaitOptions::continued`]).
    Continued,
}

impl Status {
    /// Exit code as a shell reports it: 128 + signal for signals; 0 for a process that continues.
    pub fn exit_code(self) -> u8 {
        match self {
            Status::Exited(code) => code,
            Status::Signaled(signal) | Status::Stopped(signal) => 128u8.saturating_add(signal as u8),
            Status::Continued => 0,
        }
    }
}

/// How to wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WaitOptions {
    /// Return `None` at once when nothing has happened.
    pub nohang: bool,
    /// Report stopped children too.
    pub stopped: bool,
    /// Report continued children too.
    pub continued: bool,
}

/// Waits for a child (`None` = any) and reaps it if it has ended. `Ok(None)` only with `nohang`.
/// Errors: ECHILD (no such child). Interruption by a signal is retried.
pub fn wait(pid: Option<i32>, o: WaitOptions) -> io::Result<Option<(i32, Status)>> {
    let (kind, id) = match pid {
        Some(pid) => (libc::P_PID, pid as libc::id_t),
        None => (libc::P_ALL, 0),
    };
    let mut flags = libc::WEXITED;
    for (wanted, flag) in [
        (o.nohang, libc::WNOHANG),
        (o.stopped, libc::WSTOPPED),
        (o.continued, libc::WCONTINUED),
    ] {
        if wanted {
            flags |= flag;
        }
    }
    // SAFETY: siginfo_t is plain data; zero means "nothing happened", si_pid included.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    loop {
        // SAFETY: a valid siginfo_t to fill.
        if unsafe { libc::waitid(kind, id, &mut info, flags) } == 0 {
            break;
        }
        let e = io::Error::last_os_error();
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
    // SAFETY: waitid fills the fields of SIGCHLD, or leaves the zeroes.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let status = match info.si_code {
        libc::CLD_EXITED => Status::Exited(status as u8),
        libc::CLD_STOPPED | libc::CLD_TRAPPED => Status::Stopped(status),
        libc::CLD_CONTINUED => Status::Continued,
        _ => Status::Signaled(status),
    };
    Ok(Some((pid, status)))
}
