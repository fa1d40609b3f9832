//! The format of Debian's control files: stanzas of `Field: value` lines (deb-control(5), RFC 822 style).
//!
//! A `Packages` file is 45 MB, so the reader streams, keeps one line and one stanza in memory, and can be told
//! which fields are of interest. Nothing here knows what a field means.

use std::io::{self, BufRead, Read};
use std::ops::Range;

/// Longest line taken; real ones (descriptions, long Provides) stay below 100 kB.
const MAX_LINE: usize = 1 << 20;
/// Largest stanza kept.
const MAX_STANZA: usize = 8 << 20;

/// Why a control file cannot be read.
#[derive(Debug)]
pub enum Error {
    Io(io::Error),
    /// Line number (from 1) and what is wrong with it.
    Syntax(usize, &'static str),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Io(e) => write!(f, "{e}"),
            Error::Syntax(line, what) => write!(f, "line {line}: {what}"),
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::Io(e)
    }
}

/// One stanza; reused from stanza to stanza so that reading does not allocate.
#[derive(Debug, Default, Clone)]
pub struct Stanza {
    text: String,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

impl Stanza {
    /// Value of a field (its name in any case), continuation lines joined by `\n` without their first blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }

    /// Fields in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(n, v)| {
            let at = |r: &Range<usize>| self.text.get(r.clone()).unwrap_or_default();
            (at(n), at(v))
        })
    }

    fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
    }

    fn start(&mut self, name: &str, value: &str) {
        let begin = self.text.len();
        self.text.push_str(name);
        let middle = self.text.len();
        self.text.push_str(value);
        self.fields.push((begin..middle, middle..self.text.len()));
    }

    fn continue_last(&mut self, line: &str) {
        self.text.push('\n');
        self.text.push_str(line);
        if let Some((_, value)) = self.fields.last_mut() {
            value.end = self.text.len();
        }
    }
}

/// Reads stanzas from a stream.
pub struct Reader<R> {
    input: R,
    line: Vec<u8>,
    number: usize,
}

/// What the last line did to the stanza.
#[derive(PartialEq, Clone, Copy)]
enum Last {
    None,
    Kept,
    Skipped,
}

impl<R: BufRead> Reader<R> {
    pub fn new(input: R) -> Reader<R> {
        Reader {
            input,
            line: Vec::new(),
            number: 0,
        }
    }

    /// Reads the next stanza into `stanza`; `false` at the end of the file. Only the fields in `wanted` are
    /// kept, all when it is empty.
    ///
    /// Errors: a line that is neither a field, a continuation, a comment (`#`) nor blank; absurd sizes.
    pub fn next(&mut self, wanted: &[&str], stanza: &mut Stanza) -> Result<bool, Error> {
        stanza.clear();
        let mut last = Last::None;
        while self.read_line()? {
            match self.line.first() {
                None if last == Last::None => continue,
                None => return Ok(true),
                Some(b'#') => continue,
                Some(b' ' | b'\t') => match last {
                    Last::None => return Err(self.error("continuation line without a field")),
                    Last::Skipped => {}
                    Last::Kept => {
                        stanza.continue_last(&String::from_utf8_lossy(self.line.get(1..).unwrap_or(&[])))
                    }
                },
                Some(_) => last = self.field(wanted, stanza)?,
            }
            if stanza.text.len() > MAX_STANZA {
                return Err(self.error("stanza too large"));
            }
        }
        Ok(last != Last::None)
    }

    fn field(&self, wanted: &[&str], stanza: &mut Stanza) -> Result<Last, Error> {
        let colon = self
            .line
            .iter()
            .position(|b| *b == b':')
            .ok_or_else(|| self.error("no colon after the field name"))?;
        let (name, rest) = self.line.split_at(colon);
        if name.is_empty() || !name.iter().all(|b| b.is_ascii_graphic()) {
            return Err(self.error("bad field name"));
        }
        if !wanted.is_empty() && !wanted.iter().any(|w| w.as_bytes().eq_ignore_ascii_case(name)) {
            return Ok(Last::Skipped);
        }
        let name = String::from_utf8_lossy(name);
        let value = String::from_utf8_lossy(rest.get(1..).unwrap_or(&[]));
        stanza.start(&name, value.trim());
        Ok(Last::Kept)
    }

    /// Reads one line without its end; a line of blanks only counts as empty.
    fn read_line(&mut self) -> Result<bool, Error> {
        self.line.clear();
        let limit = MAX_LINE as u64 + 1;
        let n = (&mut self.input).take(limit).read_until(b'\n', &mut self.line)?;
        self.number += 1;
        if n == 0 {
            return Ok(false);
        }
        if n > MAX_LINE {
            return Err(self.error("line too long"));
        }
        while self.line.last().is_some_and(|b| b.is_ascii_whitespace()) {
            self.line.pop();
        }
        Ok(true)
    }

    fn error(&self, what: &'static str) -> Error {
        Error::Syntax(self.number, what)
    }
}

/// Reads all stanzas of a small file.
pub fn parse(bytes: &[u8]) -> Result<Vec<Stanza>, Error> {
    let mut reader = Reader::new(bytes);
    let mut all = Vec::new();
    let mut stanza = Stanza::default();
    while reader.next(&[], &mut stanza)? {
        all.push(stanza.clone());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_fields_continuations_and_comments() {
        let text = b"\n# c\nPackage: a\nDescription: x\n more\n .\n  deep\n\n\nPackage:b\nEmpty:\n";
        let all = parse(text).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("description"), Some("x\nmore\n.\n deep"));
        assert_eq!(all[1].get("Package"), Some("b"));
        assert_eq!(all[1].get("Empty"), Some(""));
        assert_eq!(all[1].get("Nothing"), None);
    }

    #[test]
    fn keeps_only_wanted_fields() {
        let mut r = Reader::new(&b"Package: a\nLong: 1\n 2\nVersion: 3\n"[..]);
        let mut s = Stanza::default();
        assert!(r.next(&["package", "Version"], &mut s).unwrap());
        assert_eq!(s.iter().collect::<Vec<_>>(), [("Package", "a"), ("Version", "3")]);
        assert!(!r.next(&[], &mut s).unwrap());
    }

    #[test]
    fn skipped_only_stanza_is_still_a_stanza() {
        let mut r = Reader::new(&b"A: 1\n\nB: 2\n"[..]);
        let mut s = Stanza::default();
        assert!(r.next(&["B"], &mut s).unwrap());
        assert_eq!(s.iter().count(), 0);
        assert!(r.next(&["B"], &mut s).unwrap());
        assert_eq!(s.get("B"), Some("2"));
    }

    #[test]
    fn refuses_junk_with_the_line() {
        assert_eq!(
            parse(b"A: 1\njunk\n").unwrap_err().to_string(),
            "line 2: no colon after the field name"
        );
        assert!(parse(b" x\n").is_err());
        assert!(parse(b"a b: x\n").is_err());
        assert!(parse(&vec![b'x'; MAX_LINE + 2]).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read(fields in proptest::collection::vec(("[A-Z][a-z-]{0,8}", "[!-~]{0,12}"), 1..6)) {
            let text: String = fields.iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
            let all = parse(text.as_bytes()).unwrap();
            prop_assert_eq!(all.len(), 1);
            let read: Vec<(String, String)> = all[0].iter().map(|(n, v)| (n.into(), v.into())).collect();
            prop_assert_eq!(read, fields);
        }
    }
}
