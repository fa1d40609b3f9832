//! Manual pages in roff: the pieces, and the page of a [`Tool`].

use std::fmt::Write;

use super::tool::VERSION_HELP;
use super::{Arity, Flag, Positional, Tool, Value};

/// The page of a tool, see man-pages(7) for the order of its sections.
pub fn page<K: Copy + PartialEq>(tool: &Tool<K>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (name, section) = (tool.name, tool.manual.section);
    let mut text = format!(
        ".TH {} {section} \"\" \"{name} {version}\" \"\"\n",
        name.to_uppercase()
    );
    let _ = writeln!(text, ".SH NAME\n{name} \\- {}", escape(tool.about));
    synopsis(&mut text, tool);
    paragraphs(&mut text, tool.manual.description);
    text.push_str(".SH OPTIONS\n");
    options(&mut text, tool);
    commands(&mut text, tool);
    for (title, list) in tool.manual.lists {
        definitions(&mut text, title, list);
    }
    if !tool.manual.see_also.is_empty() {
        let _ = writeln!(text, ".SH SEE ALSO\n{}", escape(&tool.manual.see_also.join(", ")));
    }
    text
}

fn synopsis<K: Copy + PartialEq>(text: &mut String, tool: &Tool<K>) {
    let _ = write!(text, ".SH SYNOPSIS\n.B {}\n[\\fIOPTIONS\\fR]", tool.name);
    if !tool.commands.is_empty() {
        text.push_str(" \\fICOMMAND\\fR [\\fIOPTIONS\\fR]");
    }
    words(text, tool.positionals);
    text.push('\n');
}

fn words<O>(text: &mut String, positionals: &[Positional<O>]) {
    for positional in positionals {
        let name = positional.name.to_uppercase();
        let _ = match positional.arity {
            Arity::Required => write!(text, " \\fI{name}\\fR"),
            Arity::Optional => write!(text, " [\\fI{name}\\fR]"),
            Arity::Rest => write!(text, " [\\fI{name}\\fR ...]"),
        };
    }
}

fn paragraphs(text: &mut String, paragraphs: &[&str]) {
    if paragraphs.is_empty() {
        return;
    }
    let escaped: Vec<String> = paragraphs.iter().map(|p| escape(p)).collect();
    let _ = writeln!(text, ".SH DESCRIPTION\n{}", escaped.join("\n.PP\n"));
}

fn options<K: Copy + PartialEq>(text: &mut String, tool: &Tool<K>) {
    item(text, &["-h", "--help"], None, "Show the help and exit");
    tool.flags.iter().for_each(|f| flag(text, f));
    item(text, tool.version_names, None, VERSION_HELP);
    tool.positionals.iter().for_each(|p| positional(text, p));
}

fn commands<K: Copy + PartialEq>(text: &mut String, tool: &Tool<K>) {
    if !tool.commands.is_empty() {
        text.push_str(".SH COMMANDS\n");
    }
    for command in tool.commands {
        let _ = write!(text, ".SS {}", escape(command.name));
        words(text, command.positionals);
        let _ = writeln!(text, "\n{}.", escape(command.about));
        command.flags.iter().for_each(|f| flag(text, f));
        command.positionals.iter().for_each(|p| positional(text, p));
    }
}

/// A section of terms and their meanings.
pub fn definitions(text: &mut String, title: &str, list: &[(&str, &str)]) {
    // Writing to a string does not fail.
    let _ = writeln!(text, ".SH {title}");
    for (term, meaning) in list {
        let _ = writeln!(text, ".TP\n.B {}\n{}", escape(term), escape(meaning));
    }
}

/// A positional argument.
pub fn positional<O>(text: &mut String, positional: &Positional<O>) {
    let name = positional.name.to_uppercase();
    let _ = writeln!(text, ".TP\n.I {name}\n{}.", escape(positional.help));
}

/// An option.
pub fn flag<K>(text: &mut String, flag: &Flag<K>) {
    let value = match flag.value {
        Value::Flag | Value::Alone => None,
        Value::One(name) => Some(name.to_string()),
        Value::Many(name) => Some(format!("{name} ...")),
    };
    item(text, flag.names, value.as_deref(), flag.help);
}

/// An option by its parts.
pub fn item(text: &mut String, names: &[&str], value: Option<&str>, help: &str) {
    let bold: Vec<String> = names.iter().map(|n| format!("\\fB{}\\fR", escape(n))).collect();
    let value = value
        .map(|v| format!(" \\fI{}\\fR", escape(v)))
        .unwrap_or_default();
    let _ = writeln!(text, ".TP\n{}{value}\n{}.", bold.join(", "), escape(help));
}

/// Dashes as typed, no accidental requests at the beginning of a line.
pub fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{MANY, ONE};
    use super::*;

    #[test]
    fn the_page_has_all_of_the_table() {
        let text = page(&ONE);
        assert!(text.starts_with(".TH SAMPLE_ONE 8 "), "{text}");
        for part in [
            "sample_one \\- shows the text",
            "\\fB\\-C\\fR, \\fB\\-\\-config\\fR \\fIFILE\\fR",
            ".B sample_one\n[\\fIOPTIONS\\fR] \\fISANDBOX\\fR [\\fIARGS\\fR ...]\n",
            "First paragraph.\n.PP\nSecond one.\n",
            ".SH EXIT STATUS\n.TP\n.B 0\nAll is well.\n",
            ".SH SEE ALSO\nsample_many(1)\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("\n\n"));
        let text = page(&MANY);
        assert!(
            text.contains("\n.SS unlock\nUnlocks the box.\n.TP\n\\fB\\-\\-quiet"),
            "{text}"
        );
        assert!(text.contains("\\fB\\-V\\fR, \\fB\\-\\-version"), "{text}");
    }
}
