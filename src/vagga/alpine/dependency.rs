//! Dependencies of Alpine packages: `name`, `name=1`, `name@tag>=1.2`, `!name`, `so:libc.so.1`; pure text.

use std::cmp::Ordering;

use super::version;

/// What a version must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Any,
    Less,
    LessOrEqual,
    Equal,
    /// `~` and `~=`: begins with these pieces.
    Fuzzy,
    GreaterOrEqual,
    Greater,
    /// `>~` and `<~`: fuzzy or beyond.
    FuzzyOrGreater,
    FuzzyOrLess,
    /// `><`: this very package by its checksum.
    Checksum,
}

/// Operators, longest first; the last one of a relation is how it is written.
const OPERATORS: [(&str, Relation); 13] = [
    ("><", Relation::Checksum),
    ("<=", Relation::LessOrEqual),
    (">=", Relation::GreaterOrEqual),
    ("~=", Relation::Fuzzy),
    ("=~", Relation::Fuzzy),
    ("~<", Relation::FuzzyOrLess),
    ("<~", Relation::FuzzyOrLess),
    ("~>", Relation::FuzzyOrGreater),
    (">~", Relation::FuzzyOrGreater),
    ("<", Relation::Less),
    (">", Relation::Greater),
    ("=", Relation::Equal),
    ("~", Relation::Fuzzy),
];

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// `!name`: must not be there.
    pub conflict: bool,
    /// Package, or what packages provide.
    pub name: String,
    /// `@tag`: may come from the repository with this tag.
    pub tag: Option<String>,
    relation: Relation,
    version: String,
}

/// A character of a dependency that ends its name.
fn is_operator(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '~')
}

impl Dependency {
    /// Reads one word. `None` for an empty name, strange characters, a missing version.
    pub fn parse(text: &str) -> Option<Dependency> {
        let (conflict, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let end = text.find(is_operator).unwrap_or(text.len());
        let (name, condition) = text.split_at_checked(end)?;
        let (name, mut tag) = split_tag(name);
        let (relation, mut version) = match OPERATORS.iter().find(|(sign, _)| condition.starts_with(sign)) {
            Some((sign, relation)) => (*relation, condition.get(sign.len()..)?),
            None => (Relation::Any, ""),
        };
        if tag.is_none() {
            (version, tag) = split_tag(version);
        }
        let plain = |s: &str| s.chars().all(|c| c.is_ascii_graphic() && c != '\\');
        let complete = (relation == Relation::Any) == version.is_empty() && tag != Some("");
        (!name.is_empty() && complete && plain(name) && plain(version)).then(|| Dependency {
            conflict,
            name: name.to_string(),
            tag: tag.map(str::to_string),
            relation,
            version: version.to_string(),
        })
    }

    /// A dependency on any version.
    pub fn any(name: &str) -> Dependency {
        Dependency {
            conflict: false,
            name: name.to_string(),
            tag: None,
            relation: Relation::Any,
            version: String::new(),
        }
    }

    /// True when something of this name with `version` (empty: without version) does; `checksum` is of the package.
    pub fn accepts(&self, version: &str, checksum: &str) -> bool {
        let order = || version::compare(version, &self.version);
        let fuzzy = || version::matches_prefix(version, &self.version);
        match self.relation {
            Relation::Any => true,
            Relation::Checksum => checksum == self.version,
            _ if version.is_empty() => false,
            Relation::Less => order() == Ordering::Less,
            Relation::LessOrEqual => order() != Ordering::Greater,
            Relation::Equal => order() == Ordering::Equal,
            Relation::Fuzzy => fuzzy(),
            Relation::GreaterOrEqual => order() != Ordering::Less,
            Relation::Greater => order() == Ordering::Greater,
            Relation::FuzzyOrGreater => fuzzy() || order() == Ordering::Greater,
            Relation::FuzzyOrLess => fuzzy() || order() == Ordering::Less,
        }
    }
}

fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('@') {
        Some((name, tag)) => (name, Some(tag)),
        None => (text, None),
    }
}

impl std::fmt::Display for Dependency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = OPERATORS
            .iter()
            .rfind(|(_, r)| *r == self.relation)
            .map_or("", |(sign, _)| sign);
        let (mark, at) = (
            if self.conflict { "!" } else { "" },
            if self.tag.is_some() { "@" } else { "" },
        );
        let tag = self.tag.as_deref().unwrap_or_default();
        write!(f, "{mark}{}{at}{tag}{sign}{}", self.name, self.version)
    }
}

/// Reads a list separated by white space. The error is the word that is wrong.
pub fn parse_list(text: &str) -> Result<Vec<Dependency>, String> {
    text.split_ascii_whitespace()
        .map(|word| Dependency::parse(word).ok_or_else(|| format!("bad dependency {word:?}")))
        .collect()
}

/// The package of a request like `bc=1.06-r1` or `tool@edge`, without version and tag.
pub fn bare_name(request: &str) -> &str {
    let end = request
        .find(|c| is_operator(c) || c == '@')
        .unwrap_or(request.len());
    request.get(..end).unwrap_or(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written() {
        for text in [
            "a",
            "!a",
            "a=1",
            "a@edge",
            "a@edge>=1.2-r3",
            "so:libc.musl-x86_64.so.1",
            "cmd:[",
            "a~1.2",
            "a><Q1abc=",
            "/bin/sh",
            "a>~1",
            "!a<3",
        ] {
            assert_eq!(Dependency::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Dependency::parse("a=1.0@edge").unwrap().to_string(), "a@edge=1.0");
        assert_eq!(
            Dependency::parse("a~=1").unwrap(),
            Dependency::parse("a=~1").unwrap()
        );
        for text in ["", "!", "=1", "a=", "@x", "a@", "a\u{7}", "a>", "ä"] {
            assert_eq!(Dependency::parse(text), None, "{text}");
        }
        assert!(parse_list("a  b=1\n!c").unwrap().len() == 3 && parse_list("a =").is_err());
        assert_eq!(
            ["bc=1.06-r1", "tool@edge>2", "x~1"].map(bare_name),
            ["bc", "tool", "x"]
        );
    }

    #[test]
    fn versions_are_weighed() {
        let table = [
            ("a", "", true),
            ("a=1", "1", true),
            ("a=1", "1-r0", false),
            ("a~1", "1.2-r0", true),
            ("a~1", "2", false),
            ("a<2", "1.9", true),
            ("a<2", "2", false),
            ("a>=2", "2", true),
            ("a>2", "2", false),
            ("a<=2", "2", true),
            ("a>~2", "2.1", true),
            ("a<~2", "2.1", true),
            ("a<~2", "3", false),
            ("a>1", "", false),
            ("a><Q1x", "1", true),
            ("a><Q1y", "1", false),
        ];
        for (text, version, fits) in table {
            assert_eq!(
                Dependency::parse(text).unwrap().accepts(version, "Q1x"),
                fits,
                "{text} {version}"
            );
        }
    }
}
