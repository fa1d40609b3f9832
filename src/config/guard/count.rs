//! Bounds the size and depth of a document as quire will build it, with every alias expanded, from its tokens
//! alone. quire copies a node when it meets its anchor and again at each alias.

use std::collections::BTreeMap;

use super::token::{Sign, Token};
use super::{refusal, Refusal, MAX_DEPTH, MAX_NODES};
use crate::config::problem::Stage;

/// Size and depth of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// Upper bound of the number of nodes.
    pub nodes: usize,
    /// Upper bound of the depth.
    pub depth: usize,
}

/// Where the node of an anchor ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Behind this token.
    After(usize),
    /// When so many brackets are open again.
    Brackets(usize),
    /// When fewer levels are open.
    Level(usize),
    /// The same, or at a token of this level that is no dash.
    Dashes(usize),
}

struct Anchor<'a> {
    name: &'a str,
    end: End,
    /// The first token of the node itself.
    first: usize,
    /// Nodes before it.
    nodes: usize,
    /// Depth at its place, and the greatest depth within.
    base: usize,
    depth: usize,
}

/// What an alias costs.
#[derive(Clone, Copy, Default)]
struct Copied {
    nodes: usize,
    depth: usize,
}

struct Counter<'a> {
    text: &'a str,
    tokens: &'a [Token],
    /// Nodes of the tree so far.
    nodes: usize,
    /// Nodes of the copies that quire keeps for anchors.
    copies: usize,
    depth: usize,
    /// Colons behind the first one of their line: each nests a mapping without indentation.
    inline: usize,
    open: Vec<Anchor<'a>>,
    known: BTreeMap<&'a str, Copied>,
}

/// Counts the nodes and levels of a document.
///
/// Errors: the document is too deep or too large, or has a duplicate key that quire would not notice.
pub fn count(text: &str, tokens: &[Token]) -> Result<Total, Refusal> {
    let mut counter = Counter {
        text,
        tokens,
        nodes: 0,
        copies: 0,
        depth: 0,
        inline: 0,
        open: Vec::new(),
        known: BTreeMap::new(),
    };
    for index in 0..=tokens.len() {
        counter.close_anchors(index);
        let Some(token) = tokens.get(index) else { break };
        counter.visit(index, token)?;
        counter.check(token)?;
    }
    // Mappings nested within one line share a level; their keys cannot be told apart here.
    if counter.inline == 0 {
        check_last_keys(text, tokens)?;
    }
    Ok(Total {
        nodes: counter.nodes.saturating_add(counter.copies),
        depth: counter.depth,
    })
}

fn refuse(token: &Token, text: impl Into<String>) -> Refusal {
    refusal(Stage::Parse, token.line, token.column + 1, text)
}

