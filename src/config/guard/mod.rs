//! What stands between a user's text and quire: refuses what would make quire abort and rewrites what it lacks.

use quire::ast::Ast;

use super::problem::Stage;
use super::source::Shift;

/// Largest file, in bytes.
pub const MAX_SIZE: usize = 1 << 20;

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

/// A text ready for quire.
#[derive(Debug, Default)]
pub struct Guarded {
    /// What the user wrote, with line ends `\n`.
    pub original: String,
    /// What quire gets; has the same lines.
    pub text: String,
    /// Differences of columns.
    pub shifts: Vec<Shift>,
    /// Scalars that quire could not have read.
    pub scalars: Scalars,
    /// Upper bound of the number of nodes, aliases expanded.
    pub nodes: usize,
    /// Upper bound of the depth.
    pub depth: usize,
    /// Set when the text must not be given to quire.
    pub refusal: Option<Refusal>,
}

/// Values that stand in the rewritten text as placeholders.
#[derive(Debug, Default)]
pub struct Scalars {}

impl Scalars {
    /// The value of a scalar of the rewritten text.
    pub fn text(&self, text: &str) -> String {
        text.to_string()
    }

    /// Puts the values in place of their placeholders.
    pub fn restore(&self, tree: Ast) -> Ast {
        tree
    }
}

/// Checks and rewrites the bytes of a file.
pub fn guard(bytes: &[u8]) -> Guarded {
    let original = String::from_utf8_lossy(bytes).into_owned();
    Guarded {
        text: original.clone(),
        original,
        ..Guarded::default()
    }
}
