//! Writes the text for quire: the original with some scalars replaced.

use super::cursor::Cursor;
use super::scalars::Scalars;
use super::token::Token;
use crate::config::source::Shift;

/// The text for quire in the making.
pub struct Rewriter<'a, 's> {
    text: &'a str,
    /// The original is taken over up to here.
    copied: usize,
    /// What is written so far.
    pub result: String,
    /// Column at the end of `result`, from 0.
    column: usize,
    /// Moved columns.
    pub shifts: Vec<Shift>,
    scalars: &'s mut Scalars,
}

impl<'a, 's> Rewriter<'a, 's> {
    /// Nothing is written yet.
    pub fn new(text: &'a str, scalars: &'s mut Scalars) -> Rewriter<'a, 's> {
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
    pub fn copy(&mut self, offset: usize) {
        let piece = self.text.get(self.copied..offset).unwrap_or("");
        self.append(piece);
        self.copied = self.copied.max(offset);
    }

    /// Leaves the words of a comment away, which quire would look at one character after the other.
    pub fn shorten_comment(&mut self, start: Cursor, end: Cursor) {
        self.copy(start.offset + 1);
        let line_end = end.column == 0 && end.offset > start.offset;
        self.copied = end.offset - usize::from(line_end);
    }

    /// Writes something else for a scalar and keeps the lines.
    pub fn replace(&mut self, start: Cursor, end: Cursor, write: impl FnOnce(&mut Scalars) -> String) {
        self.copy(start.offset);
        let scalar = write(self.scalars);
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
    pub fn insert_null(&mut self, token: Token) {
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