impl<'a> Counter<'a> {
    fn name(&self, token: &Token) -> &'a str {
        self.text.get(token.start + 1..token.end).unwrap_or("")
    }

    fn visit(&mut self, index: usize, token: &Token) -> Result<(), Refusal> {
        self.nodes += 1;
        let mut depth = token.level + token.flow + self.inline;
        match token.sign {
            Sign::Colon if token.flow == 0 && self.is_inline(index) => self.inline += 1,
            Sign::Anchor => {
                let (first, end) = self.end_of(index);
                let anchor = Anchor {
                    name: self.name(token),
                    end,
                    first,
                    nodes: self.nodes,
                    base: depth,
                    depth,
                };
                self.open.push(anchor);
            }
            Sign::Alias => {
                let copied = self.known.get(self.name(token)).copied().unwrap_or_default();
                self.nodes = self.nodes.saturating_add(copied.nodes);
                depth += copied.depth;
            }
            _ => {}
        }
        self.depth = self.depth.max(depth);
        if let Some(anchor) = self.open.last_mut() {
            anchor.depth = anchor.depth.max(depth);
        }
        Ok(())
    }

    fn check(&self, token: &Token) -> Result<(), Refusal> {
        if self.depth > MAX_DEPTH {
            return Err(refuse(token, format!("Nested deeper than {MAX_DEPTH} levels")));
        }
        if self.nodes.saturating_add(self.copies) > MAX_NODES {
            let text = format!("More than {MAX_NODES} nodes, counting each alias with what it stands for");
            return Err(refuse(token, text));
        }
        Ok(())
    }

    /// True for a second colon on a line, outside of brackets.
    fn is_inline(&self, index: usize) -> bool {
        let line = self.tokens.get(index).map_or(0, |t| t.line);
        let before = self.tokens.get(..index).unwrap_or(&[]).iter().rev();
        let mut same = before.take_while(|t| t.line == line);
        same.any(|t| t.sign == Sign::Colon && t.flow == 0)
    }

    /// Closes anchors whose nodes end before the token at `index`.
    fn close_anchors(&mut self, index: usize) {
        while let Some(anchor) = self.open.last() {
            let over = match (anchor.end, self.tokens.get(index)) {
                (_, None) => true,
                _ if index <= anchor.first => false,
                (End::After(last), _) => index > last,
                (End::Brackets(flow), Some(token)) => token.flow <= flow,
                (End::Level(level), Some(token)) => token.level < level,
                (End::Dashes(level), Some(token)) => {
                    token.level < level
                        || (token.level == level && token.flow == 0 && token.sign != Sign::Dash)
                }
            };
            if !over {
                return;
            }
            let Some(anchor) = self.open.pop() else { return };
            let nodes = self.nodes - anchor.nodes;
            self.copies = self.copies.saturating_add(nodes);
            let depth = anchor.depth - anchor.base;
            self.known.insert(anchor.name, Copied { nodes, depth });
            if let Some(outer) = self.open.last_mut() {
                outer.depth = outer.depth.max(anchor.depth);
            }
        }
    }

    /// The first token of the node of the anchor at `index`, and where the node ends.
    fn end_of(&self, index: usize) -> (usize, End) {
        let content = |t: &(usize, &Token)| !matches!(t.1.sign, Sign::Tag | Sign::Anchor | Sign::Comment);
        let mut behind = self.tokens.iter().enumerate().skip(index + 1).filter(content);
        let (Some(anchor), Some((first, token))) = (self.tokens.get(index), behind.next()) else {
            return (index, End::After(index));
        };
        let colon = behind
            .next()
            .filter(|(_, t)| t.sign == Sign::Colon && t.line == token.line);
        let end = match token.sign {
            _ if token.level < anchor.level => return (index, End::After(index)),
            Sign::Open if token.level == anchor.level => End::Brackets(token.flow),
            _ if token.flow > 0 => End::After(first),
            _ if token.level > anchor.level => End::Level(token.level),
            Sign::Dash => End::Dashes(token.level),
            Sign::Scalar if colon.is_some() => End::Level(token.level),
            _ => End::After(first),
        };
        (first, end)
    }
}

/// quire overlooks a duplicate key when the second one is the last of its mapping and has no value.
fn check_last_keys(text: &str, tokens: &[Token]) -> Result<(), Refusal> {
    let signs: Vec<&Token> = tokens.iter().filter(|t| t.sign != Sign::Comment).collect();
    for (i, colon) in signs.iter().enumerate() {
        let level = colon.level;
        let ends = signs.get(i + 1).is_none_or(|next| next.level < level);
        if colon.sign != Sign::Colon || colon.flow > 0 || !ends {
            continue;
        }
        let Some(key) = i.checked_sub(1).and_then(|k| signs.get(k)) else {
            continue;
        };
        let name = |t: &Token| text.get(t.start..t.end).unwrap_or("").trim_matches(['"', '\'']);
        let earlier = signs.get(..i.saturating_sub(1)).unwrap_or(&[]);
        let mut next_sign = Sign::Scalar;
        for other in earlier.iter().rev().take_while(|t| t.level >= level) {
            let is_key = other.sign == Sign::Scalar && next_sign == Sign::Colon;
            if is_key && other.level == level && other.flow == 0 && name(other) == name(key) {
                return Err(refuse(key, "Duplicate key"));
            }
            next_sign = other.sign;
        }
    }
    Ok(())
}
