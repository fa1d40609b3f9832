//! Writes the text for quire: the original with some scalars replaced.

use super::cursor::Cursor;
use super::quoted;
use super::scalars::Scalars;
use super::token::Token;
use crate::config::source::Shift;

/// A difference between the original and the text for quire.
#[derive(Debug)]
pub enum Edit {
    /// The words of a comment are left away.
    Comment {
        /// At `#`.
        start: Cursor,
        /// Behind the comment.
        end: Cursor,
    },
    /// A plain scalar becomes a quoted one.
    Plain {
        /// Its first character.
        start: Cursor,
        /// Behind its last one.
        end: Cursor,
        /// Equal ones are written alike.
        may_be_key: bool,
    },
    /// A scalar that is decoded already becomes a quoted one.
    Scalar {
        /// Its first character.
        start: Cursor,
        /// Behind its last one.
        end: Cursor,
        /// What it stands for.
        value: String,
        /// Equal ones are written alike.
        may_be_key: bool,
    },
    /// A null is written behind this token.
    Null(Token),
}

/// The text for quire, and where its columns differ from the original's. The values of placeholders go to `scalars`.
pub fn rewrite(text: &str, edits: Vec<Edit>, scalars: &mut Scalars) -> (String, Vec<Shift>) {
    let mut out = Rewriter::new(text, scalars);
    for edit in edits {
        match edit {
            Edit::Comment { start, end } => out.shorten_comment(start, end),
            Edit::Plain {
                start,
                end,
                may_be_key,
            } => {
                let value = quoted::plain(text.get(start.offset..end.offset).unwrap_or(""));
                out.replace(start, end, value, may_be_key);
            }
            Edit::Scalar {
                start,
                end,
                value,
                may_be_key,
            } => out.replace(start, end, value, may_be_key),
            Edit::Null(token) => out.insert_null(token),
        }
    }
    out.copy(text.len());
    (out.result, out.shifts)
}

/// The text for quire in the making.
struct Rewriter<'a, 's> {
    text: &'a str,
    /// The original is taken over up to here.
    copied: usize,
    /// What is written so far.
    result: String,
    /// Column at the end of `result`, from 0.
    column: usize,
    /// Moved columns.
    shifts: Vec<Shift>,
    scalars: &'s mut Scalars,
}

impl<'a, 's> Rewriter<'a, 's> {
    /// Nothing is written yet.
    fn new(text: &'a str, scalars: &'s mut Scalars) -> Rewriter<'a, 's> {
        Rewriter {
            text,
            copied: 0,
            result: String::with_capacity(text.len() + text.len() / 16),
            column: 0,
            shifts: Vec::new(),
            scalars,
        }
    }

    fn append(&mut self, piece: &str) {
        match piece.rsplit_once('\n') {
            Some((_, last)) => self.column = last.chars().count(),
            None => self.column += piece.chars().count(),
        }
        self.result.push_str(piece);
    }

    /// Takes the original over up to `offset`.
    fn copy(&mut self, offset: usize) {
        let piece = self.text.get(self.copied..offset).unwrap_or("");
        self.append(piece);
        self.copied = self.copied.max(offset);
    }

    /// Leaves the words of a comment away, which quire would look at one character after the other.
    fn shorten_comment(&mut self, start: Cursor, end: Cursor) {
        self.copy(start.offset + 1);
        let line_end = end.column == 0 && end.offset > start.offset;
        self.copied = end.offset - usize::from(line_end);
    }

    /// Writes something else for a scalar and keeps the lines.
    fn replace(&mut self, start: Cursor, end: Cursor, value: String, may_be_key: bool) {
        self.copy(start.offset);
        let scalar = match may_be_key {
            true => self.scalars.write(value),
            false => self.scalars.write_value(value),
        };
        self.append(&scalar);
        if end.line > start.line {
            let lines = "\n".repeat(end.line - start.line);
            self.append(&lines);
            let indent = " ".repeat(end.column);
            self.append(&indent);
        }
        self.copied = end.offset;
        self.shift(end.line, end.column);
    }

    /// Writes a null behind a token.
    fn insert_null(&mut self, token: Token) {
        self.copy(token.end);
        let null = self.scalars.write_null();
        self.append(" ");
        self.append(&null);
        let width = self
            .text
            .get(token.start..token.end)
            .unwrap_or("")
            .chars()
            .count();
        self.shift(token.line, token.column + width);
    }

    fn shift(&mut self, line: usize, column: usize) {
        if self.column != column {
            self.shifts.push(Shift {
                line,
                rewritten: self.column + 1,
                original: column + 1,
            });
        }
    }
}
