//! Signals by name and by the number of a process. kill(2) can mean groups and everybody: here every function means one thing.

use std::io;

use super::check;

/// The number of a signal named `TERM`, `SIGTERM` or `15`; `None` for anything else.
pub fn signal_by_name(text: &str) -> Option<i32> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().filter(|n| (1..=64).contains(n));
    }
    let name = match text.strip_prefix("SIG") {
        Some(_) => text.to_string(),
        None => format!("SIG{text}"),
    };
    name.parse::<nix::sys::signal::Signal>().ok().map(|s| s as i32)
}

/// The name of a signal, `SIGTERM`; the number itself for those without a name (real-time signals).
pub fn name_of_signal(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(signal) => signal.as_str().to_string(),
        Err(_) => signal.to_string(),
    }
}

/// Sends a signal to one process. `signal` 0 only checks that it exists.
///
/// Errors: ESRCH (no such process), EPERM, EINVAL for numbers that do not mean one process (0, -1 and below mean
/// groups, or every process the caller may signal).
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    send(pid, signal)
}

/// Sends a signal to every other process of the PID namespace. Only for its first process, whose namespace it is:
/// EPERM elsewhere, where it would hit everything of the user.
pub fn kill_namespace(signal: i32) -> io::Result<()> {
    if std::process::id() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    send(-1, signal)
}

/// Sends a signal to every process of the own group, this one included.
pub fn kill_own_group(signal: i32) -> io::Result<()> {
    send(0, signal)
}

fn send(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: integer arguments only.
    check(unsafe { libc::kill(pid, signal) })
}

/// Sends a signal to every process of a group. Errors: ESRCH (no such group), EPERM.
pub fn kill_group(pgid: i32, signal: i32) -> io::Result<()> {
    if pgid <= 1 {
        // killpg(0) means the own group and killpg(1) everybody.
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    send(-pgid, signal)
}
