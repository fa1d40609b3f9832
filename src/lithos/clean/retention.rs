//! Which versions of a history are kept: those that are current, or among the newest `min`, or ended within the days;
//! of them the newest `max`. Pure.

use std::collections::BTreeSet;

use crate::lithos::history::{Found, History};

const DAY: i64 = 86_400;

/// What the operator wants to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Versions that ended within so many days.
    pub days: Option<u32>,
    /// At least so many versions.
    pub min: u32,
    /// At most so many versions.
    pub max: u32,
}

/// What is kept of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Images of the versions.
    pub images: BTreeSet<String>,
    /// The oldest file that holds one of them, see `history::Record::file`.
    pub oldest_file: u32,
}

/// Selects, newest version first; `now` in seconds since the epoch.
///
/// Errors: file and line of a damaged line that would have to be kept.
pub fn select(history: &History, rules: &Rules, now: i64) -> Result<Kept, (u32, usize)> {
    let mut kept = Kept::default();
    // A version ends when the next one begins; behind a damaged line nobody knows, so what is newer counts.
    let mut end = None;
    for (position, record) in (0u32..).zip(history.records.iter().rev()) {
        let since = rules.days.map(|days| now - i64::from(days) * DAY);
        let recent = since.is_some_and(|since| end.is_none_or(|end| end > since));
        let wanted = (position == 0 || position < rules.min || recent) && position < rules.max;
        match &record.found {
            Found::Damaged(line) if wanted => return Err((record.file, *line)),
            Found::Version(_, images) if wanted => {
                kept.images.extend(images.iter().cloned());
                kept.oldest_file = kept.oldest_file.max(record.file);
            }
            _ => {}
        }
        if let Found::Version(begin, _) = record.found {
            end = Some(begin);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lithos::history::Record;

    const NOW: i64 = 100 * DAY;

    fn version(file: u32, days_ago: i64, image: &str) -> Record {
        Record {
            file,
            found: Found::Version(NOW - days_ago * DAY, BTreeSet::from([image.to_string()])),
        }
    }

    fn history(records: Vec<Record>) -> History {
        History {
            records,
            files: Vec::new(),
        }
    }

    fn images(records: &[Record], days: Option<u32>, min: u32, max: u32) -> Vec<String> {
        let rules = Rules { days, min, max };
        let kept = select(&history(records.to_vec()), &rules, NOW).unwrap();
        kept.images.into_iter().collect()
    }

    #[test]
    fn the_rule() {
        let all = [
            version(1, 90, "a"),
            version(1, 30, "b"),
            version(0, 5, "c"),
            version(0, 1, "d"),
        ];
        assert_eq!(images(&all, None, 0, 1000), ["d"]);
        assert_eq!(images(&all, Some(0), 0, 1000), ["d"]);
        // c ended a day ago, b five days ago.
        assert_eq!(images(&all, Some(2), 0, 1000), ["c", "d"]);
        assert_eq!(images(&all, Some(6), 0, 1000), ["b", "c", "d"]);
        assert_eq!(images(&all, None, 3, 1000), ["b", "c", "d"]);
        assert_eq!(images(&all, Some(50), 4, 2), ["c", "d"]);
        assert_eq!(images(&all, Some(50), 0, 0), [""; 0]);
        assert_eq!(images(&[], Some(50), 0, 10), [""; 0]);
    }

    #[test]
    fn rotated_files_with_kept_versions_are_known() {
        let all = history(vec![version(2, 90, "a"), version(1, 30, "b"), version(0, 1, "d")]);
        let oldest = |days| {
            let rules = Rules {
                days,
                min: 0,
                max: 1000,
            };
            select(&all, &rules, NOW).unwrap().oldest_file
        };
        assert_eq!((oldest(None), oldest(Some(2)), oldest(Some(40))), (0, 1, 2));
    }

    #[test]
    fn damaged_lines_count_only_where_they_would_be_kept() {
        let damaged = Record {
            file: 1,
            found: Found::Damaged(7),
        };
        let all = history(vec![
            version(1, 90, "a"),
            damaged.clone(),
            version(1, 30, "b"),
            version(0, 1, "d"),
        ]);
        let run = |days| {
            let rules = Rules {
                days: Some(days),
                min: 0,
                max: 1000,
            };
            select(&all, &rules, NOW)
        };
        assert!(run(2).is_ok());
        assert_eq!(run(40), Err((1, 7)));
        let last = history(vec![version(0, 1, "d"), damaged]);
        let rules = Rules {
            days: None,
            min: 0,
            max: 1,
        };
        assert_eq!(select(&last, &rules, NOW), Err((1, 7)));
    }
}
