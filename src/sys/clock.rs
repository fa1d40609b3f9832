//! The time of the day where the user is (localtime_r(3): `TZ`, `/etc/localtime`).

use std::mem;
use std::time::{SystemTime, UNIX_EPOCH};

/// `14:03:12`; `--:--:--` for times that no calendar has.
pub fn time_of_day(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let seconds = libc::time_t::try_from(seconds).unwrap_or_default();
    // SAFETY: tm is plain data (with a pointer that may be null).
    let mut parts: libc::tm = unsafe { mem::zeroed() };
    // SAFETY: both pointers are alive during the call; nothing else changes the environment in this single thread.
    let ok = unsafe { !libc::localtime_r(&seconds, &mut parts).is_null() };
    match ok {
        true => format!("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec),
        false => "--:--:--".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn minutes_and_seconds_do_not_depend_on_the_place() {
        let text = time_of_day(UNIX_EPOCH + Duration::from_secs(86400 * 365 * 30 + 59));
        assert_eq!(text.len(), 8);
        assert!(text.ends_with(":59"), "{text}");
    }
}
