//! Seconds since the epoch as dates of the Gregorian calendar in UTC, and back (Hinnant, "chrono-compatible low-level
//! date algorithms"). Leap seconds do not exist here, as in Unix time.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;
/// Days of 400 years.
const ERA: i64 = 146_097;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// A moment in UTC. Printed as in RFC 3339, `2026-09-12T07:55:41Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Year, may be negative.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl Date {
    /// The date of a number of seconds since the epoch.
    pub fn from_seconds(seconds: i64) -> Date {
        let days = seconds.div_euclid(DAY) + EPOCH;
        let clock = seconds.rem_euclid(DAY);
        let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Date {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u8,
            day: (of_year - (153 * shifted + 2) / 5 + 1) as u8,
            hour: (clock / 3600) as u8,
            minute: (clock / 60 % 60) as u8,
            second: (clock % 60) as u8,
        }
    }

    /// Now, by the clock of the machine.
    pub fn now() -> Date {
        Date::from_seconds(now())
    }

    /// Seconds since the epoch.
    pub fn to_seconds(self) -> i64 {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = self.year - i64::from(month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let days = era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH;
        days * DAY + i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }

    /// Reads what RFC 3339 allows: `T` or a blank between date and time, a fraction of a second (dropped), `Z` or an
    /// offset. `None` for anything else, also for days that do not exist.
    pub fn parse(text: &str) -> Option<Date> {
        let (date, rest) = (text.get(..10)?, text.get(10..)?);
        let time = rest.strip_prefix(['T', 't', ' '])?;
        let (clock, mut zone) = (time.get(..8)?, time.get(8..)?);
        if let Some(fraction) = zone.strip_prefix('.') {
            zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return None;
            }
        }
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
        let parsed = Date {
            year,
            month: month as u8,
            day: day as u8,
            hour: hour as u8,
            minute: minute as u8,
            // A leap second is taken for the one before.
            second: second.min(59) as u8,
        };
        let exists =
            hour < 24 && minute < 60 && second <= 60 && Date::from_seconds(parsed.to_seconds()) == parsed;
        let shifted = parsed.to_seconds() - offset(zone)?;
        exists.then(|| Date::from_seconds(shifted))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Seconds since the epoch, by the clock of the machine; negative before 1970.
pub fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs() as i64,
        Err(before) => -(before.duration().as_secs() as i64),
    }
}

/// Three decimal numbers of fixed width.
fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut read = |width: usize| -> Option<i64> {
        let part = parts.next()?;
        let digits = part.len() == width && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    let found = [read(widths[0])?, read(widths[1])?, read(widths[2])?];
    parts.next().is_none().then_some(found)
}

/// Seconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let clock = format!("{}:00", zone.get(1..)?);
    let [hours, minutes, _] = numbers(&clock, ':', [2, 2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_607_045, "2024-12-31T01:04:05Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Date::from_seconds(seconds).to_string(), text);
            assert_eq!(Date::parse(text).unwrap().to_seconds(), seconds);
        }
    }

    #[test]
    fn offsets_and_fractions() {
        let parse = |text| Date::parse(text).map(Date::to_seconds);
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse("1969-12-31 19:30:00.123-04:30"), Some(0));
        assert_eq!(parse("2016-12-31T23:59:60Z"), parse("2016-12-31T23:59:59Z"));
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-1-01T00:00:00Z",
            "2026-01-01T00:00:00+1:00",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:0éZ",
        ] {
            assert_eq!(Date::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(seconds in -62_135_596_800i64..253_402_300_799) {
            let date = Date::from_seconds(seconds);
            prop_assert_eq!(date.to_seconds(), seconds);
            if date.year >= 0 {
                prop_assert_eq!(Date::parse(&date.to_string()), Some(date));
            }
        }

        #[test]
        fn no_text_panics(text in "[-0-9TZ:. é+]{0,30}") {
            let _ = Date::parse(&text);
        }
    }
}
