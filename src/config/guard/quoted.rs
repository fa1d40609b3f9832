//! Decodes quoted scalars: escapes, doubled quotes, folding of lines.

/// The value of a single-quoted scalar, given what stands between its quotes.
pub fn single(inner: &str) -> String {
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                // The scanner ends the scalar at a quote that is not doubled.
                chars.next();
                value.push('\'');
            }
            '\n' => fold(&mut chars, &mut value, 0),
            c => value.push(c),
        }
    }
    value
}

/// The value of a plain scalar. Blanks at its end, which only the end of a file can leave there, stay: version
/// hashes of older builds have them.
pub fn plain(text: &str) -> String {
    if !text.contains('\n') {
        return text.to_string();
    }
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => fold(&mut chars, &mut value, 0),
            c => value.push(c),
        }
    }
    value
}

/// The value of a double-quoted scalar, given what stands between its quotes.
///
/// Errors: what is wrong with an escape.
pub fn double(inner: &str) -> Result<String, String> {
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    // What came from escapes is not trimmed at the end of a line.
    let mut keep = 0;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                match chars.next() {
                    Some('\n') => {
                        keep = value.len();
                        fold(&mut chars, &mut value, keep);
                    }
                    Some(escape) => value.push(unescape(escape, &mut chars)?),
                    None => value.push('\\'),
                }
                keep = value.len();
            }
            '\n' => fold(&mut chars, &mut value, keep),
            c => value.push(c),
        }
    }
    match value.contains(super::scalars::MARK) {
        true => Err("this character is not allowed".into()),
        false => Ok(value),
    }
}

/// One line end within a scalar becomes a space, more become one less; blanks around them vanish.
fn fold(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, value: &mut String, keep: usize) {
    while value.len() > keep && value.ends_with([' ', '\t']) {
        value.pop();
    }
    let mut space = value.len() > keep;
    while let Some(c) = chars.next_if(|c| matches!(c, ' ' | '\t' | '\n')) {
        if c == '\n' {
            space = false;
            value.push('\n');
        }
    }
    if space {
        value.push(' ');
    }
}

fn unescape(escape: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, String> {
    Ok(match escape {
        '0' => '\0',
        'a' => '\x07',
        'b' => '\x08',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\x0b',
        'f' => '\x0c',
        'r' => '\r',
        'e' => '\x1b',
        ' ' | '"' | '/' | '\\' => escape,
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        'x' => numeric(2, chars)?,
        'u' => unicode(chars)?,
        'U' => numeric(8, chars)?,
        other => return Err(format!("bad character escape: {other:?}")),
    })
}

fn digits(count: usize, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<u32, String> {
    let mut code: u32 = 0;
    for _ in 0..count {
        let digit = chars.next().and_then(|c| c.to_digit(16));
        let digit = digit.ok_or_else(|| format!("an escape needs {count} hexadecimal digits"))?;
        code = code.checked_mul(16).map_or(u32::MAX, |high| high | digit);
    }
    Ok(code)
}

fn numeric(count: usize, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, String> {
    let code = digits(count, chars)?;
    char::from_u32(code).ok_or_else(|| format!("there is no character U+{code:04X}"))
}

/// Four digits; a pair of surrogates, as JSON writes it, is one character.
fn unicode(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, String> {
    let high = digits(4, chars)?;
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high).ok_or_else(|| format!("there is no character U+{high:04X}"));
    }
    if chars.next() != Some('\\') || chars.next() != Some('u') {
        return Err(format!("the surrogate U+{high:04X} has no partner"));
    }
    let low = digits(4, chars)?;
    if !(0xdc00..0xe000).contains(&low) {
        return Err(format!("the surrogate U+{high:04X} has no partner"));
    }
    let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    char::from_u32(code).ok_or_else(|| format!("there is no character U+{code:04X}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(
            double(r"\x41\u042f\U0001F600\ud83d\ude00").as_deref(),
            Ok("AЯ😀😀")
        );
        assert_eq!(double(r#"a\\\"\t\n"#).as_deref(), Ok("a\\\"\t\n"));
        for bad in [
            r"\x4",
            r"\q",
            r"\ud83d",
            r"\ud83d\u0041",
            r"\UFFFFFFFF",
            r"\uDC00",
            r"\u00",
        ] {
            assert!(double(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_are_folded() {
        assert_eq!(double("a  \n   b\n\n c").as_deref(), Ok("a b\nc"));
        assert_eq!(double("a\\\n   b").as_deref(), Ok("ab"));
        assert_eq!(double("a\\x20\n b").as_deref(), Ok("a b"));
        assert_eq!(single("it''s\n  fine"), "it's fine");
    }
}
