//! The text of `PREFIX.meta`: a line per field, in the order of the bytes in `PREFIX.values`.
//!
//! ```text
//! counter 8: {"group":"web","metric":"requests"}
//! level 8 signed: {"group":"web","metric":"queue"}
//! pad 40
//! state 64: {"state":"web.worker"}
//! ```

use std::fmt;

use serde_json::Value as Json;

/// Longest text that is looked at, bytes.
pub const MAX_TEXT: usize = 1 << 20;
/// Most fields of a file.
pub const MAX_FIELDS: usize = 10_000;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A count that only grows, `u64`.
    Counter,
    /// A quantity, `i64`.
    Signed,
    /// A quantity, `u64`; no reader takes it.
    Unsigned,
    /// A quantity, IEEE double.
    Float,
    /// Milliseconds since the epoch, `u64`, then text up to the first NUL.
    State,
    /// Bytes without meaning.
    Pad,
    /// A type that this reader does not know; its bytes are stepped over.
    Unknown,
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// What it holds.
    pub kind: Kind,
    /// Its bytes in the values file.
    pub length: usize,
    /// What it describes, as written; empty for padding.
    pub json: String,
}

impl Field {
    /// True when [`super::values::decode`] gives a value for it.
    pub fn is_readable(&self) -> bool {
        match self.kind {
            Kind::Counter | Kind::Signed | Kind::Float => self.length == 8,
            Kind::State => self.length >= 9,
            Kind::Unsigned | Kind::Pad | Kind::Unknown => false,
        }
    }
}

/// Why a file is rejected as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaError {
    /// Line, from 1; 0 for the whole text.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(self.why),
            line => write!(f, "line {line}: {}", self.why),
        }
    }
}

impl std::error::Error for MetaError {}

/// What a field is about: names and values, sorted by name, as all libraries write them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Description(pub Vec<(String, String)>);

impl Description {
    /// The two names that nearly all metrics have.
    pub fn new(group: &str, metric: &str) -> Description {
        let pair = |k: &str, v: &str| (k.to_string(), v.to_string());
        Description(vec![pair("group", group), pair("metric", metric)])
    }

    /// A JSON object without blanks, names sorted.
    pub fn to_json(&self) -> String {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort();
        let quoted = |text: &str| Json::String(text.to_string()).to_string();
        let members: Vec<String> = pairs
            .iter()
            .map(|(k, v)| format!("{}:{}", quoted(k), quoted(v)))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

/// Reads the whole text. One wrong line rejects everything: the offsets after it would be a guess.
pub fn parse(text: &str) -> Result<Vec<Field>, MetaError> {
    let whole = |why| MetaError { line: 0, why };
    if text.len() > MAX_TEXT {
        return Err(whole("longer than a MiB"));
    }
    let mut fields = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_error = |why| MetaError { line: index + 1, why };
        fields.push(parse_line(line.trim()).map_err(line_error)?);
        if fields.len() > MAX_FIELDS {
            return Err(whole("more than 10000 fields"));
        }
    }
    Ok(fields)
}

fn parse_line(line: &str) -> Result<Field, &'static str> {
    let (left, right) = match line.split_once(':') {
        Some((left, right)) => (left, Some(right)),
        None => (line, None),
    };
    let mut words = left.trim_end().split(' ');
    let word = words.next().unwrap_or_default();
    let limit = match word {
        "counter" | "level" => 255,
        _ => 65_535,
    };
    let length = words
        .next()
        .filter(|w| w.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|w| w.parse::<usize>().ok())
        .filter(|n| *n <= limit)
        .ok_or("bad length of the field")?;
    let kind = kind(word, words.next())?;
    let json = match (kind, right) {
        (Kind::Pad, _) => String::new(),
        (_, None) => return Err("no description"),
        (_, Some(json)) => description(json.trim())?,
    };
    Ok(Field { kind, length, json })
}

fn kind(word: &str, parameter: Option<&str>) -> Result<Kind, &'static str> {
    Ok(match (word, parameter) {
        ("counter", _) => Kind::Counter,
        ("level", Some("signed")) => Kind::Signed,
        ("level", Some("unsigned")) => Kind::Unsigned,
        ("level", Some("float")) => Kind::Float,
        ("level", _) => return Err("a level must be signed, unsigned or float"),
        ("state", _) => Kind::State,
        ("pad", _) => Kind::Pad,
        _ => Kind::Unknown,
    })
}

/// Any JSON is accepted; serde_json bounds its depth (128).
fn description(json: &str) -> Result<String, &'static str> {
    serde_json::from_str::<serde::de::IgnoredAny>(json)
        .map(|_| json.to_string())
        .map_err(|_| "the description is not JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<(Kind, usize)> {
        parse(text).unwrap().iter().map(|f| (f.kind, f.length)).collect()
    }

    #[test]
    fn the_worked_example_is_read() {
        let text = "counter 8: {\"group\": \"web\", \"metric\": \"requests\"}\r\n  level 8 signed: {}\nlevel 8 float : 5\npad 40 x\nstate 64: {\"state\":\"a:b\"}";
        assert_eq!(
            kinds(text),
            [
                (Kind::Counter, 8),
                (Kind::Signed, 8),
                (Kind::Float, 8),
                (Kind::Pad, 40),
                (Kind::State, 64)
            ]
        );
        assert_eq!(parse(text).unwrap()[4].json, "{\"state\":\"a:b\"}");
        assert_eq!(kinds(""), []);
    }

    #[test]
    fn one_wrong_line_rejects_the_file() {
        for (text, line) in [
            ("counter 8: {}\n\ncounter 8: {}", 2),
            ("counter  8: {}", 1),
            ("level 8: {}", 1),
            ("counter 8", 1),
            ("counter 300: {}", 1),
            ("pad 70000", 1),
            ("counter +8: {}", 1),
            ("counter 8: {", 1),
            ("histo 16", 1),
        ] {
            assert_eq!(parse(text).unwrap_err().line, line, "{text:?}");
        }
        assert_eq!(kinds("histo 16: {}"), [(Kind::Unknown, 16)]);
    }

    #[test]
    fn enormous_files_are_refused() {
        assert!(parse(&"pad 8\n".repeat(MAX_FIELDS + 1)).is_err());
        assert!(parse(&" ".repeat(MAX_TEXT + 1)).is_err());
    }

    #[test]
    fn descriptions_are_sorted_and_quoted() {
        let description = Description::new("processes.a.\"b\"", "started");
        assert_eq!(
            description.to_json(),
            r#"{"group":"processes.a.\"b\"","metric":"started"}"#
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(counter|level|state|pad|x| |:|8|64|signed|\\{\\}|\"|\n|\\PC){0,40}") {
            let _ = parse(&text);
        }
    }
}
