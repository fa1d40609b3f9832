//! Copies of trees: quire's nodes cannot be cloned.

use std::collections::BTreeMap;

use quire::ast::{Ast, NullKind, ScalarKind, Tag};

/// A copy of a tree. Depth is limited by the guard.
pub fn copy(ast: &Ast) -> Ast {
    match ast {
        Ast::Map(pos, t, map) => {
            let entries = map.iter().map(|(key, value)| (key.clone(), copy(value)));
            Ast::Map(pos.clone(), tag(t), entries.collect::<BTreeMap<_, _>>())
        }
        Ast::Seq(pos, t, items) => Ast::Seq(pos.clone(), tag(t), items.iter().map(copy).collect()),
        Ast::Scalar(pos, t, kind, text) => {
            let kind = match kind {
                ScalarKind::Plain => ScalarKind::Plain,
                ScalarKind::Quoted => ScalarKind::Quoted,
            };
            Ast::Scalar(pos.clone(), tag(t), kind, text.clone())
        }
        Ast::Null(pos, t, kind) => {
            let kind = match kind {
                NullKind::Implicit => NullKind::Implicit,
                NullKind::Explicit => NullKind::Explicit,
            };
            Ast::Null(pos.clone(), tag(t), kind)
        }
    }
}

fn tag(tag: &Tag) -> Tag {
    match tag {
        Tag::NonSpecific => Tag::NonSpecific,
        Tag::LocalTag(name) => Tag::LocalTag(name.clone()),
        Tag::GlobalTag(name) => Tag::GlobalTag(name.clone()),
    }
}
