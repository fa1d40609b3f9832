//! `Release` files: what an archive says about a suite (Debian repository format, "Release" files).

use std::collections::HashMap;

use super::deb822;
use crate::sys::calendar::Date;

/// Tolerance for clocks that disagree, in seconds.
const CLOCK_SKEW: i64 = 24 * 3600;

/// One index file listed in a `Release` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Lower-case hex, 64 digits.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// A parsed `Release` file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    pub origin: String,
    pub suite: String,
    pub codename: String,
    /// Seconds since the epoch.
    pub date: Option<i64>,
    /// Seconds since the epoch.
    pub valid_until: Option<i64>,
    pub architectures: Vec<String>,
    pub components: Vec<String>,
    /// Index files are also offered under their digest, so that an update of the mirror cannot mix them up.
    pub by_hash: bool,
    /// Index files by path relative to the directory of the `Release` file.
    pub files: HashMap<String, Listed>,
}

/// Parses the text of a `Release` file, which must already be the *verified* text.
///
/// Errors: what is wrong with it, in words.
pub fn parse(text: &[u8]) -> Result<Release, String> {
    let stanzas = deb822::parse(text).map_err(|e| format!("Release file is malformed: {e}"))?;
    let [stanza] = stanzas.as_slice() else {
        return Err(format!(
            "Release file has {} paragraphs instead of one",
            stanzas.len()
        ));
    };
    let field = |name: &str| stanza.get(name).unwrap_or_default();
    let words = |name: &str| field(name).split_whitespace().map(str::to_string).collect();
    let date = |name: &str| -> Result<Option<i64>, String> {
        stanza
            .get(name)
            .map(|text| parse_date(text).ok_or_else(|| format!("Release file has a bad {name}: {text:?}")))
            .transpose()
    };
    Ok(Release {
        origin: field("Origin").to_string(),
        suite: field("Suite").to_string(),
        codename: field("Codename").to_string(),
        date: date("Date")?,
        valid_until: date("Valid-Until")?,
        architectures: words("Architectures"),
        components: words("Components"),
        by_hash: field("Acquire-By-Hash").eq_ignore_ascii_case("yes"),
        files: parse_files(field("SHA256"))?,
    })
}

fn parse_files(list: &str) -> Result<HashMap<String, Listed>, String> {
    let mut files = HashMap::new();
    for line in list.lines().filter(|l| !l.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let entry = (|| {
            let (digest, size, path) = (words.next()?, words.next()?, words.next()?);
            let sha256 = digest.to_ascii_lowercase();
            let hex = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
            let plain = !path.starts_with('/') && path.split('/').all(|c| !matches!(c, "" | "." | ".."));
            (hex && plain).then_some((
                path.to_string(),
                Listed {
                    sha256,
                    size: size.parse().ok()?,
                },
            ))
        })();
        let (path, listed) = entry.ok_or_else(|| format!("Release file has a bad SHA256 line: {line:?}"))?;
        files.insert(path, listed);
    }
    Ok(files)
}

impl Release {
    /// Whether this is the suite that was asked for and not some other signed file of the same archive.
    ///
    /// `stable` and the codename both name a release; `bookworm-security` is also called `stable-security`, and
    /// Ubuntu's pockets are suites (`noble-updates`) of one codename.
    pub fn check_suite(&self, wanted: &str) -> Result<(), String> {
        if self.suite == wanted || self.codename == wanted {
            return Ok(());
        }
        Err(format!(
            "asked for suite {wanted:?}, but the archive sent a Release file of suite {:?}, codename {:?}",
            self.suite, self.codename
        ))
    }

    /// Whether the file is within its time of validity at `now` (seconds since the epoch).
    pub fn check_time(&self, now: i64) -> Result<(), String> {
        if let Some(until) = self.valid_until.filter(|u| *u + CLOCK_SKEW < now) {
            return Err(format!(
                "the Release file is out of date since {} (now it is {}): the mirror is stale, or the clock is wrong",
                show_date(until),
                show_date(now)
            ));
        }
        if let Some(date) = self.date.filter(|d| now + CLOCK_SKEW < *d) {
            return Err(format!(
                "the Release file is from the future: {} (now it is {}); check the clock",
                show_date(date),
                show_date(now)
            ));
        }
        Ok(())
    }

