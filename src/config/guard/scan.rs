//! Follows quire's tokenizer through a text, refuses what it could not stand and rewrites what it lacks.
//!
//! The rules of tokens, also the odd ones, are those of quire 0.4 (its `tokenizer.rs`): both have to see the same
//! brackets and the same levels of indentation. Where this scanner reads more than quire does, it rewrites the
//! text so that quire sees something that it knows.

mod scalar;

use super::cursor::{Cursor, Walker};
use super::refusal;
use super::rewrite::Edit;
use super::token::{Sign, Token};
use super::Refusal;
use crate::config::problem::Stage;

pub use scalar::LONG;

/// What a scan makes of a text.
#[derive(Debug, Default)]
pub struct Scanned {
    /// All tokens.
    pub tokens: Vec<Token>,
    /// How the text for quire differs from the original, in its order.
    pub edits: Vec<Edit>,
}

/// An open bracket.
#[derive(Debug, Clone, Copy)]
struct Bracket {
    sign: char,
    at: Cursor,
}

/// The state of a scan.
struct Scanner<'a> {
    walk: Walker<'a>,
    levels: Vec<usize>,
    flow: Vec<Bracket>,
    /// Nothing but comments and the document marker so far.
    fresh: bool,
    /// Column of the key or dash that the next value belongs to.
    parent: Option<usize>,
    tokens: Vec<Token>,
    edits: Vec<Edit>,
    /// Index of the edit that belongs to the next token.
    edited: Option<usize>,
}

type Scan<T> = Result<T, Refusal>;

/// Scans a text without unprintable characters and carriage returns.
///
/// Errors: the first thing that is wrong.
pub fn scan(text: &str) -> Scan<Scanned> {
    let mut scanner = Scanner::new(text);
    while let Some(c) = scanner.walk.peek() {
        scanner.token_at(c)?;
    }
    if let Some(bracket) = scanner.flow.last() {
        let text = format!("Unclosed {:?}: the closing bracket is missing", bracket.sign);
        return Err(at(Stage::Parse, bracket.at, text));
    }
    Ok(Scanned {
        tokens: scanner.tokens,
        edits: scanner.edits,
    })
}

fn at(stage: Stage, cursor: Cursor, text: impl Into<String>) -> Refusal {
    refusal(stage, cursor.line, cursor.column + 1, text)
}

/// A refusal of the kind that quire's tokenizer has.
fn bad(cursor: Cursor, text: &str) -> Refusal {
    at(Stage::Tokenizer, cursor, text)
}

fn is_blank(c: Option<char>) -> bool {
    matches!(c, Some(' ' | '\t' | '\n'))
}

fn is_flow(c: char) -> bool {
    matches!(c, '[' | ']' | '{' | '}' | ',')
}

fn is_tag_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-%#;/?:@&=+$_.~*'()".contains(c)
}

