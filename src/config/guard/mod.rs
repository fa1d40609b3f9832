//! What stands between a user's text and quire: refuses what would make quire abort and rewrites what it lacks.
//!
//! quire recurses along the nesting of a document, copies a node for every anchor and alias, and takes some broken
//! texts for impossible (it panics at an unclosed bracket, at a line of a literal block that is indented less than
//! the first). So `scan` follows quire's own tokenizer, character by character, and refuses such texts with an
//! ordinary message; `count` bounds depth and size with aliases expanded, without expanding them.
//!
//! Most documents are then built into quire's tree by `tree` from the tokens of the scan, which costs a fraction of
//! quire's own two passes. The rest (anchors, merges, includes, directives, every mistake) is left to quire, which
//! decides alone what such a text means or what is wrong with it. For quire, `rewrite` replaces the scalars that it
//! cannot read (folded and indicated blocks, doubled quotes, numeric escapes) by a quoted placeholder, which
//! [`Scalars`] resolves in its tree. Every line stays where it is, and [`Shift`]s lead from the columns of the
//! rewritten text back to the original.

mod block;
mod count;
mod cursor;
mod quoted;
mod rewrite;
mod scalars;
mod scan;
mod token;
mod tree;

use quire::ast::Ast;

use super::problem::Stage;
use super::source::Shift;

pub use scalars::Scalars;

/// Largest file, in bytes.
pub const MAX_SIZE: usize = 1 << 20;
/// Deepest nesting, counting block levels and brackets.
pub const MAX_DEPTH: usize = 100;
/// Most tokens of one file, aliases expanded.
pub const MAX_NODES: usize = 300_000;

/// Why a text is not given to quire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Kind of the message.
    pub stage: Stage,
    /// Line of the original, from 1.
    pub line: usize,
    /// Column of the original, from 1.
    pub column: usize,
    /// One line.
    pub text: String,
}

/// What is to be made of a text.
#[derive(Debug)]
pub enum Body {
    /// Built already.
    Tree(Ast),
    /// For quire; has the same lines as the original.
    Text(String),
}

/// A text that hurts nobody.
#[derive(Debug)]
pub struct Guarded {
    /// What the user wrote, with line ends `\n`.
    pub original: String,
    /// The tree or the text for quire; nothing when there is a refusal.
    pub body: Body,
    /// Differences of columns between the text for quire and the original.
    pub shifts: Vec<Shift>,
    /// Upper bound of the number of nodes, aliases expanded.
    pub nodes: usize,
    /// Upper bound of the depth.
    pub depth: usize,
    /// Set when the text must not be given to quire.
    pub refusal: Option<Refusal>,
}

/// Checks the bytes of a file and builds or rewrites them. `index` is the number of the text among the sources; the
/// values of placeholders go to `scalars`.
pub fn guard(bytes: &[u8], index: usize, scalars: &mut Scalars) -> Guarded {
    let (original, refusal) = normalise(bytes);
    let refused = |original: String, refusal: Refusal| Guarded {
        original,
        body: Body::Text(String::new()),
        shifts: Vec::new(),
        nodes: 0,
        depth: 0,
        refusal: Some(refusal),
    };
    if let Some(refusal) = refusal.or_else(|| unprintable(&original)) {
        return refused(original, refusal);
    }
    let scanned = match scan::scan(&original) {
        Ok(scanned) => scanned,
        Err(refusal) => return refused(original, refusal),
    };
    let total = match count::count(&original, &scanned.tokens) {
        Ok(total) => total,
        Err(refusal) => return refused(original, refusal),
    };
    let (body, shifts) = match tree::build(&original, &scanned, index) {
        Some(tree) => (Body::Tree(tree), Vec::new()),
        None => {
            let (text, shifts) = rewrite::rewrite(&original, scanned.edits, scalars);
            (Body::Text(text), shifts)
        }
    };
    Guarded {
        original,
        body,
        shifts,
        nodes: total.nodes,
        depth: total.depth,
        refusal: None,
    }
}

/// The text without byte order mark and with line ends `\n`.
fn normalise(bytes: &[u8]) -> (String, Option<Refusal>) {
    if bytes.len() > MAX_SIZE {
        let text = format!("the file is larger than {} KiB", MAX_SIZE / 1024);
        return (String::new(), Some(refusal(Stage::Tokenizer, 1, 1, text)));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (text, bad) = match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_string(), None),
        Err(e) => (String::from_utf8_lossy(bytes).into_owned(), Some(e.valid_up_to())),
    };
    let refusal = bad.map(|offset| {
        let before = text.get(..offset).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        refusal(Stage::Tokenizer, line, column, "the file is not valid UTF-8")
    });
    if !text.contains('\r') {
        return (text, refusal);
    }
    (text.replace("\r\n", "\n").replace('\r', "\n"), refusal)
}

/// The first character that YAML does not allow. The mark of [`Scalars`] is a noncharacter and refused as well.
fn unprintable(text: &str) -> Option<Refusal> {
    // Without an early end within a piece, so that the compiler looks at many bytes at once.
    let plain = |b: &u8| (b' '..=b'~').contains(b) | (*b == b'\n') | (*b == b'\t');
    let pieces = text.as_bytes().chunks(256);
    if pieces.fold(true, |all, piece| piece.iter().fold(all, |all, b| all & plain(b))) {
        return None;
    }
    let allowed = |c: char| match c {
        '\t' | '\n' | '\u{85}' => true,
        scalars::MARK | '\u{fffe}' | '\u{ffff}' => false,
        c => !c.is_control(),
    };
    let (offset, bad) = text.char_indices().find(|(_, c)| !allowed(*c))?;
    let before = text.get(..offset).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let message = format!("Unacceptable character U+{:04X}", u32::from(bad));
    Some(refusal(Stage::Tokenizer, line, column, message))
}

fn refusal(stage: Stage, line: usize, column: usize, text: impl Into<String>) -> Refusal {
    Refusal {
        stage,
        line,
        column,
        text: text.into(),
    }
}
