//! The machine as a whole: turning it off, and what its first process has to say about the keyboard.

use std::io;

use super::process::check;

/// What happens to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It is turned off.
    Off,
    /// It starts again.
    Restart,
}

/// Writes what is only in memory to the disks (sync(2)).
pub fn sync() {
    // SAFETY: no arguments.
    unsafe { libc::sync() }
}

/// Turns the machine off or starts it anew, at once: nothing is written, nobody is asked (reboot(2)). In a PID namespace
/// of its own only that namespace ends. Returns only on failure: EPERM (no CAP_SYS_BOOT).
pub fn set_power(power: Power) -> io::Error {
    let command = match power {
        Power::Off => libc::RB_POWER_OFF,
        Power::Restart => libc::RB_AUTOBOOT,
    };
    // SAFETY: an integer argument only.
    unsafe { libc::reboot(command) };
    io::Error::last_os_error()
}

/// Ctrl-Alt-Delete sends SIGINT to the first process, rather than starting the machine anew at once.
///
/// Errors: EPERM, EINVAL (in a PID namespace of its own).
pub fn keyboard_asks() -> io::Result<()> {
    // SAFETY: an integer argument only.
    check(unsafe { libc::reboot(libc::RB_DISABLE_CAD) })
}