    /// Whether the file is not older than the one seen earlier from the same place (an old one may be a replay
    /// that hides security updates).
    pub fn check_not_older(&self, seen: &Release) -> Result<(), String> {
        match (self.date, seen.date) {
            (Some(new), Some(old)) if new < old => Err(format!(
                "the mirror sent a Release file of {}, older than the one of {} seen before",
                show_date(new),
                show_date(old)
            )),
            _ => Ok(()),
        }
    }
}

/// Parses the dates of Release files, `Sat, 12 Sep 2026 07:55:41 UTC`.
fn parse_date(text: &str) -> Option<i64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_whitespace();
    let day: u8 = words.next()?.parse().ok().filter(|d| (1..=31).contains(d))?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(name))? as u8 + 1;
    let year: i64 = words.next()?.parse().ok().filter(|y| (1970..=9999).contains(y))?;
    let mut clock = words
        .next()?
        .splitn(3, ':')
        .map(|n| n.parse::<i64>().ok().filter(|n| (0..=60).contains(n)));
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    match words.next() {
        None | Some("UTC" | "GMT" | "Z" | "+0000") => {}
        Some(_) => return None,
    }
    let date = Date {
        year,
        month,
        day,
        hour: 0,
        minute: 0,
        second: 0,
    };
    Some(date.to_seconds() + hours * 3600 + minutes * 60 + seconds)
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `2026-09-12 07:55 UTC`.
pub fn show_date(seconds: i64) -> String {
    let Date {
        year,
        month,
        day,
        hour,
        minute,
        ..
    } = Date::from_seconds(seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str =
        "Origin: Debian\nSuite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n\
        Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC\nAcquire-By-Hash: yes\nArchitectures: all amd64\n\
        Components: main contrib\nSHA256:\n \
        f61f27bd17de546264aa58f40f3aafaac7021e0ef69c17f6b1b4cd7664a037ec 20 main/binary-amd64/Packages.gz\n";

    #[test]
    fn reads_a_release() {
        let r = parse(TEXT.as_bytes()).unwrap();
        assert_eq!(r.date, Some(1_789_199_741));
        assert_eq!(r.files["main/binary-amd64/Packages.gz"].size, 20);
        assert!(r.by_hash);
        r.check_suite("stable").unwrap();
        r.check_suite("trixie").unwrap();
        assert!(r.check_suite("bookworm").unwrap_err().contains("\"bookworm\""));
    }

    #[test]
    fn knows_stale_future_and_older() {
        let r = parse(TEXT.as_bytes()).unwrap();
        let date = r.date.unwrap();
        r.check_time(date).unwrap();
        r.check_time(date + 8 * 86400 - 1).unwrap();
        assert!(r.check_time(date + 9 * 86400).unwrap_err().contains("2026-09-19"));
        assert!(r.check_time(date - 2 * 86400).unwrap_err().contains("future"));
        let older = Release {
            date: Some(date - 1),
            ..Release::default()
        };
        assert!(older.check_not_older(&r).is_err());
        r.check_not_older(&r).unwrap();
    }

    #[test]
    fn refuses_bad_lines() {
        for bad in [
            "xx 20 a",
            "f61f27bd17de546264aa58f40f3aafaac7021e0ef69c17f6b1b4cd7664a037ec 1 ../a",
            "a",
        ] {
            assert!(
                parse(format!("Suite: a\nSHA256:\n {bad}\n").as_bytes()).is_err(),
                "{bad}"
            );
        }
        assert!(parse(b"Suite: a\n\nSuite: b\n").is_err());
        assert!(parse(b"Date: yesterday\n").is_err());
        assert!(parse(b"Date: Sat, 12 Sep 2026 07:55:41 +0200\n").is_err());
    }

    proptest! {
        #[test]
        fn dates_round_trip(seconds in 0i64..253_000_000_000) {
            let minutes = seconds / 60 * 60;
            let text = show_date(minutes);
            let (date, rest) = text.split_once(' ').unwrap();
            let mut parts = date.split('-');
            let (y, m, d) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
            let name = MONTHS[m.parse::<usize>().unwrap() - 1];
            let (clock, _) = rest.split_once(' ').unwrap();
            prop_assert_eq!(parse_date(&format!("Sat, {d} {name} {y} {clock}:00 UTC")), Some(minutes));
        }

        #[test]
        fn never_panics(text in "[A-Za-z0-9:, \n]{0,200}") {
            let _ = parse(text.as_bytes());
            let _ = parse_date(&text);
        }
    }
}
