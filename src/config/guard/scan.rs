//! Follows quire's tokenizer through a text, refuses what it could not stand and rewrites what it lacks.
//!
//! The rules of tokens, also the odd ones, are those of quire 0.4 (its `tokenizer.rs`): both have to see the same
//! brackets and the same levels of indentation. Where this scanner reads more than quire does, it rewrites the
//! text so that quire sees something that it knows.

use super::block;
use super::quoted;
use super::refusal;
use super::scalars::Scalars;
use super::Refusal;
use crate::config::problem::Stage;
use crate::config::source::Shift;

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A scalar of any style.
    Scalar,
    /// `-` of a sequence.
    Dash,
    /// `:` behind a key.
    Colon,
    /// `[` or `{`.
    Open,
    /// `]` or `}`.
    Close,
    /// `!tag`.
    Tag,
    /// `&anchor`.
    Anchor,
    /// `*alias`.
    Alias,
    /// From `#` to the end of the line.
    Comment,
    /// `,` between brackets, `?`, directives, document markers.
    Other,
}

/// A token of the original text.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    /// Kind.
    pub sign: Sign,
    /// Where it begins and ends, in bytes.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 0.
    pub column: usize,
    /// Open levels of indentation with this token.
    pub level: usize,
    /// Open brackets before this token.
    pub flow: usize,
}

/// What a scan makes of a text.
#[derive(Debug, Default)]
pub struct Scanned {
    /// All tokens.
    pub tokens: Vec<Token>,
    /// The text for quire.
    pub text: String,
    /// Moved columns.
    pub shifts: Vec<Shift>,
}

/// A position in the text, with what quire remembers about the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    offset: usize,
    /// From 1.
    line: usize,
    /// From 0, in characters.
    column: usize,
    /// Blanks at the start of the line; behind a dash the column.
    indent: usize,
    /// Only blanks so far.
    line_start: bool,
}

/// An open bracket.
#[derive(Debug, Clone, Copy)]
struct Bracket {
    sign: char,
    at: Cursor,
}

struct Scanner<'a, 's> {
    text: &'a str,
    at: Cursor,
    levels: Vec<usize>,
    flow: Vec<Bracket>,
    /// Nothing but comments and the document marker so far.
    fresh: bool,
    /// Column of the key or dash that the next value belongs to.
    parent: Option<usize>,
    tokens: Vec<Token>,
    out: Rewriter<'a, 's>,
}

/// The text for quire in the making.
struct Rewriter<'a, 's> {
    text: &'a str,
    /// The original is taken over up to here.
    copied: usize,
    result: String,
    /// Column at the end of `result`, from 0.
    column: usize,
    shifts: Vec<Shift>,
    scalars: &'s mut Scalars,
}

type Scan<T> = Result<T, Refusal>;

