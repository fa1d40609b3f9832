//! Texts that were read, and the way from a position in the text given to quire back to the user's file.

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use super::guard::Scalars;

/// A place in one of the [`Sources`]: the number of the source, line and column counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index into [`Sources`].
    pub source: usize,
    /// Line, the first is 1.
    pub line: usize,
    /// Column in characters, the first is 1.
    pub column: usize,
}

/// Where the columns of a rewritten line depart from the original: from `rewritten` on, add the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// Line, the first is 1.
    pub line: usize,
    /// Column in the rewritten line.
    pub rewritten: usize,
    /// The same column in the original line.
    pub original: usize,
}

/// One text: a file, or something given in the environment.
#[derive(Debug, Clone)]
pub struct Source {
    /// What messages call it.
    pub name: String,
    /// Directory that its includes are relative to; `None` forbids includes.
    pub base: Option<PathBuf>,
    /// The text as the user wrote it, with line ends normalised to `\n`.
    pub text: String,
    /// Column corrections in the order of lines and columns.
    pub shifts: Vec<Shift>,
}

impl Source {
    /// Line `number` (from 1) without its end, if there is one.
    pub fn line(&self, number: usize) -> Option<&str> {
        self.text.split('\n').nth(number.checked_sub(1)?)
    }

    /// The original column for a column of the rewritten line.
    fn original_column(&self, line: usize, column: usize) -> usize {
        let after = self
            .shifts
            .partition_point(|s| (s.line, s.rewritten) <= (line, column));
        match after.checked_sub(1).and_then(|i| self.shifts.get(i)) {
            Some(s) if s.line == line => s.original + (column - s.rewritten),
            _ => column,
        }
    }

    /// Byte offset of a place in [`Source::text`]; the end of the text for places behind it.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let mut start = 0;
        for (number, text) in self.text.split('\n').enumerate() {
            if number + 1 == line {
                let within = text.char_indices().nth(column.saturating_sub(1));
                return start + within.map_or(text.len(), |(i, _)| i);
            }
            start += text.len() + 1;
        }
        self.text.len()
    }

    /// Line and column of a byte offset in [`Source::text`].
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let last = before.rsplit('\n').next().unwrap_or("");
        (line, last.chars().count() + 1)
    }
}

/// All texts of one load. quire sees the index of a text in place of its file name, so that any name is possible.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    list: Vec<Source>,
    /// Values that stand in the texts for quire as placeholders.
    pub scalars: Scalars,
}

impl Sources {
    /// Adds a text and returns its index.
    pub fn add(&mut self, source: Source) -> usize {
        self.list.push(source);
        self.list.len() - 1
    }

    /// The text with this index.
    pub fn get(&self, index: usize) -> Option<&Source> {
        self.list.get(index)
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True when nothing was read.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The name to give to quire.
    pub fn key(index: usize) -> Rc<String> {
        Rc::new(index.to_string())
    }

    /// A position of quire as a place in the original.
    pub fn place(&self, pos: &quire::Pos) -> Place {
        let source = pos.filename.parse().unwrap_or(0);
        self.place_at(source, pos.line, pos.line_offset)
    }

    /// Line and column of a rewritten text as a place in the original.
    pub fn place_at(&self, source: usize, line: usize, column: usize) -> Place {
        let column = self
            .get(source)
            .map_or(column, |s| s.original_column(line, column));
        Place { source, line, column }
    }

    /// The same place, or the next one that is neither blank nor comment: quire marks collections by the blank
    /// before them.
    pub fn settle(&self, place: Place) -> Place {
        let Some(source) = self.get(place.source) else {
            return place;
        };
        let start = source.offset(place.line, place.column);
        let rest = source.text.get(start..).unwrap_or("");
        let blank = blank_length(rest);
        if blank == 0 || blank == rest.len() {
            return place;
        }
        let (line, column) = source.line_column(start + blank);
        Place {
            line,
            column,
            ..place
        }
    }

    /// The place of a key of the mapping that starts at `map`, found in the text before its value. The place of
    /// the mapping when the value comes from elsewhere (an alias, an include, a merge).
    pub fn key_place(&self, key: &str, map: Place, value: Place) -> Place {
        let Some(source) = self.get(value.source) else {
            return map;
        };
        let end = source.offset(value.line, value.column);
        let before = source.text.get(..end).unwrap_or("");
        let found = before.rfind(key).filter(|start| {
            let rest = before.get(start + key.len()..).unwrap_or("");
            let rest = rest.trim_start_matches(['"', '\'']).trim_start();
            let properties = rest.strip_prefix(':').map(strip_properties);
            properties.is_some_and(|rest| rest.is_empty())
        });
        match found {
            Some(start) => {
                let (line, column) = source.line_column(start);
                Place {
                    line,
                    column,
                    ..value
                }
            }
            None => map,
        }
    }

    /// The place of a tag that belongs to the node at `value`.
    pub fn tag_place(&self, tag: &str, value: Place) -> Place {
        let Some(source) = self.get(value.source) else {
            return value;
        };
        let start = source.offset(value.line, value.column);
        let rest = source.text.get(start..).unwrap_or("");
        let after = start + blank_length(rest);
        let before = source.text.get(..after).unwrap_or("");
        let mark = format!("!{tag}");
        let found = before
            .rfind(&mark)
            .filter(|at| strip_properties(before.get(at + mark.len()..).unwrap_or("")).is_empty());
        match found.or_else(|| source.text.get(after..)?.starts_with(&mark).then_some(after)) {
            Some(at) => {
                let (line, column) = source.line_column(at);
                Place {
                    line,
                    column,
                    ..value
                }
            }
            None => value,
        }
    }

    /// `FILE:LINE:COLUMN` for messages.
    pub fn label(&self, place: Place) -> Label<'_> {
        Label { sources: self, place }
    }
}

/// Length of the blanks and comments at the start of `text`.
fn blank_length(text: &str) -> usize {
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        match trimmed.strip_prefix('#') {
            Some(comment) => rest = comment.find('\n').map_or("", |end| &comment[end..]),
            None => return text.len() - trimmed.len(),
        }
    }
}

/// What is left of `text` behind blanks, comments, tags and anchors.
fn strip_properties(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = &rest[blank_length(rest)..];
        if !rest.starts_with(['!', '&']) {
            return rest;
        }
        rest = rest.find(char::is_whitespace).map_or("", |end| &rest[end..]);
    }
}

/// Displays as `FILE:LINE:COLUMN`.
#[derive(Debug)]
pub struct Label<'a> {
    sources: &'a Sources,
    place: Place,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self
            .sources
            .get(self.place.source)
            .map_or("?", |s| s.name.as_str());
        write!(f, "{name}:{}:{}", self.place.line, self.place.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            name: "x.yaml".into(),
            base: None,
            text: text.into(),
            shifts: vec![Shift {
                line: 2,
                rewritten: 5,
                original: 9,
            }],
        }
    }

    #[test]
    fn columns_behind_a_shift_are_moved_on_its_line_only() {
        let mut sources = Sources::default();
        let i = sources.add(source("a\nb\nc"));
        assert_eq!(sources.place_at(i, 2, 4).column, 4);
        assert_eq!(sources.place_at(i, 2, 7).column, 11);
        assert_eq!(sources.place_at(i, 3, 7).column, 7);
    }

    #[test]
    fn offsets_and_places_agree() {
        let s = source("aя\nbcd\n");
        assert_eq!(s.offset(2, 2), 5);
        assert_eq!(s.line_column(5), (2, 2));
        assert_eq!(s.offset(9, 9), s.text.len());
    }
}
