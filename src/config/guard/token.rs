//! Tokens of the original text, as far as brackets, levels and anchors are concerned.

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
    /// Index of the edit that replaces this scalar.
    pub edit: Option<usize>,
}