/// Scans a text without unprintable characters and carriage returns.
///
/// Errors: the first thing that is wrong.
pub fn scan(text: &str, scalars: &mut Scalars) -> Scan<Scanned> {
    let mut scanner = Scanner::new(text, scalars);
    while let Some(c) = scanner.peek() {
        scanner.token_at(c)?;
    }
    if let Some(bracket) = scanner.flow.last() {
        let text = format!("Unclosed {:?}: the closing bracket is missing", bracket.sign);
        return Err(at(Stage::Parse, bracket.at, text));
    }
    let mut out = scanner.out;
    out.copy(text.len());
    Ok(Scanned {
        tokens: scanner.tokens,
        text: out.result,
        shifts: out.shifts,
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

/// Scalars from this length on, in bytes, are cheaper to read here than in quire.
pub const LONG: usize = 20;

const UNQUOTED_TAB: &str = "Tab character may appear only in quoted string";

impl<'a, 's> Scanner<'a, 's> {
    fn new(text: &'a str, scalars: &'s mut Scalars) -> Scanner<'a, 's> {
        Scanner {
            text,
            at: Cursor {
                offset: 0,
                line: 1,
                column: 0,
                indent: 0,
                line_start: true,
            },
            levels: vec![0],
            flow: Vec::new(),
            fresh: true,
            parent: None,
            tokens: Vec::new(),
            out: Rewriter {
                text,
                copied: 0,
                result: String::with_capacity(text.len() + text.len() / 16),
                column: 0,
                shifts: Vec::new(),
                scalars,
            },
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at.offset..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        match self.text.as_bytes().get(self.at.offset) {
            Some(byte) if byte.is_ascii() => Some(char::from(*byte)),
            _ => self.rest().chars().next(),
        }
    }

    /// Skips characters of one byte that are neither blank nor line end nor one of `stops`.
    fn skip_plain(&mut self, stops: &[u8]) {
        let bytes = self.text.as_bytes().get(self.at.offset..).unwrap_or(&[]);
        let plain = |b: &u8| matches!(b, b'!'..=b'~') && !stops.contains(b);
        let count = bytes.iter().take_while(|b| plain(b)).count();
        self.at.offset += count;
        self.at.column += count;
        self.at.line_start &= count == 0;
    }

    /// The character behind the next one.
    fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        let at = &mut self.at;
        at.offset += c.len_utf8();
        at.column += 1;
        match c {
            '\n' => {
                at.line += 1;
                at.column = 0;
                at.indent = 0;
                at.line_start = true;
            }
            ' ' if at.line_start => at.indent += 1,
            _ => at.line_start = false,
        }
        Some(c)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\n')) {
            self.bump();
        }
    }

    /// Goes to the start of the next line, or to the end.
    fn skip_line(&mut self) {
        let rest = self.rest();
        let length = rest.find('\n').unwrap_or(rest.len());
        self.at.offset += length;
        self.at.column += rest.get(..length).map_or(0, |line| line.chars().count());
        self.bump();
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
            end: self.at.offset,
            line: start.line,
            column: start.column,
            level: self.levels.len(),
            flow: self.flow.len(),
        });
    }

    fn token_at(&mut self, c: char) -> Scan<()> {
        let start = self.at;
        match c {
            ' ' | '\n' => {
                self.skip_blanks();
                Ok(())
            }
            '-' => self.dash(start),
            '?' => self.question(start),
            ':' => self.colon(start),
            '.' if start.indent == 0 => self.dot(start),
            '%' if start.column != 0 => Err(bad(start, "Directive must start at start of line")),
            '%' => {
                self.skip_line();
                self.push(Sign::Other, start)
            }
            '#' => {
                self.skip_line();
                self.out.shorten_comment(start, self.at);
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
                self.bump();
                self.plain(start)
            }
        }
    }

    fn dash(&mut self, start: Cursor) -> Scan<()> {
        self.bump();
        if self.peek().is_none() || is_blank(self.peek()) {
            self.push(Sign::Dash, start)?;
            self.parent = Some(start.column);
            self.bump();
            if self.at.line == start.line {
                self.at.indent = self.at.column;
            }
            return Ok(());
        }
        if self.bump() == Some('-') && self.bump() == Some('-') {
            self.note(Sign::Other, start);
            return Ok(());
        }
        self.plain(start)
    }

    fn question(&mut self, start: Cursor) -> Scan<()> {
        self.bump();
        match self.bump() {
            Some(' ' | '\t' | '\n') | None => self.push(Sign::Other, start),
            Some(_) => self.plain(start),
        }
    }

    fn colon(&mut self, start: Cursor) -> Scan<()> {
        self.bump();
        let next = self.peek();
        if !self.flow.is_empty() {
            if is_blank(next) || next.is_some_and(is_flow) {
                return self.push(Sign::Colon, start);
            }
            return Err(bad(start, "Either add a space after colon or quote the colon"));
        }
        if next.is_some() && !is_blank(next) {
            self.bump();
            return self.plain(start);
        }
        self.block_colon(start)?;
        self.bump();
        Ok(())
    }

    /// A colon behind a key outside of brackets.
    fn block_colon(&mut self, start: Cursor) -> Scan<()> {
        self.push(Sign::Colon, start)?;
        self.parent = self.levels.last().copied();
        Ok(())
    }

    /// A dot at the start of a scalar on a line without indentation: `...` ends the document. Otherwise quire
    /// takes the next two characters unseen, which is wrong if they mean something.
    fn dot(&mut self, start: Cursor) -> Scan<()> {
        let rest = self.rest();
        if rest.starts_with("...") && (rest.len() == 3 || is_blank(rest.chars().nth(3))) {
            for _ in 0..3 {
                self.bump();
            }
            return self.push(Sign::Other, start);
        }
        let mut unseen = rest.chars().skip(1).take(2);
        let harmless = |c: Option<char>| c.is_some_and(|c| !" \t\n:#".contains(c) && !is_flow(c));
        let fine = harmless(unseen.next()) && harmless(unseen.next());
        self.bump();
        if fine {
            self.bump();
            self.bump();
            return self.plain(start);
        }
        let end = self.plain_end()?;
        self.replace_plain(start, end);
        self.push_until(Sign::Scalar, start, end)
    }

    fn replace_plain(&mut self, start: Cursor, end: Cursor) {
        let text = self.text.get(start.offset..end.offset).unwrap_or("");
        let value = quoted::plain(text);
        self.out.replace(start, end, |scalars| scalars.write(value));
    }

    fn plain(&mut self, start: Cursor) -> Scan<()> {
        let end = self.plain_end()?;
        // Not a key: quire takes the colon behind quotes for another kind of colon.
        if end.offset - start.offset >= LONG && self.peek() != Some(':') {
            self.replace_plain(start, end);
        }
        self.push_until(Sign::Scalar, start, end)
    }

    /// Notes a token that ended before blanks that are already skipped.
    fn push_until(&mut self, sign: Sign, start: Cursor, end: Cursor) -> Scan<()> {
        self.push(sign, start)?;
        if let Some(token) = self.tokens.last_mut() {
            token.end = end.offset;
        }
        Ok(())
    }

    /// Goes behind a plain scalar and the blanks after it; returns where the scalar itself ends.
    fn plain_end(&mut self) -> Scan<Cursor> {
        let least = self.levels.last().copied().unwrap_or(0) + usize::from(!self.fresh);
        let in_flow = !self.flow.is_empty();
        loop {
            self.skip_plain(if in_flow { b":[]{}," } else { b":" });
            let Some(c) = self.peek() else { break };
            let here = self.at;
            match c {
                c if in_flow && is_flow(c) => return Ok(here),
                ':' => match self.peek_second() {
                    None | Some(' ' | '\t' | '\n') => return Ok(here),
                    Some(next) if in_flow && is_flow(next) => return Ok(here),
                    _ => {}
                },
                ' ' | '\n' => {
                    self.skip_blanks();
                    if self.at.line != here.line && self.at.indent < least {
                        return Ok(here);
                    }
                    match self.peek() {
                        Some(c) if in_flow && is_flow(c) => return Ok(here),
                        Some('\t') => return Err(bad(self.at, UNQUOTED_TAB)),
                        Some('#') => return Ok(here),
                        Some('.') if self.at_document_end() => return Ok(here),
                        _ => {}
                    }
                }
                '\t' => return Err(bad(here, UNQUOTED_TAB)),
                _ => {}
            }
            self.bump();
        }
        Ok(self.at)
    }

    fn at_document_end(&self) -> bool {
        let rest = self.rest();
        rest == "..." || rest.starts_with("... ") || rest.starts_with("...\n")
    }

    fn double_quoted(&mut self, start: Cursor) -> Scan<()> {
        self.bump();
        let mut numeric = false;
        let mut last_escape = None;
        loop {
            self.skip_plain(b"\"\\");
            match self.bump() {
                None => return Err(bad(start, "Unclosed double-quoted string")),
                Some('"') => break,
                Some('\\') => {
                    numeric |= matches!(self.peek(), Some('x' | 'u' | 'U'));
                    self.bump();
                    last_escape = Some(self.at.offset);
                }
                Some(_) => {}
            }
        }
        let inner = self.inner(start);
        // quire takes the quote behind an escaped backslash for an escaped one.
        let swallowed = inner.ends_with('\\') && last_escape == Some(self.at.offset - 1);
        if numeric || swallowed || inner.len() >= LONG {
            let value = quoted::double(inner).map_err(|text| at(Stage::Parse, start, text))?;
            let end = self.at;
            self.out.replace(start, end, |scalars| scalars.write(value));
        }
        self.push(Sign::Scalar, start)?;
        if self.peek() == Some(':') {
            let colon = self.at;
            self.bump();
            return match self.flow.is_empty() {
                true => self.block_colon(colon),
                false => self.push(Sign::Colon, colon),
            };
        }
        Ok(())
    }

    fn single_quoted(&mut self, start: Cursor) -> Scan<()> {
        self.bump();
        let mut doubled = false;
        loop {
            self.skip_plain(b"'");
            match self.bump() {
                None => return Err(bad(start, "Unclosed quoted string")),
                Some('\'') if self.peek() == Some('\'') => {
                    doubled = true;
                    self.bump();
                }
                Some('\'') => break,
                Some(_) => {}
            }
        }
        let inner = self.inner(start);
        if doubled || (inner.len() >= LONG && self.peek() != Some(':')) {
            let value = quoted::single(inner);
            let end = self.at;
            self.out.replace(start, end, |scalars| scalars.write(value));
        }
        self.push(Sign::Scalar, start)
    }

    /// What stands between the quotes of the scalar that ends here.
    fn inner(&self, start: Cursor) -> &'a str {
        let end = self.at.offset.saturating_sub(1);
        self.text.get(start.offset + 1..end).unwrap_or("")
    }

    /// A tag ends at a blank; between brackets also at the next comma or bracket, unlike in quire.
    fn tag(&mut self, start: Cursor) -> Scan<()> {
        self.bump();
        while let Some(c) = self.peek() {
            if is_blank(Some(c)) || (is_flow(c) && !self.flow.is_empty()) {
                break;
            }
            if !is_tag_char(c) {
                return Err(bad(self.at, "Bad char in tag name"));
            }
            self.bump();
        }
        if self.peek().is_some_and(|c| matches!(c, '[' | '{')) {
            return Err(bad(self.at, "Bad char in tag name, put a space behind the tag"));
        }
        self.push(Sign::Tag, start)
    }

    fn name(&mut self) {
        self.bump();
        while self.peek().is_some_and(|c| !is_blank(Some(c)) && !is_flow(c)) {
            self.bump();
        }
    }

    fn anchor(&mut self, start: Cursor) -> Scan<()> {
        self.name();
        if self.peek().is_some_and(is_flow) {
            return Err(bad(self.at, "Bad char in anchor name"));
        }
        if self.at.offset - start.offset < 2 {
            return Err(bad(start, "Anchor name requires at least one character"));
        }
        self.push(Sign::Anchor, start)
    }

    fn alias(&mut self, start: Cursor) -> Scan<()> {
        self.name();
        if self.at.offset - start.offset < 2 {
            return Err(bad(start, "Alias name requires at least one character"));
        }
        self.push(Sign::Alias, start)
    }

    fn open(&mut self, start: Cursor, sign: char) -> Scan<()> {
        self.bump();
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
        self.bump();
        self.push(Sign::Close, start)?;
        self.flow.pop();
        Ok(())
    }

    fn comma(&mut self, start: Cursor) -> Scan<()> {
        self.fill_null();
        self.bump();
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
            self.out.insert_null(last);
        }
    }

    fn block(&mut self, start: Cursor, folded: bool) -> Scan<()> {
        if !self.flow.is_empty() {
            return Err(at(
                Stage::Parse,
                start,
                "Block scalars are not allowed between brackets",
            ));
        }
        self.bump();
        let rest = self.rest();
        let (first, body) = rest.split_once('\n').unwrap_or((rest, ""));
        let Some(header) = block::header(first) else {
            let text = "Bad indicator of a block scalar, expected `|` or `>` with `-`, `+` or an indentation";
            return Err(at(Stage::Parse, start, text));
        };
        let found = block::body(body, header, self.parent).map_err(|line| {
            let line = start.line + 1 + line;
            refusal(
                Stage::Parse,
                line,
                1,
                "The line is indented less than the block scalar above",
            )
        })?;
        let value = found.value(folded, header.chomp);
        let end = self.at.offset + (first.len() + 1).min(rest.len()) + found.length;
        // A text that ends in blanks without a line end: quire counts one more line, and so do version hashes.
        let odd = found.next_indent.is_none() && found.lines.last().is_some_and(|line| line.ends_with(' '));
        let least = self.levels.last().copied().unwrap_or(0) + usize::from(!start.line_start);
        let leave = odd && !folded && header.bare && found.indent >= least.max(1) && found.starts_clean();
        while self.at.offset < end {
            self.skip_line();
        }
        if !leave {
            // quire could read most of these, but slowly.
            let end = self.at;
            self.out.replace(start, end, |scalars| scalars.write(value));
        }
        self.push(Sign::Scalar, start)
    }
}

impl Rewriter<'_, '_> {
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
    fn replace(&mut self, start: Cursor, end: Cursor, write: impl FnOnce(&mut Scalars) -> String) {
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
