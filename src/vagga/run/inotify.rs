//! `expect-inotify-limit`: a warning, or the sysctl raised, before a command that watches many files.

use std::fs;
use std::process::Command;

/// File of the limit.
const PATH: &str = "/proc/sys/fs/inotify/max_user_watches";
/// Name of the limit for sysctl(8).
const NAME: &str = "fs.inotify.max_user_watches";
/// More than this is never set without asking: every watch costs about a kilobyte of kernel memory.
const MAX_AUTO: u64 = 524_288;

/// What to do about a limit.
#[derive(Debug, PartialEq, Eq)]
enum Advice {
    Nothing,
    /// Raise it ourselves.
    Raise,
    /// Tell the user how.
    Warn(String),
}

/// Checks the limit; never fails, since the command runs in any case. `auto` is `auto-apply-sysctl`.
pub fn check(expected: u64, auto: bool) {
    let Some(now) = fs::read_to_string(PATH).ok().and_then(|s| s.trim().parse().ok()) else {
        log::warn!("can't read {PATH}");
        return;
    };
    match advise(now, expected, auto) {
        Advice::Nothing => {}
        Advice::Warn(text) => log::warn!("{text}"),
        Advice::Raise => raise(expected),
    }
}

fn advise(now: u64, expected: u64, auto: bool) -> Advice {
    if now >= expected {
        return Advice::Nothing;
    }
    if auto && expected <= MAX_AUTO {
        return Advice::Raise;
    }
    let mut text = format!(
        "{NAME} is {now}, but the command expects {expected}; run: sysctl {NAME}={expected} (as root, or with sudo)"
    );
    if expected > MAX_AUTO {
        text.push_str("; the value is too large to be set automatically");
    }
    Advice::Warn(text)
}

/// Writes the file as root, else asks sudo.
fn raise(expected: u64) {
    if fs::write(PATH, expected.to_string()).is_ok() {
        return;
    }
    let setting = format!("{NAME}={expected}");
    log::warn!("running: sudo -k sysctl {setting}");
    match Command::new("sudo").args(["-k", "sysctl", &setting]).status() {
        Ok(status) if status.success() => {}
        Ok(status) => log::warn!("sysctl {setting}: {status}"),
        Err(e) => log::warn!("can't run sudo: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_enough() {
        assert_eq!(advise(10, 10, true), Advice::Nothing);
    }

    #[test]
    fn large_values_are_never_set_automatically() {
        assert_eq!(advise(1, MAX_AUTO, true), Advice::Raise);
        assert!(matches!(advise(1, MAX_AUTO + 1, true), Advice::Warn(t) if t.contains("too large")));
        assert!(
            matches!(advise(1, 2, false), Advice::Warn(t) if t.contains("sysctl fs.inotify.max_user_watches=2"))
        );
    }
}
