//! Reading all of the history of a sandbox, oldest line first.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::{parse, Configuration, KEPT};

/// Longer lines are damaged, bytes: no processes file is that large.
const LONGEST: usize = 16 << 20;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A configuration that differs from the one before it: these images. It began then, seconds since the epoch.
    Version(i64, BTreeSet<String>),
    /// A damaged line; its number, from 1.
    Damaged(usize),
}

/// A line that says something new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The file: 0 is `SB.log`, n is `SB.log.n`.
    pub file: u32,
    /// What it says.
    pub found: Found,
}

/// All lines that say something new, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The lines.
    pub records: Vec<Record>,
    /// The files that exist, newest (0) first.
    pub files: Vec<u32>,
}

/// Reads the history of a sandbox from `dir`. No file at all: [`History::files`] is empty.
///
/// Errors: a file cannot be read; its name is part of the message.
pub fn read(dir: &Path, sandbox: &str) -> io::Result<History> {
    let mut history = History::default();
    let mut last = None;
    for n in (0..=KEPT).rev() {
        let name = match n {
            0 => format!("{sandbox}.log"),
            n => format!("{sandbox}.log.{n}"),
        };
        match File::open(dir.join(&name)) {
            Ok(file) => {
                history.files.insert(0, n);
                let lines = read_file(n, file, &mut last, &mut history.records);
                lines.map_err(|e| io::Error::new(e.kind(), format!("{name}: {e}")))?;
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(io::Error::new(e.kind(), format!("{name}: {e}"))),
        }
    }
    Ok(history)
}

fn read_file(
    number: u32,
    file: File,
    last: &mut Option<Configuration>,
    records: &mut Vec<Record>,
) -> io::Result<()> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut count = 0;
    while next_line(&mut reader, &mut line)? {
        count += 1;
        if let Some(found) = meaning(&line, count, last) {
            records.push(Record { file: number, found });
        }
    }
    Ok(())
}

/// False at the end. Of a line that is too long only the beginning is kept, which no parser accepts.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|b| *b == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        if line.len() < LONGEST {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn meaning(line: &[u8], number: usize, last: &mut Option<Configuration>) -> Option<Found> {
    let parsed = std::str::from_utf8(line).ok().and_then(parse);
    let Some((date, entries)) = parsed else {
        return Some(Found::Damaged(number));
    };
    if last.as_ref() == Some(&entries) {
        return None;
    }
    let images = entries.values().map(|e| e.image.clone()).collect();
    *last = Some(entries);
    Some(Found::Version(date.to_seconds(), images))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::calendar::Date;

    fn line(second: i64, image: &str) -> String {
        let date = Date::from_seconds(second);
        format!("{date} {{\"w\":{{\"instances\":1,\"image\":\"{image}\",\"config\":\"/c\",\"kind\":\"Daemon\"}}}}\n")
    }

    fn version(file: u32, second: i64, image: &str) -> Record {
        Record {
            file,
            found: Found::Version(second, BTreeSet::from([image.to_string()])),
        }
    }

    #[test]
    fn files_are_read_oldest_first_and_repetitions_skipped() {
        let dir = std::env::temp_dir().join(format!("lithos-history-read-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        assert_eq!(read(&dir, "app").unwrap(), History::default());
        std::fs::write(dir.join("app.log.100"), line(1, "a") + &line(2, "a")).unwrap();
        std::fs::write(dir.join("app.log.2"), line(3, "b") + "broken\n").unwrap();
        std::fs::write(dir.join("app.log"), line(4, "b") + &line(5, "a") + "half").unwrap();
        std::fs::write(dir.join("apple.log"), line(9, "z")).unwrap();
        let history = read(&dir, "app").unwrap();
        assert_eq!(history.files, [0, 2, 100]);
        let damaged = |file, n| Record {
            file,
            found: Found::Damaged(n),
        };
        assert_eq!(
            history.records,
            [
                version(100, 1, "a"),
                version(2, 3, "b"),
                damaged(2, 2),
                version(0, 5, "a"),
                damaged(0, 3)
            ]
        );
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_file_that_is_a_directory_is_an_error() {
        let dir = std::env::temp_dir().join(format!("lithos-history-dir-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("app.log.1")).unwrap();
        assert!(read(&dir, "app")
            .unwrap_err()
            .to_string()
            .starts_with("app.log.1: "));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
