//! Builds quire's tree from the tokens of a scan, for documents without includes, `!*Unpack` and directives.
//!
//! The grammar is that of quire 0.4 (its `parser.rs`), odd corners included, and so are the positions of the nodes.
//! Whatever is not plainly right is not built: quire gets such a document and decides. That the two agree is shown
//! by the tests of this module. Depth is bounded by `count`, which comes before.

use std::collections::BTreeMap;
use std::rc::Rc;

use quire::ast::{Ast, NullKind, ScalarKind, Tag};
use quire::Pos;

use super::quoted;
use super::rewrite::Edit;
use super::scan::Scanned;
use super::token::{Sign, Token};
use crate::config::source::Sources;

/// The tree of a scanned text, the `index`-th of the sources; nothing if quire has to look at it.
pub fn build(text: &str, scanned: &Scanned, index: usize) -> Option<Ast> {
    let tokens = scanned.tokens.iter().filter(|t| t.sign != Sign::Comment);
    let mut builder = Builder {
        text,
        tokens: tokens.collect(),
        edits: &scanned.edits,
        source: Sources::key(index),
        at: 0,
        level: 1,
        last: None,
        fresh_level: false,
        anchors: BTreeMap::new(),
    };
    let root = builder.node()?;
    matches!(builder.next(), Next::End).then_some(root)
}

/// What comes next. quire has tokens of no width for changes of the indentation.
enum Next<'a> {
    /// A further level opens with the next token.
    Indent,
    /// A level ends before the next token or the end.
    Unindent,
    /// A token on the same level.
    Token(&'a Token),
    /// Nothing.
    End,
}

struct Builder<'a> {
    text: &'a str,
    /// Without comments.
    tokens: Vec<&'a Token>,
    edits: &'a [Edit],
    source: Rc<String>,
    at: usize,
    /// Open levels, as in [`Token::level`].
    level: usize,
    /// The token taken last.
    last: Option<&'a Token>,
    /// A level has been opened since.
    fresh_level: bool,
    /// The nodes with a name so far.
    anchors: BTreeMap<&'a str, Ast>,
}

/// A copy of a node; where it stands in the text stays.
fn copy(node: &Ast) -> Ast {
    let pos = node.pos();
    let tag = match node.tag() {
        Tag::LocalTag(name) => Tag::LocalTag(name.clone()),
        Tag::GlobalTag(name) => Tag::GlobalTag(name.clone()),
        Tag::NonSpecific => Tag::NonSpecific,
    };
    match node {
        Ast::Map(_, _, entries) => {
            let entries = entries.iter().map(|(key, item)| (key.clone(), copy(item)));
            Ast::Map(pos, tag, entries.collect())
        }
        Ast::Seq(_, _, items) => Ast::Seq(pos, tag, items.iter().map(copy).collect()),
        Ast::Scalar(_, _, ScalarKind::Plain, text) => Ast::Scalar(pos, tag, ScalarKind::Plain, text.clone()),
        Ast::Scalar(_, _, ScalarKind::Quoted, text) => {
            Ast::Scalar(pos, tag, ScalarKind::Quoted, text.clone())
        }
        Ast::Null(_, _, NullKind::Implicit) => Ast::Null(pos, tag, NullKind::Implicit),
        Ast::Null(_, _, NullKind::Explicit) => Ast::Null(pos, tag, NullKind::Explicit),
    }
}

/// Adds the entries of the value of a merge that are not there yet. Nothing if it is no such value.
fn merge(entries: &mut BTreeMap<String, Ast>, value: Ast) -> Option<()> {
    match value {
        Ast::Map(_, _, others) => {
            for (key, item) in others {
                entries.entry(key).or_insert(item);
            }
            Some(())
        }
        Ast::Seq(_, _, items) => items.into_iter().try_for_each(|item| merge(entries, item)),
        _ => None,
    }
}

/// The entries of a mapping, and the value of its merge.
#[derive(Default)]
struct Entries {
    list: BTreeMap<String, Ast>,
    merge: Option<Ast>,
}

