//! Numbers as people write them: `0o755`, `1_000`, `64 Mi`.

/// Units and their factors; the longer spellings come first because they are compared in order.
const UNITS: [(&str, i64); 8] = [
    ("ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

/// Reads an optional sign, digits with a `0x`, `0o` or `0b` prefix and underscores between them, and a unit.
///
/// Errors: what is wrong, in a few words.
pub fn parse(text: &str) -> Result<i64, &'static str> {
    let text = text.trim();
    let unit = UNITS.iter().find_map(|(unit, factor)| {
        let digits = text.strip_suffix(unit)?;
        (!digits.is_empty()).then_some((digits.trim_end(), *factor))
    });
    let (digits, factor) = unit.unwrap_or((text, 1));
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits),
    };
    let value = magnitude(digits, radix)?;
    (value.checked_mul(sign))
        .and_then(|v| v.checked_mul(factor))
        .ok_or("number is too large or too small")
}

fn magnitude(digits: &str, radix: u32) -> Result<i64, &'static str> {
    if digits.is_empty() {
        return Err("number is empty");
    }
    if digits.starts_with('_') {
        return Err("invalid digit");
    }
    let mut value: i64 = 0;
    for c in digits.chars().filter(|c| *c != '_') {
        let digit = c.to_digit(radix).ok_or("invalid digit")?;
        value = value
            .checked_mul(i64::from(radix))
            .and_then(|v| v.checked_add(i64::from(digit)))
            .ok_or("number is too large or too small")?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_spellings() {
        let cases = [
            ("1_000 ki", 1_024_000),
            ("1M", 1_000_000),
            ("0o755", 493),
            ("0xFF", 255),
            ("0b101", 5),
            ("-17", -17),
            ("+3", 3),
            ("64Mi", 64 << 20),
            ("2Ti", 2 << 40),
        ];
        for (text, value) in cases {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            "",
            "k",
            "x",
            "1.5",
            "_1",
            "0x",
            "1 2",
            "99999999999999999999",
            "9999999999 Gi",
            "я",
            "0я",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_smallest_number_is_refused_not_wrapped() {
        assert!(parse("-9223372036854775809").is_err());
    }
}
