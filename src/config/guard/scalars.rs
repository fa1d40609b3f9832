//! Values that quire cannot read itself stand in its text as placeholders and are put back into its tree.

use std::collections::BTreeMap;

use quire::ast::{Ast, NullKind, ScalarKind, Tag};

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
#[derive(Debug, Default)]
pub struct Scalars {
    list: Vec<Stored>,
    /// Equal texts share a placeholder, so that quire sees equal keys as equal.
    texts: BTreeMap<String, usize>,
}

impl Scalars {
    /// What to write for a text: the text in double quotes if quire reads it right, otherwise a placeholder.
    pub fn write(&mut self, text: String) -> String {
        let simple = !text.contains(|c: char| c.is_control() || c == '"' || c == '\\' || c == MARK);
        if simple {
            return format!("\"{text}\"");
        }
        let next = self.list.len();
        let index = *self.texts.entry(text).or_insert_with_key(|text| {
            self.list.push(Stored::Text(text.clone()));
            next
        });
        format!("\"{MARK}{index}\"")
    }

    /// What to write for nothing.
    pub fn write_null(&mut self) -> String {
        self.list.push(Stored::Null);
        format!("\"{MARK}{}\"", self.list.len() - 1)
    }

    /// The value of a scalar of the rewritten text; a null is the empty text.
    pub fn text(&self, text: &str) -> String {
        match self.find(text) {
            Some(Stored::Text(value)) => value.clone(),
            Some(Stored::Null) => String::new(),
            None => text.to_string(),
        }
    }

    fn find(&self, text: &str) -> Option<&Stored> {
        let index: usize = text.strip_prefix(MARK)?.parse().ok()?;
        self.list.get(index)
    }

    /// Puts the values in place of their placeholders.
    pub fn restore(&self, tree: Ast) -> Ast {
        if self.list.is_empty() {
            return tree;
        }
        match tree {
            Ast::Scalar(pos, tag, kind, text) => match self.find(&text) {
                Some(Stored::Null) => Ast::Null(pos, tag, NullKind::Implicit),
                Some(Stored::Text(value)) => Ast::Scalar(pos, tag, ScalarKind::Quoted, value.clone()),
                None => Ast::Scalar(pos, tag, kind, text),
            },
            Ast::Seq(pos, tag, items) => Ast::Seq(
                pos,
                tag,
                items.into_iter().map(|item| self.restore(item)).collect(),
            ),
            Ast::Map(pos, tag, items) => self.restore_map(pos, tag, items),
            null => null,
        }
    }

    fn restore_map(&self, pos: quire::Pos, tag: Tag, items: BTreeMap<String, Ast>) -> Ast {
        let items = items
            .into_iter()
            .map(|(key, item)| (self.text(&key), self.restore(item)));
        Ast::Map(pos, tag, items.collect())
    }
}
