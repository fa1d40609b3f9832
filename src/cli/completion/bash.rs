//! The script for bash, see Programmable Completion in bash(1).

use std::fmt::Write;

use super::super::{Arity, Flag, Offer, Positional, Tool};
use super::quote;

/// A function `_NAME` that fills COMPREPLY, and its registration.
pub fn script<K: Copy + PartialEq>(tool: &Tool<K>) -> String {
    let name = tool.name;
    let mut text = format!("# Completion of {name} for bash.\n_{name}() {{\n");
    text.push_str(
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} options i n=0\n",
    );
    text.push_str("    COMPREPLY=()\n");
    values(&mut text, tool);
    options(&mut text, tool);
    text.push_str("    if [[ $cur == -* ]]; then\n");
    text.push_str(
        "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n        return\n    fi\n",
    );
    words(&mut text, tool);
    let _ = writeln!(text, "}}\ncomplete -o filenames -F _{name} {name}");
    text
}

fn all_flags<K: Copy + PartialEq>(tool: &Tool<K>) -> impl Iterator<Item = &'static Flag<K>> {
    let of_commands = tool.commands.iter().flat_map(|c| c.flags);
    tool.flags.iter().chain(of_commands)
}

/// What follows an option with a value is that value.
fn values<K: Copy + PartialEq>(text: &mut String, tool: &Tool<K>) {
    let mut known: Vec<&str> = Vec::new();
    let mut arms = String::new();
    for flag in all_flags(tool) {
        let Some((_, offer)) = tool.offer_of(flag) else {
            continue;
        };
        let new: Vec<&str> = flag
            .names
            .iter()
            .filter(|n| !known.contains(n))
            .copied()
            .collect();
        if new.is_empty() {
            continue;
        }
        known.extend(&new);
        let _ = writeln!(arms, "    {}) {}return ;;", new.join(" | "), reply(offer));
    }
    if !arms.is_empty() {
        let _ = write!(text, "    case $prev in\n{arms}    esac\n");
    }
}

/// A command that fills COMPREPLY, and `; `; empty for an offer of nothing.
fn reply(offer: Offer) -> String {
    let source = match offer {
        Offer::Nothing => return String::new(),
        Offer::Files => "compgen -f -- \"$cur\"".to_string(),
        Offer::Directories => "compgen -d -- \"$cur\"".to_string(),
        Offer::Words(words) => format!("compgen -W {} -- \"$cur\"", quote(&words.join(" "))),
        Offer::NamesIn(dir, end) => format!(
            "cd {} 2>/dev/null && compgen -f -X {} -- \"$cur\" | sed s/{}\\$// | sort",
            quote(dir),
            quote(&format!("!*{end}")),
            quote(&end.replace('.', "\\."))
        ),
    };
    format!("mapfile -t COMPREPLY < <({source}); ")
}

fn options<K: Copy + PartialEq>(text: &mut String, tool: &Tool<K>) {
    let own = names(tool.flags)
        .chain(["--help"])
        .chain(tool.version_names.iter().copied());
    let _ = writeln!(text, "    options={}", quote(&own.collect::<Vec<_>>().join(" ")));
    if tool.commands.is_empty() {
        return;
    }
    text.push_str("    case ${COMP_WORDS[1]} in\n");
    for command in tool.commands {
        let names: Vec<&str> = names(command.flags).chain(["--help"]).collect();
        let _ = writeln!(
            text,
            "    {}) options={} ;;",
            command.name,
            quote(&names.join(" "))
        );
    }
    text.push_str("    esac\n");
}

fn names<K>(flags: &'static [Flag<K>]) -> impl Iterator<Item = &'static str> {
    flags.iter().flat_map(|f| f.names.iter().copied())
}

/// Positional arguments are counted, then the one at the cursor is completed.
fn words<K: Copy + PartialEq>(text: &mut String, tool: &Tool<K>) {
    let takes = all_flags(tool).filter(|f| tool.offer_of(f).is_some());
    let mut takes: Vec<&str> = takes.flat_map(|f| f.names.iter().copied()).collect();
    takes.sort_unstable();
    takes.dedup();
    text.push_str("    for ((i = 1; i < COMP_CWORD; i++)); do\n        case ${COMP_WORDS[i]} in\n");
    if !takes.is_empty() {
        let _ = writeln!(text, "        {}) ((i++)) ;;", takes.join(" | "));
    }
    text.push_str("        -*) ;;\n        *) ((n++)) ;;\n        esac\n    done\n    case $n in\n");
    if !tool.commands.is_empty() {
        let names: Vec<&str> = tool.commands.iter().map(|c| c.name).collect();
        let _ = writeln!(
            text,
            "    0) mapfile -t COMPREPLY < <(compgen -W {} -- \"$cur\") ;;",
            quote(&names.join(" "))
        );
    }
    for (i, positional) in tool.positionals.iter().enumerate() {
        let _ = writeln!(
            text,
            "    {}) {};;",
            pattern(i, positional),
            reply(positional.offer)
        );
    }
    text.push_str("    esac\n");
}

fn pattern(index: usize, positional: &Positional<Offer>) -> String {
    match positional.arity {
        Arity::Rest => "*".to_string(),
        Arity::Required | Arity::Optional => index.to_string(),
    }
}
