//! The manual page of `vagga.yaml`, made of the table of keys: `vagga _man vagga.yaml | man -l -`.

use std::fmt::Write;

use crate::cli::manual::escape;
use crate::config::schema::{Default, Key, KeyRule, Kind, PathRule, Structure, Variant};
use crate::vagga::config::schema::{command, container, step, volume, CONFIG};

const FRONT: &str = r#".SH NAME
vagga.yaml \- containers and commands of a project
.SH DESCRIPTION
YAML with tags like \fI!Command\fR. Keys may be written with dashes or underscores; those that begin with an underscore are
ignored. Numbers may have a base prefix (\fI0o755\fR), underscores and a unit (\fI64 Mi\fR); durations have units
(\fI250ms\fR, \fI2m 30s\fR) or are seconds.
"#;

/// The page in roff.
pub fn page() -> String {
    let mut text = format!(
        ".TH VAGGA.YAML 5 \"\" \"vagga {}\" \"\"\n{FRONT}",
        env!("CARGO_PKG_VERSION")
    );
    let sections: [(&str, &Kind); 5] = [
        ("TOP LEVEL", &CONFIG),
        ("CONTAINERS", &container::CONTAINER),
        ("BUILD STEPS", &step::STEP),
        ("COMMANDS", &command::MAIN),
        ("VOLUMES", &volume::VOLUMES),
    ];
    for (title, kind) in sections {
        // Writing to a string does not fail.
        let _ = writeln!(text, ".SH {title}");
        section(&mut text, kind);
    }
    text
}

fn section(text: &mut String, kind: &Kind) {
    match kind {
        Kind::Structure(structure) => keys(text, structure, 0),
        Kind::Map(_, value) => section(text, value),
        Kind::Tagged { variants, .. } => variants.iter().for_each(|v| tag(text, v)),
        _ => {}
    }
}

fn tag(text: &mut String, variant: &Variant) {
    let _ = writeln!(
        text,
        ".SS !{} \\fI{}\\fR\n{}",
        escape(variant.tag),
        escape(&summary(&variant.kind)),
        escape(variant.doc)
    );
    if let Kind::Structure(structure) = &variant.kind {
        keys(text, structure, 0);
    }
}

/// Keys of a structure, and of those within it, which are not shown anywhere else.
fn keys(text: &mut String, structure: &Structure, depth: u8) {
    for key in structure.iter() {
        let name = escape(&key.name.replace('_', "-"));
        let _ = writeln!(
            text,
            ".TP\n\\fB{name}\\fR: \\fI{}\\fR{}\n{}",
            escape(&summary(&key.kind)),
            escape(&default(key)),
            escape(key.doc)
        );
        if let (Some(inner), true) = (inner(&key.kind), depth < 3) {
            text.push_str(".RS\n");
            match inner {
                Kind::Structure(structure) => keys(text, structure, depth + 1),
                Kind::Tagged { variants, .. } => variants.iter().for_each(|v| within(text, v, depth)),
                _ => {}
            }
            text.push_str(".RE\n");
        }
    }
}

fn within(text: &mut String, variant: &Variant, depth: u8) {
    let kind = escape(&summary(&variant.kind));
    let _ = writeln!(
        text,
        ".TP\n!{} \\fI{kind}\\fR\n{}",
        escape(variant.tag),
        escape(variant.doc)
    );
    // Children have the keys of commands, and some of their own.
    if let (Kind::Structure(structure), true) = (&variant.kind, depth > 0 || variant.tag == "Command") {
        text.push_str(".RS\n");
        keys(text, structure, depth + 1);
        text.push_str(".RE\n");
    }
}

