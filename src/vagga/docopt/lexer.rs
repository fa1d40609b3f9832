//! Splits usage lines and option descriptions into tokens.

/// A piece of a usage line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `[`
    Open,
    /// `]`
    Close,
    /// `(`
    OpenGroup,
    /// `)`
    CloseGroup,
    /// `|`
    Bar,
    /// `...`
    Dots,
    /// Anything else; `<…>` may contain blanks and brackets.
    Word(&'a str),
}

/// Tokens of a usage line. Errors: a `<` without `>`.
pub(super) fn tokens(mut text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut found = Vec::new();
    loop {
        text = text.trim_start();
        let Some(first) = text.chars().next() else {
            return Ok(found);
        };
        let simple = match first {
            '[' => Some(Token::Open),
            ']' => Some(Token::Close),
            '(' => Some(Token::OpenGroup),
            ')' => Some(Token::CloseGroup),
            '|' => Some(Token::Bar),
            _ => None,
        };
        let (token, rest) = if let Some(token) = simple {
            (token, text.get(1..).unwrap_or_default())
        } else if let Some(rest) = text.strip_prefix("...") {
            (Token::Dots, rest)
        } else {
            let (word, rest) = text.split_at(word_length(text)?);
            (Token::Word(word), rest)
        };
        found.push(token);
        text = rest;
    }
}

/// Bytes of the word at the beginning of the text, at least one character.
fn word_length(text: &str) -> Result<usize, String> {
    let mut in_angle = false;
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        match c {
            '<' => in_angle = true,
            '>' => in_angle = false,
            _ if in_angle => {}
            _ if at > 0 && ends_word(c, rest) => return Ok(at),
            _ => {}
        }
    }
    if in_angle {
        return Err(format!("`<` without `>` in {:?}", text.trim_end()));
    }
    Ok(text.len())
}

fn ends_word(c: char, rest: &str) -> bool {
    c.is_whitespace() || matches!(c, '[' | ']' | '(' | ')' | '|') || rest.starts_with("...")
}

/// The name of a positional argument: `<x>` gives `x`, `X` stays.
pub(super) fn positional(word: &str) -> Option<&str> {
    if let Some(inner) = word.strip_prefix('<').and_then(|w| w.strip_suffix('>')) {
        return (!inner.is_empty()).then_some(inner);
    }
    let upper = word.chars().any(char::is_uppercase);
    let lower = word.chars().any(char::is_lowercase);
    let plain = word.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    (upper && !lower && plain && !word.starts_with('-')).then_some(word)
}
