//! Durations as people write them: `10days`, `2h 30m`, `250ms`, `0s`.

use std::time::Duration;

/// Seconds of a unit. A month is a twelfth of a year of 365.25 days.
fn seconds(unit: &str) -> Option<f64> {
    const DAY: f64 = 86400.0;
    Some(match unit {
        "ms" | "msec" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7.0 * DAY,
        "M" | "month" | "months" => 30.4375 * DAY,
        "y" | "year" | "years" => 365.25 * DAY,
        _ => return None,
    })
}

/// Reads a duration: numbers with units, spaces allowed between and within. Errors name the part that is wrong.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bad = |why: String| format!("bad duration {text:?}: {why}; write for example 10days or \"2h 30m\"");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad("it is empty".to_string()));
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after.trim_start(), |c| c.is_ascii_alphabetic());
        let count: u32 = number
            .parse()
            .map_err(|_| bad(format!("expected a number at {rest:?}")))?;
        let unit = seconds(unit).ok_or_else(|| bad(format!("unknown unit {unit:?}")))?;
        let part = Duration::try_from_secs_f64(f64::from(count) * unit).map_err(|e| bad(e.to_string()))?;
        total = total
            .checked_add(part)
            .ok_or_else(|| bad("it is too long".to_string()))?;
        rest = after.trim_start();
    }
    Ok(total)
}

/// The longest prefix of such characters, and what follows.
fn split(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !wanted(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documented_forms() {
        let secs = |text| parse(text).unwrap().as_secs();
        assert_eq!(secs("10days"), 864_000);
        assert_eq!(secs("2h 30m"), 9000);
        assert_eq!(secs("2h30m"), 9000);
        assert_eq!(secs("0s"), 0);
        assert_eq!(secs(" 1 week "), 604_800);
        assert_eq!(secs("1day"), 86_400);
    }

    #[test]
    fn nonsense_is_named() {
        for bad in [
            "",
            "5",
            "days",
            "5parsecs",
            "-1h",
            "1.5h",
            "99999999999d",
            "1h,2m",
        ] {
            let e = parse(bad).unwrap_err();
            assert!(e.contains("bad duration"), "{bad}: {e}");
        }
        assert!(parse("5parsecs").unwrap_err().contains("\"parsecs\""));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