/// What is to be explained below a key: structures and tags that have no section of their own.
fn inner(kind: &'static Kind) -> Option<&'static Kind> {
    let own = [&step::STEP, &volume::VOLUMES, &command::MAIN];
    let same = |a: &Kind, b: &Kind| match (a, b) {
        (Kind::Tagged { variants: a, .. }, Kind::Tagged { variants: b, .. }) => {
            a.iter().map(|v| v.tag).eq(b.iter().map(|v| v.tag))
        }
        _ => false,
    };
    match kind {
        Kind::Map(KeyRule::Path(PathRule::Absolute | PathRule::Home), _) => None,
        Kind::Nullable(kind) | Kind::List(kind) | Kind::FilledList(kind) | Kind::Map(_, kind) => inner(kind),
        Kind::Structure(_) if matches!(&container::CONTAINER, Kind::Structure(c) if same_structure(c, kind)) => {
            None
        }
        Kind::Structure(_) => Some(kind),
        Kind::Tagged { .. } if own.iter().any(|o| same(o, kind)) => None,
        Kind::Tagged { .. } => Some(kind),
        _ => None,
    }
}

fn same_structure(a: &Structure, b: &Kind) -> bool {
    matches!(b, Kind::Structure(b) if a.iter().map(|k| k.name).eq(b.iter().map(|k| k.name)))
}

/// A kind in a few words.
fn summary(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".into(),
        Kind::Bool => "true or false".into(),
        Kind::Number { .. } | Kind::Integer { .. } | Kind::Digits => "number".into(),
        Kind::IpAddress => "IP address".into(),
        Kind::IpNetwork => "IP address with prefix".into(),
        Kind::Anything => "anything".into(),
        Kind::Duration { .. } => "duration".into(),
        Kind::Path(PathRule::Absolute) => "absolute path".into(),
        Kind::Path(PathRule::Home) => "absolute path, or one that begins with ~/".into(),
        Kind::Path(PathRule::Relative) => "relative path".into(),
        Kind::Path(PathRule::Any) => "path".into(),
        Kind::PathDefault(path) => format!("path, by default {path}"),
        Kind::IdRange => "N or N-M".into(),
        Kind::Choice(words) => words
            .iter()
            .map(|w| w.replace('_', "-"))
            .collect::<Vec<_>>()
            .join(" | "),
        Kind::List(kind) | Kind::FilledList(kind) => format!("list of {}", summary(kind)),
        Kind::Map(_, kind) => format!("mapping to {}", summary(kind)),
        Kind::Nullable(kind) => format!("{}, or nothing", summary(kind)),
        Kind::ShellOrCommand => "text or list of text".into(),
        Kind::Structure(structure) => match structure.scalar {
            Some(key) => format!("mapping, or {} alone", key.replace('_', "-")),
            None => "mapping".into(),
        },
        Kind::Tagged { .. } => "tag".into(),
        Kind::Nothing => String::new(),
    }
}

fn default(key: &Key) -> String {
    match &key.default {
        Default::Required => ", required".into(),
        Default::Number(number) => match key.kind {
            Kind::Duration { .. } => format!(", default {number}ms"),
            _ => format!(", default {number}"),
        },
        Default::Text("") => String::new(),
        // On one line: roff takes line ends for its own.
        Default::Text(text) | Default::TextOrNull(text) => {
            format!(", default {}", text.trim_end().replace('\n', "; "))
        }
        Default::Tag(word) => format!(", default {}", word.replace('_', "-")),
        Default::Bool(true) => ", default true".into(),
        Default::Ids(end) => format!(", default [0-{}]", end.saturating_sub(1)),
        Default::Words(words) => format!(", default [{}]", words.join(", ")),
        Default::Null | Default::Bool(false) | Default::List | Default::Map => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_and_key_is_on_the_page() {
        let page = page();
        let tags = |kind: &Kind| match kind {
            Kind::Tagged { variants, .. } => variants.iter().map(|v| v.tag).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        let all = [tags(&step::STEP), tags(&command::MAIN)].concat();
        assert!(all.len() > 40);
        for tag in all {
            assert!(page.contains(&format!(".SS !{}", escape(tag))), "{tag}");
        }
        for key in [
            "kill-unresponsive-after",
            "interval",
            "restart",
            "data-dirs",
            "owner-uid",
            "hostname",
        ] {
            assert!(page.contains(&format!("\\fB{}\\fR", escape(key))), "{key}");
        }
        assert!(!page.contains("\n\n"));
    }
}
