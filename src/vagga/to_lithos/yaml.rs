//! Writing the YAML that lithos reads: mappings as blocks, everything inside of them on one line, all text quoted.

use std::fmt::Write;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Any text.
    Text(String),
    /// A number in decimal.
    Number(u64),
    /// Permission bits.
    Octal(u32),
    /// `true` or `false`
    Bool(bool),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in this order.
    Map(Vec<(String, Node)>),
    /// A value with a tag.
    Tagged(&'static str, Box<Node>),
    /// A word that is not quoted, such as the name of a variant.
    Word(&'static str),
}

impl Node {
    /// Text.
    pub fn text(text: impl Into<String>) -> Node {
        Node::Text(text.into())
    }

    /// A list of texts.
    pub fn texts(list: impl IntoIterator<Item = String>) -> Node {
        Node::List(list.into_iter().map(Node::Text).collect())
    }

    /// A mapping with a tag.
    pub fn tagged(tag: &'static str, keys: Vec<(&str, Node)>) -> Node {
        let keys = keys.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        Node::Tagged(tag, Box::new(Node::Map(keys)))
    }

    fn is_empty(&self) -> bool {
        match self {
            Node::List(list) => list.is_empty(),
            Node::Map(map) => map.is_empty(),
            _ => false,
        }
    }
}

/// A document: a line for each key, and for each key of mappings two levels deep. Empty lists and mappings are left out.
pub fn document(keys: &[(String, Node)]) -> String {
    let mut out = String::new();
    for (key, node) in keys.iter().filter(|(_, node)| !node.is_empty()) {
        match node {
            Node::Map(inner) => {
                let _ = writeln!(out, "{}:", key_text(key));
                for (key, node) in inner.iter().filter(|(_, node)| !node.is_empty()) {
                    let _ = writeln!(out, "  {}: {}", key_text(key), line(node));
                }
            }
            node => drop(writeln!(out, "{}: {}", key_text(key), line(node))),
        }
    }
    out
}

fn line(node: &Node) -> String {
    match node {
        Node::Text(text) => quoted(text),
        Node::Number(n) => n.to_string(),
        Node::Octal(n) => format!("0o{n:o}"),
        Node::Bool(b) => b.to_string(),
        Node::Word(word) => (*word).to_owned(),
        Node::Tagged(tag, inner) if inner.is_empty() => format!("!{tag} {{}}"),
        Node::Tagged(tag, inner) => format!("!{tag} {}", line(inner)),
        Node::List(list) => format!("[{}]", list.iter().map(line).collect::<Vec<_>>().join(", ")),
        Node::Map(map) => {
            let pairs = map.iter().map(|(k, v)| format!("{}: {}", key_text(k), line(v)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Plain where that is unmistakable.
fn key_text(key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        && key
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"/_-.".contains(&c));
    match plain {
        true => key.to_owned(),
        false => quoted(key),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_lines_and_tags() {
        let keys = [
            ("kind".to_string(), Node::Word("Daemon")),
            ("none".to_string(), Node::List(vec![])),
            (
                "arguments".to_string(),
                Node::texts(["a: b".into(), "x\n\"y\"".into()]),
            ),
            (
                "volumes".to_string(),
                Node::Map(vec![
                    (
                        "/tmp".into(),
                        Node::tagged("Tmpfs", vec![("mode", Node::Octal(0o1777))]),
                    ),
                    ("a b".into(), Node::tagged("Statedir", vec![])),
                ]),
            ),
        ];
        assert_eq!(
            document(&keys),
            "kind: Daemon\narguments: [\"a: b\", \"x\\n\\\"y\\\"\"]\nvolumes:\n  /tmp: !Tmpfs {mode: 0o1777}\n  \"a b\": !Statedir {}\n"
        );
    }
}
