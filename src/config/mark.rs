//! A number that tells one document from another by what it says: comments, the order of keys and the way in which texts
//! are quoted do not count.
//!
//! It depends on the document alone, neither on a table of keys nor on the version of the program, so that it may be kept.
//! It tells edits apart and is no proof of anything: whoever tries finds two documents with one number.

use std::collections::BTreeMap;

use quire::ast::{Ast, Tag};

use super::guard::Scalars;
use super::tree;

/// FNV-1a with 64 bits: see draft-eastlake-fnv.
struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn number(&mut self, number: usize) {
        self.bytes(&(number as u64).to_le_bytes());
    }

    /// With its length, so that no text can continue in the next one.
    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.bytes(text.as_bytes());
    }
}

/// The number of a tree whose scalars may stand for others, without these keys of its top level (spelt with dashes).
pub fn mark(ast: &Ast, scalars: &Scalars, without: &[&str]) -> u64 {
    let mut state = Fnv(0xcbf2_9ce4_8422_2325);
    match ast {
        Ast::Map(_, _, map) => {
            let counts = |key: &String| {
                let key = scalars.resolve_text(key.clone()).replace('_', "-");
                !without.contains(&key.as_str())
            };
            entries(&mut state, map, scalars, counts);
        }
        other => node(&mut state, other, scalars),
    }
    state.0
}

/// Depth is limited by the guard.
fn node(state: &mut Fnv, ast: &Ast, scalars: &Scalars) {
    match ast {
        Ast::Map(_, t, map) => {
            tag(state, b'm', t);
            entries(state, map, scalars, |_| true);
        }
        Ast::Seq(_, t, items) => {
            tag(state, b's', t);
            state.number(items.len());
            items.iter().for_each(|item| node(state, item, scalars));
        }
        Ast::Scalar(..) => match scalars.resolve(tree::copy(ast)) {
            Ast::Scalar(_, t, _, text) => {
                tag(state, b't', &t);
                state.text(&text);
            }
            other => tag(state, b'n', other.tag()),
        },
        Ast::Null(_, t, _) => tag(state, b'n', t),
    }
}

/// By their names, which may stand for others.
fn entries(
    state: &mut Fnv,
    map: &BTreeMap<String, Ast>,
    scalars: &Scalars,
    counts: impl Fn(&String) -> bool,
) {
    let counted = map.iter().filter(|(key, _)| counts(key));
    let mut named: Vec<(String, &Ast)> = counted
        .map(|(key, value)| (scalars.resolve_text(key.clone()), value))
        .collect();
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    state.number(named.len());
    for (key, value) in named {
        state.text(&key);
        node(state, value, scalars);
    }
}

fn tag(state: &mut Fnv, kind: u8, tag: &Tag) {
    state.bytes(&[kind]);
    match tag {
        Tag::NonSpecific => state.text(""),
        Tag::LocalTag(name) | Tag::GlobalTag(name) => state.text(name),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Document;

    fn mark(text: &str) -> u64 {
        let document = Document::parse("t", text);
        assert!(document.is_parsed(), "{text}");
        document.mark(&["metadata", "log-level"])
    }

    #[test]
    fn what_is_said_counts_and_not_how() {
        let plain = "a: x y\nb: {c: 1, d: [2, !T z]}\ne:\n";
        for same in [
            "# A comment: with 'quotes\n\na: x y  # here\nb:\n  d:\n  - 2\n  - !T z\n  c: 1\ne: \n",
            "e:\nb: {d: [\"2\", !T 'z'], c: '1'}\na: \"x\\u0020y\"\n",
            "a: x y\nb: {c: 1, d: [2, !T z]}\ne:\nmetadata: {any: 1}\nlog_level: debug\n",
        ] {
            assert_eq!(mark(plain), mark(same), "{same}");
        }
    }

    #[test]
    fn every_other_change_counts() {
        let texts = [
            "",
            "a: x",
            "a: y",
            "b: x",
            "a: !T x",
            "a: !U x",
            "a: [x]",
            "a: {x: }",
            "a: [x, y]",
            "a: [[x], y]",
            "a: [[x, y]]",
            "a:",
            "a: \"\\n\"",
            "a: xy\nb: z",
            "a: x\nb: yz",
            "a: {metadata: 1}",
            "a: {metadata: 2}",
        ];
        let marks: std::collections::BTreeSet<u64> = texts.iter().map(|text| mark(text)).collect();
        assert_eq!(marks.len(), texts.len());
    }
}
