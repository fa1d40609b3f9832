//! Scalars: where they end, and which of them are decoded here instead of in quire.

use super::{at, bad, is_flow, Scan, Scanner, UNQUOTED_TAB};
use crate::config::guard::block;
use crate::config::guard::cursor::Cursor;
use crate::config::guard::quoted;
use crate::config::guard::refusal;
use crate::config::guard::rewrite::Edit;
use crate::config::guard::token::Sign;
use crate::config::problem::Stage;

/// Scalars from this length on, in bytes, are cheaper to read here than in quire.
pub const LONG: usize = 20;

impl<'a> Scanner<'a> {
    /// Notes a scalar from `start` to here that is decoded here.
    fn replace(&mut self, start: Cursor, value: String, may_be_key: bool) {
        self.edit(Edit::Scalar {
            start,
            end: self.walk.at,
            value,
            may_be_key,
        });
    }

    /// Notes a difference of the text for quire; it belongs to the next token.
    pub(super) fn edit(&mut self, edit: Edit) {
        self.edited = Some(self.edits.len());
        self.edits.push(edit);
    }

    /// A dot at the start of a scalar on a line without indentation: `...` ends the document. Otherwise quire
    /// takes the next two characters unseen, which is wrong if they mean something.
    pub(super) fn dot(&mut self, start: Cursor) -> Scan<()> {
        let rest = self.walk.rest();
        if rest.starts_with("...") && (rest.len() == 3 || super::is_blank(rest.chars().nth(3))) {
            for _ in 0..3 {
                self.walk.bump();
            }
            return self.push(Sign::Other, start);
        }
        let mut unseen = rest.chars().skip(1).take(2);
        let harmless = |c: Option<char>| c.is_some_and(|c| !" \t\n:#".contains(c) && !is_flow(c));
        let fine = harmless(unseen.next()) && harmless(unseen.next());
        self.walk.bump();
        if fine {
            self.walk.bump();
            self.walk.bump();
            return self.plain(start);
        }
        let end = self.plain_end()?;
        self.edit(Edit::Plain {
            start,
            end,
            may_be_key: true,
        });
        self.push_until(Sign::Scalar, start, end)
    }

    pub(super) fn plain(&mut self, start: Cursor) -> Scan<()> {
        let end = self.plain_end()?;
        // Not a key: quire takes the colon behind quotes for another kind of colon.
        if end.offset - start.offset >= LONG && self.walk.peek() != Some(':') {
            self.edit(Edit::Plain {
                start,
                end,
                may_be_key: false,
            });
        }
        self.push_until(Sign::Scalar, start, end)
    }

    /// Goes behind a plain scalar and the blanks after it; returns where the scalar itself ends.
    fn plain_end(&mut self) -> Scan<Cursor> {
        let least = self.levels.last().copied().unwrap_or(0) + usize::from(!self.fresh);
        let in_flow = !self.flow.is_empty();
        loop {
            self.walk.skip_plain(if in_flow { b":[]{}," } else { b":" });
            let Some(c) = self.walk.peek() else { break };
            let here = self.walk.at;
            match c {
                c if in_flow && is_flow(c) => return Ok(here),
                ':' => match self.walk.peek_second() {
                    None | Some(' ' | '\t' | '\n') => return Ok(here),
                    Some(next) if in_flow && is_flow(next) => return Ok(here),
                    _ => {}
                },
                ' ' | '\n' => {
                    self.walk.skip_blanks();
                    if self.walk.at.line != here.line && self.walk.at.indent < least {
                        return Ok(here);
                    }
                    match self.walk.peek() {
                        Some(c) if in_flow && is_flow(c) => return Ok(here),
                        Some('\t') => return Err(bad(self.walk.at, UNQUOTED_TAB)),
                        Some('#') => return Ok(here),
                        Some('.') if self.at_document_end() => return Ok(here),
                        _ => {}
                    }
                }
                '\t' => return Err(bad(here, UNQUOTED_TAB)),
                _ => {}
            }
            self.walk.bump();
        }
        Ok(self.walk.at)
    }

    fn at_document_end(&self) -> bool {
        let rest = self.walk.rest();
        rest == "..." || rest.starts_with("... ") || rest.starts_with("...\n")
    }

    pub(super) fn double_quoted(&mut self, start: Cursor) -> Scan<()> {
        self.walk.bump();
        let mut numeric = false;
        let mut last_escape = None;
        loop {
            self.walk.skip_plain(b"\"\\");
            match self.walk.bump() {
                None => return Err(bad(start, "Unclosed double-quoted string")),
                Some('"') => break,
                Some('\\') => {
                    numeric |= matches!(self.walk.peek(), Some('x' | 'u' | 'U'));
                    self.walk.bump();
                    last_escape = Some(self.walk.at.offset);
                }
                Some(_) => {}
            }
        }
        let inner = self.inner(start);
        // quire takes the quote behind an escaped backslash for an escaped one.
        let swallowed = inner.ends_with('\\') && last_escape == Some(self.walk.at.offset - 1);
        if numeric || swallowed || inner.len() >= LONG {
            let value = quoted::double(inner).map_err(|text| at(Stage::Parse, start, text))?;
            self.replace(start, value, true);
        }
        self.push(Sign::Scalar, start)?;
        if self.walk.peek() == Some(':') {
            let colon = self.walk.at;
            self.walk.bump();
            return match self.flow.is_empty() {
                true => self.block_colon(colon),
                false => self.push(Sign::Colon, colon),
            };
        }
        Ok(())
    }

    pub(super) fn single_quoted(&mut self, start: Cursor) -> Scan<()> {
        self.walk.bump();
        let mut doubled = false;
        loop {
            self.walk.skip_plain(b"'");
            match self.walk.bump() {
                None => return Err(bad(start, "Unclosed quoted string")),
                Some('\'') if self.walk.peek() == Some('\'') => {
                    doubled = true;
                    self.walk.bump();
                }
                Some('\'') => break,
                Some(_) => {}
            }
        }
        let inner = self.inner(start);
        if doubled || (inner.len() >= LONG && self.walk.peek() != Some(':')) {
            let value = quoted::single(inner);
            self.replace(start, value, true);
        }
        self.push(Sign::Scalar, start)
    }

    /// What stands between the quotes of the scalar that ends here.
    fn inner(&self, start: Cursor) -> &'a str {
        let end = self.walk.at.offset.saturating_sub(1);
        self.walk.text.get(start.offset + 1..end).unwrap_or("")
    }

    pub(super) fn block(&mut self, start: Cursor, folded: bool) -> Scan<()> {
        if !self.flow.is_empty() {
            return Err(at(
                Stage::Parse,
                start,
                "Block scalars are not allowed between brackets",
            ));
        }
        self.walk.bump();
        let rest = self.walk.rest();
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
        let end = self.walk.at.offset + (first.len() + 1).min(rest.len()) + found.length;
        // A text that ends in blanks without a line end: quire counts one more line, and so do version hashes.
        let odd = found.next_indent.is_none() && found.lines.last().is_some_and(|line| line.ends_with(' '));
        let least = self.levels.last().copied().unwrap_or(0) + usize::from(!start.line_start);
        let leave = odd && !folded && header.bare && found.indent >= least.max(1) && found.starts_clean();
        while self.walk.at.offset < end {
            self.walk.skip_line();
        }
        if !leave {
            // quire could read most of these, but slowly.
            self.replace(start, value, false);
        }
        self.push(Sign::Scalar, start)
    }
}
