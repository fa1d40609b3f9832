//! The time of the day where the user is (localtime_r(3): `TZ`, `/etc/localtime`).

use std::mem;
use std::time::{SystemTime, UNIX_EPOCH};

use super::calendar::Date;

/// `14:03:12`; `--:--:--` for times that no calendar has.
pub fn time_of_day(at: SystemTime) -> String {
    match local(at) {
        Some(date) => format!("{:02}:{:02}:{:02}", date.hour, date.minute, date.second),
        None => "--:--:--".into(),
    }
}

/// Date and time there; `None` for times that no calendar has. The place is looked up at the first call.
pub fn local(at: SystemTime) -> Option<Date> {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let seconds = libc::time_t::try_from(seconds).unwrap_or_default();
    // SAFETY: tm is plain data (with a pointer that may be null).
    let mut parts: libc::tm = unsafe { mem::zeroed() };
    // SAFETY: both pointers are alive during the call; nothing else changes the environment in this single thread.
    let ok = unsafe { !libc::localtime_r(&seconds, &mut parts).is_null() };
    let small = |n: libc::c_int| u8::try_from(n).ok();
    Some(Date {
        year: i64::from(ok.then_some(parts.tm_year)?) + 1900,
        month: small(parts.tm_mon + 1)?,
        day: small(parts.tm_mday)?,
        hour: small(parts.tm_hour)?,
        minute: small(parts.tm_min)?,
        second: small(parts.tm_sec)?,
    })
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