/// What quire says about tabs.
pub const UNQUOTED_TAB: &str = "Tab character may appear only in quoted string";

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Scanner<'a> {
        Scanner {
            walk: Walker::new(text),
            levels: vec![0],
            flow: Vec::new(),
            fresh: true,
            parent: None,
            tokens: Vec::with_capacity(text.len() / 8),
            edits: Vec::new(),
            edited: None,
        }
    }

    /// Notes a token that ends here, and the levels of indentation that it opens or closes.
    fn push(&mut self, sign: Sign, start: Cursor) -> Scan<()> {
        if self.flow.is_empty() {
            self.fresh = false;
            let current = self.levels.last().copied().unwrap_or(0);
            if start.indent > current {
                self.levels.push(start.indent);
            }
            while self.levels.last().is_some_and(|level| *level > start.indent) {
                self.levels.pop();
            }
            if self.levels.last() != Some(&start.indent) {
                return Err(bad(start, "Unindent doesn't match any outer indentation level"));
            }
        }
        self.note(sign, start);
        Ok(())
    }

    /// Notes a token that has no indentation: comments and document starts.
    fn note(&mut self, sign: Sign, start: Cursor) {
        self.tokens.push(Token {
            sign,
            start: start.offset,
            end: self.walk.at.offset,
            line: start.line,
            column: start.column,
            level: self.levels.len(),
            flow: self.flow.len(),
            edit: self.edited.take(),
        });
    }

    fn token_at(&mut self, c: char) -> Scan<()> {
        let start = self.walk.at;
        match c {
            ' ' | '\n' => {
                self.walk.skip_blanks();
                Ok(())
            }
            '-' => self.dash(start),
            '?' => self.question(start),
            ':' => self.colon(start),
            '.' if start.indent == 0 => self.dot(start),
            '%' if start.column != 0 => Err(bad(start, "Directive must start at start of line")),
            '%' => {
                self.walk.skip_line();
                self.push(Sign::Other, start)
            }
            '#' => {
                self.walk.skip_line();
                self.edits.push(Edit::Comment {
                    start,
                    end: self.walk.at,
                });
                self.note(Sign::Comment, start);
                Ok(())
            }
            '@' | '`' => Err(bad(start, "Characters '@' and '`' are not allowed")),
            '\t' => Err(bad(start, UNQUOTED_TAB)),
            '"' => self.double_quoted(start),
            '\'' => self.single_quoted(start),
            '!' => self.tag(start),
            '&' => self.anchor(start),
            '*' => self.alias(start),
            '[' | '{' => self.open(start, c),
            ']' | '}' => self.close(start, c),
            ',' => self.comma(start),
            '|' | '>' => self.block(start, c == '>'),
            _ => {
                self.walk.bump();
                self.plain(start)
            }
        }
    }

    fn dash(&mut self, start: Cursor) -> Scan<()> {
        self.walk.bump();
        if self.walk.peek().is_none() || is_blank(self.walk.peek()) {
            self.push(Sign::Dash, start)?;
            self.parent = Some(start.column);
            self.walk.bump();
            if self.walk.at.line == start.line {
                self.walk.at.indent = self.walk.at.column;
            }
            return Ok(());
        }
        // What is no dash belongs to the text or ends it: `[a, -]`, `[sh, --]`.
        if self.dashes() == 2 {
            self.note(Sign::Other, start);
            return Ok(());
        }
        let end = self.walk.at;
        if !self.flow.is_empty() && self.walk.peek().is_some_and(is_flow) {
            // Quire takes the character behind a dash, or two, unseen: `{-}`.
            self.edit(Edit::Plain {
                start,
                end,
                may_be_key: true,
            });
            return self.push_until(Sign::Scalar, start, end);
        }
        self.plain(start)
    }

    /// Takes at most two dashes; the result is how many.
    fn dashes(&mut self) -> usize {
        let mut count = 0;
        while count < 2 && self.walk.peek() == Some('-') {
            self.walk.bump();
            count += 1;
        }
        count
    }

    fn question(&mut self, start: Cursor) -> Scan<()> {
        self.walk.bump();
        match self.walk.bump() {
            Some(' ' | '\t' | '\n') | None => self.push(Sign::Other, start),
            Some(_) => self.plain(start),
        }
    }

    fn colon(&mut self, start: Cursor) -> Scan<()> {
        self.walk.bump();
        let next = self.walk.peek();
        if !self.flow.is_empty() {
            if is_blank(next) || next.is_some_and(is_flow) {
                return self.push(Sign::Colon, start);
            }
            return Err(bad(start, "Either add a space after colon or quote the colon"));
        }
        if next.is_some() && !is_blank(next) {
            self.walk.bump();
            return self.plain(start);
        }
        self.block_colon(start)?;
        self.walk.bump();
        Ok(())
    }

    /// A colon behind a key outside of brackets.
    fn block_colon(&mut self, start: Cursor) -> Scan<()> {
        self.push(Sign::Colon, start)?;
        self.parent = self.levels.last().copied();
        Ok(())
    }

    /// Notes a token that ended before blanks that are already skipped.
    fn push_until(&mut self, sign: Sign, start: Cursor, end: Cursor) -> Scan<()> {
        self.push(sign, start)?;
        if let Some(token) = self.tokens.last_mut() {
            token.end = end.offset;
        }
        Ok(())
    }

    /// A tag ends at a blank; between brackets also at the next comma or bracket, unlike in quire.
    fn tag(&mut self, start: Cursor) -> Scan<()> {
        self.walk.bump();
        while let Some(c) = self.walk.peek() {
            if is_blank(Some(c)) || (is_flow(c) && !self.flow.is_empty()) {
                break;
            }
            if !is_tag_char(c) {
                return Err(bad(self.walk.at, "Bad char in tag name"));
            }
            self.walk.bump();
        }
        if self.walk.peek().is_some_and(|c| matches!(c, '[' | '{')) {
            return Err(bad(
                self.walk.at,
                "Bad char in tag name, put a space behind the tag",
            ));
        }
        self.push(Sign::Tag, start)
    }

    fn name(&mut self) {
        self.walk.bump();
        while self
            .walk
            .peek()
            .is_some_and(|c| !is_blank(Some(c)) && !is_flow(c))
        {
            self.walk.bump();
        }
    }

    fn anchor(&mut self, start: Cursor) -> Scan<()> {
        self.name();
        if self.walk.peek().is_some_and(is_flow) {
            return Err(bad(self.walk.at, "Bad char in anchor name"));
        }
        if self.walk.at.offset - start.offset < 2 {
            return Err(bad(start, "Anchor name requires at least one character"));
        }
        self.push(Sign::Anchor, start)
    }

    fn alias(&mut self, start: Cursor) -> Scan<()> {
        self.name();
        if self.walk.at.offset - start.offset < 2 {
            return Err(bad(start, "Alias name requires at least one character"));
        }
        self.push(Sign::Alias, start)
    }

    fn open(&mut self, start: Cursor, sign: char) -> Scan<()> {
        self.walk.bump();
        self.push(Sign::Open, start)?;
        self.flow.push(Bracket { sign, at: start });
        Ok(())
    }

    fn close(&mut self, start: Cursor, sign: char) -> Scan<()> {
        let wanted = match self.flow.last().map(|bracket| bracket.sign) {
            Some('[') => ']',
            Some(_) => '}',
            None => {
                return Err(at(
                    Stage::Parse,
                    start,
                    format!("Unexpected {sign:?}, no bracket is open"),
                ))
            }
        };
        if sign != wanted {
            let text = format!("Expected {wanted:?} before {sign:?}");
            return Err(at(Stage::Parse, start, text));
        }
        self.fill_null();
        self.walk.bump();
        self.push(Sign::Close, start)?;
        self.flow.pop();
        Ok(())
    }

    fn comma(&mut self, start: Cursor) -> Scan<()> {
        self.fill_null();
        self.walk.bump();
        self.push(Sign::Other, start)
    }

    /// quire wants a value behind a tag and a colon between brackets, YAML does not.
    fn fill_null(&mut self) {
        let last = self
            .tokens
            .iter()
            .rev()
            .find(|t| t.sign != Sign::Comment)
            .copied();
        let waits = |t: &Token| matches!(t.sign, Sign::Tag | Sign::Colon) && t.flow == self.flow.len();
        if let Some(last) = last.filter(waits) {
            self.edits.push(Edit::Null(last));
        }
    }
}