impl Entries {
    /// Nothing if the key is there already, in which case quire is to complain.
    fn insert(&mut self, (name, is_merge): (String, bool), value: Ast) -> Option<()> {
        let known = match name.as_str() {
            "<<" => self.merge.is_some() || self.list.contains_key("<<"),
            _ => false,
        };
        let former = match is_merge {
            true => self.merge.replace(value),
            false => self.list.insert(name, value),
        };
        (!known && former.is_none()).then_some(())
    }

    fn finish(mut self) -> Option<BTreeMap<String, Ast>> {
        if let Some(value) = self.merge {
            merge(&mut self.list, value)?;
        }
        Some(self.list)
    }
}

impl<'a> Builder<'a> {
    fn next(&self) -> Next<'a> {
        let level = self.tokens.get(self.at).map_or(1, |token| token.level);
        match self.tokens.get(self.at) {
            _ if level < self.level => Next::Unindent,
            None => Next::End,
            Some(_) if level > self.level => Next::Indent,
            Some(token) => Next::Token(token),
        }
    }

    fn take(&mut self, token: &'a Token) {
        self.at += 1;
        self.last = Some(token);
        self.fresh_level = false;
    }

    /// Opens a level if one opens here.
    fn enter(&mut self) -> bool {
        let opens = matches!(self.next(), Next::Indent);
        self.level += usize::from(opens);
        self.fresh_level |= opens;
        opens
    }

    fn leave(&mut self) -> Option<()> {
        matches!(self.next(), Next::Unindent).then(|| self.level -= 1)
    }

    fn pos(&self, line: usize, column: usize, offset: usize) -> Pos {
        Pos {
            filename: Rc::clone(&self.source),
            indent: column,
            line,
            line_start: false,
            line_offset: column + 1,
            offset,
        }
    }

    fn start_of(&self, token: &Token) -> Pos {
        self.pos(token.line, token.column, token.start)
    }

    /// Behind a token that lies on one line.
    fn end_of(&self, token: &Token) -> Pos {
        let width = self.raw(token).chars().count();
        self.pos(token.line, token.column + width, token.end)
    }

    /// The start of the next token, or the end of the text.
    fn next_start(&self) -> Pos {
        match self.tokens.get(self.at) {
            Some(token) => self.start_of(token),
            None => {
                let last = self.text.rsplit('\n').next().unwrap_or("");
                self.pos(self.last_line(), last.chars().count(), self.text.len())
            }
        }
    }

    fn last_line(&self) -> usize {
        self.text.bytes().filter(|b| *b == b'\n').count() + 1
    }

    /// Where quire puts a collection that begins with the next token: at the blank before it unless a level opens.
    fn collection_start(&self) -> Pos {
        match self.last {
            _ if self.fresh_level => self.next_start(),
            Some(token) => self.end_of(token),
            None => self.pos(1, 0, 0),
        }
    }

    fn raw(&self, token: &Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or("")
    }

    fn node(&mut self) -> Option<Ast> {
        let mut inside = self.enter();
        let mut anchor = self.anchor();
        let tag = self.tag()?;
        anchor = anchor.or_else(|| self.anchor());
        inside = inside || self.enter();
        let node = match self.next() {
            Next::Token(token) => match token.sign {
                Sign::Scalar if self.is_key(token) => self.map(tag)?,
                Sign::Scalar => self.scalar(token, tag)?,
                Sign::Dash => {
                    let pos = self.collection_start();
                    self.list(pos, tag)?
                }
                Sign::Open => self.flow_collection(token, tag)?,
                Sign::Alias if anchor.is_none() && !tag.is_specific() => self.alias(token)?,
                _ => return None,
            },
            Next::Unindent | Next::End => Ast::Null(self.next_start(), tag, NullKind::Implicit),
            Next::Indent => return None,
        };
        if inside {
            self.leave()?;
        }
        self.remember(anchor, &node);
        Some(node)
    }

    /// Takes an anchor if there is one; gives its name.
    fn anchor(&mut self) -> Option<&'a str> {
        match self.next() {
            Next::Token(token) if token.sign == Sign::Anchor => {
                self.take(token);
                self.raw(token).get(1..)
            }
            _ => None,
        }
    }

    fn remember(&mut self, anchor: Option<&'a str>, node: &Ast) {
        if let Some(name) = anchor {
            self.anchors.insert(name, copy(node));
        }
    }

    fn alias(&mut self, token: &'a Token) -> Option<Ast> {
        self.take(token);
        self.anchors.get(self.raw(token).get(1..)?).map(copy)
    }

    /// Takes a tag if there is one. Tags that mean something to quire are not for us.
    fn tag(&mut self) -> Option<Tag> {
        match self.next() {
            Next::Token(token) if token.sign == Sign::Tag => {
                let name = self.raw(token).strip_prefix('!')?;
                if name.is_empty() || name.contains('!') || name.starts_with('*') {
                    return None;
                }
                self.take(token);
                Some(Tag::LocalTag(name.to_string()))
            }
            _ => Some(Tag::NonSpecific),
        }
    }

    /// True when a colon follows on the line of this token.
    fn is_key(&self, token: &Token) -> bool {
        let colon = self.tokens.get(self.at + 1);
        colon.is_some_and(|colon| colon.sign == Sign::Colon && colon.line == token.line)
    }

    fn scalar(&mut self, token: &'a Token, tag: Tag) -> Option<Ast> {
        self.take(token);
        if self.has_tail(token) {
            return None;
        }
        let pos = self.start_of(token);
        let value = self.value(token)?;
        if !self.is_plain(token) {
            return Some(Ast::Scalar(pos, tag, ScalarKind::Quoted, value));
        }
        match value.as_str() {
            "~" | "null" => Some(Ast::Null(pos, tag, NullKind::Explicit)),
            _ => Some(Ast::Scalar(pos, tag, ScalarKind::Plain, value)),
        }
    }

    /// True when something follows on the last line of a quoted text of several lines: its indentation is in doubt.
    fn has_tail(&self, token: &Token) -> bool {
        let raw = self.raw(token);
        let lines = raw.bytes().filter(|b| *b == b'\n').count();
        let quoted = token.flow == 0 && raw.starts_with(['"', '\'']);
        let next = self.tokens.get(self.at);
        quoted && lines > 0 && next.is_some_and(|next| next.line == token.line + lines)
    }

    fn is_plain(&self, token: &Token) -> bool {
        !self.raw(token).starts_with(['"', '\'', '|', '>'])
    }

    fn value(&self, token: &Token) -> Option<String> {
        let raw = self.raw(token);
        match token.edit.and_then(|edit| self.edits.get(edit)) {
            Some(Edit::Scalar { value, .. }) => return Some(value.clone()),
            _ if self.is_plain(token) => return Some(quoted::plain(raw)),
            _ => {}
        }
        // Short quoted texts are quire's own; it folds lines a little differently.
        let inner = raw.get(1..raw.len().checked_sub(1)?)?;
        match raw.as_bytes().first() {
            _ if inner.contains('\n') => None,
            Some(b'\'') => Some(inner.to_string()),
            Some(b'"') => quoted::double(inner).ok(),
            _ => None,
        }
    }

    /// The text of a key that this token is, and whether it asks for a merge. No text of several lines is a key.
    fn key(&self, token: &Token) -> Option<(String, bool)> {
        let raw = self.raw(token);
        let odd = raw.contains('\n') || raw.starts_with(['|', '>']);
        let name = self.value(token).filter(|_| !odd)?;
        Some((name, raw == "<<"))
    }

    fn map(&mut self, tag: Tag) -> Option<Ast> {
        let pos = self.collection_start();
        let mut entries = Entries::default();
        loop {
            let key = match self.next() {
                Next::Unindent | Next::End => return Some(Ast::Map(pos, tag, entries.finish()?)),
                Next::Token(token) if token.sign == Sign::Scalar => token,
                _ => return None,
            };
            self.take(key);
            let name = self.key(key)?;
            let Next::Token(colon) = self.next() else {
                return None;
            };
            if colon.sign != Sign::Colon {
                return None;
            }
            self.take(colon);
            let value = self.member(colon)?;
            entries.insert(name, value)?;
        }
    }

    /// What belongs to the key before this colon.
    fn member(&mut self, colon: &'a Token) -> Option<Ast> {
        match self.next() {
            Next::Token(token) if token.sign == Sign::Dash && token.line > colon.line => {
                // On the same level as the key.
                let pos = self.collection_start();
                self.list(pos, Tag::NonSpecific)
            }
            Next::Unindent | Next::End => {
                Some(Ast::Null(self.next_start(), Tag::NonSpecific, NullKind::Implicit))
            }
            Next::Token(token) if token.sign == Sign::Tag && self.is_lone_tag(token) => {
                let tag = self.tag()?;
                Some(Ast::Null(self.end_of(colon), tag, NullKind::Implicit))
            }
            Next::Token(token) if token.line != colon.line => {
                let pos = self.end_of(colon);
                Some(Ast::Null(pos, Tag::NonSpecific, NullKind::Implicit))
            }
            Next::Token(_) | Next::Indent => self.node(),
        }
    }

    /// True when the value that the tag belongs to would be on a further line, and is not there.
    fn is_lone_tag(&self, tag: &Token) -> bool {
        match self.tokens.get(self.at + 1) {
            Some(next) => next.line > tag.line && next.level <= tag.level,
            None => self.last_line() > tag.line,
        }
    }

    fn list(&mut self, pos: Pos, tag: Tag) -> Option<Ast> {
        let mut items = Vec::new();
        loop {
            let dash = match self.next() {
                Next::Token(token) if token.sign == Sign::Dash => token,
                _ => return Some(Ast::Seq(pos, tag, items)),
            };
            self.take(dash);
            let item = match self.next() {
                Next::Token(token) if token.sign == Sign::Dash => {
                    Ast::Null(self.end_of(dash), Tag::NonSpecific, NullKind::Implicit)
                }
                Next::Unindent | Next::End => {
                    let end = self.next_start();
                    items.push(Ast::Null(end, Tag::NonSpecific, NullKind::Implicit));
                    return Some(Ast::Seq(pos, tag, items));
                }
                _ => self.node()?,
            };
            items.push(item);
        }
    }

    fn flow_collection(&mut self, open: &'a Token, tag: Tag) -> Option<Ast> {
        let pos = self.collection_start();
        self.take(open);
        match self.raw(open) {
            "[" => self.flow_list(pos, tag),
            _ => self.flow_map(pos, tag),
        }
    }

    fn flow_node(&mut self) -> Option<Ast> {
        let anchor = self.anchor();
        let tag = self.tag()?;
        let Next::Token(token) = self.next() else {
            return None;
        };
        let node = match token.sign {
            Sign::Scalar => self.scalar(token, tag)?,
            Sign::Open => self.flow_collection(token, tag)?,
            Sign::Alias if anchor.is_none() && !tag.is_specific() => self.alias(token)?,
            _ => return None,
        };
        self.remember(anchor, &node);
        Some(node)
    }

    /// Takes the comma or closing bracket that must come now; true for the bracket.
    fn closes(&mut self) -> Option<bool> {
        let Next::Token(token) = self.next() else {
            return None;
        };
        let closes = token.sign == Sign::Close;
        if !closes && self.raw(token) != "," {
            return None;
        }
        self.take(token);
        Some(closes)
    }

    fn at_close(&self) -> bool {
        matches!(self.next(), Next::Token(token) if token.sign == Sign::Close)
    }

    fn flow_list(&mut self, pos: Pos, tag: Tag) -> Option<Ast> {
        let mut items = Vec::new();
        while !self.at_close() {
            items.push(self.flow_node()?);
            if self.closes()? {
                return Some(Ast::Seq(pos, tag, items));
            }
        }
        self.closes()?;
        Some(Ast::Seq(pos, tag, items))
    }

    fn flow_map(&mut self, pos: Pos, tag: Tag) -> Option<Ast> {
        let mut entries = Entries::default();
        while !self.at_close() {
            let key = match self.next() {
                Next::Token(token) if token.sign == Sign::Scalar => token,
                _ => return None,
            };
            self.take(key);
            let name = self.key(key)?;
            let value = match self.next() {
                Next::Token(colon) if colon.sign == Sign::Colon => {
                    self.take(colon);
                    self.flow_node()?
                }
                _ => Ast::Null(self.next_start(), Tag::NonSpecific, NullKind::Implicit),
            };
            entries.insert(name, value)?;
            if self.closes()? {
                return Some(Ast::Map(pos, tag, entries.finish()?));
            }
        }
        self.closes()?;
        Some(Ast::Map(pos, tag, entries.finish()?))
    }
}

#[cfg(test)]
mod tests;
