//! Values that quire does not read itself stand in its text as placeholders; they are looked up in its tree.

use std::collections::BTreeMap;

use quire::ast::{Ast, NullKind, ScalarKind};

/// First character of a placeholder: a noncharacter that [`super::guard`] refuses in texts.
pub const MARK: char = '\u{fdd0}';

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stored {
    Text(String),
    /// Nothing, in a place where quire insists on something.
    Null,
}

/// The values behind the placeholders of one text.
#[derive(Debug, Clone, Default)]
pub struct Scalars {
    list: Vec<Stored>,
    /// Equal texts share a placeholder, so that quire sees equal keys as equal.
    texts: BTreeMap<String, usize>,
}

impl Scalars {
    /// What to write for a text: the text in double quotes if quire reads it right, otherwise a placeholder.
    pub fn write(&mut self, text: String) -> String {
        let special = |c: char| c.is_control() || c == '"' || c == '\\' || c == MARK;
        if text.len() < super::scan::LONG && !text.contains(special) {
            return format!("\"{text}\"");
        }
        let next = self.list.len();
        let index = *self.texts.entry(text).or_insert_with_key(|text| {
            self.list.push(Stored::Text(text.clone()));
            next
        });
        format!("\"{MARK}{index}\"")
    }

    /// The same for a text that is no key: nobody asks whether two of them are equal.
    pub fn write_value(&mut self, text: String) -> String {
        self.list.push(Stored::Text(text));
        format!("\"{MARK}{}\"", self.list.len() - 1)
    }

    /// What to write for nothing.
    pub fn write_null(&mut self) -> String {
        self.list.push(Stored::Null);
        format!("\"{MARK}{}\"", self.list.len() - 1)
    }

    /// The value of a scalar of the rewritten text; a null is the empty text.
    pub fn resolve_text(&self, text: String) -> String {
        match self.find(&text) {
            Some(Stored::Text(value)) => value.clone(),
            Some(Stored::Null) => String::new(),
            None => text,
        }
    }

    /// The node itself if it is a placeholder; what is below it stays.
    pub fn resolve(&self, ast: Ast) -> Ast {
        let Ast::Scalar(pos, tag, kind, text) = ast else {
            return ast;
        };
        match self.find(&text) {
            Some(Stored::Null) => Ast::Null(pos, tag, NullKind::Implicit),
            Some(Stored::Text(value)) => Ast::Scalar(pos, tag, ScalarKind::Quoted, value.clone()),
            None => Ast::Scalar(pos, tag, kind, text),
        }
    }

    fn find(&self, text: &str) -> Option<&Stored> {
        let index: usize = text.strip_prefix(MARK)?.parse().ok()?;
        self.list.get(index)
    }
}
