//! The script for zsh: specifications for `_arguments`, see zshcompsys(1).

use std::fmt::Write;

use super::super::tool::VERSION_HELP;
use super::super::{Arity, Flag, Offer, Positional, Tool};
use super::quote;

/// A function for `#compdef`.
pub fn script<K: Copy + PartialEq>(tool: &Tool<K>) -> String {
    let mut text = format!("#compdef {}\n", tool.name);
    let mut own = specifications(tool, tool.flags, tool.positionals);
    own.push(option(tool.version_names, VERSION_HELP, "", false));
    if tool.commands.is_empty() {
        call(&mut text, &own);
        return text;
    }
    let names: Vec<&str> = tool.commands.iter().map(|c| c.name).collect();
    own.push(quote(&format!("1:command:({})", names.join(" "))));
    own.push(quote("*::arguments:->rest"));
    text.push_str("local line state\n");
    call(&mut text, &own);
    text.push_str("[[ $state == rest ]] || return\ncase $line[1] in\n");
    for command in tool.commands {
        let _ = writeln!(text, "{})", command.name);
        call(
            &mut text,
            &specifications(tool, command.flags, command.positionals),
        );
        text.push_str(";;\n");
    }
    text.push_str("esac\n");
    text
}

fn call(text: &mut String, specifications: &[String]) {
    let _ = writeln!(
        text,
        "_arguments -s -S \\\n    {}",
        specifications.join(" \\\n    ")
    );
}

fn specifications<K: Copy + PartialEq>(
    tool: &Tool<K>,
    flags: &[Flag<K>],
    positionals: &[Positional<Offer>],
) -> Vec<String> {
    let mut all: Vec<String> = flags.iter().map(|f| flag(tool, f)).collect();
    all.push(option(&["-h", "--help"], "Show the help and exit", "", false));
    all.extend(positionals.iter().enumerate().map(|(i, p)| word(i + 1, p)));
    all
}

fn flag<K: Copy + PartialEq>(tool: &Tool<K>, flag: &Flag<K>) -> String {
    let value = tool.offer_of(flag);
    let value = value.map_or(String::new(), |(name, offer)| {
        format!(":{name}:{}", action(offer))
    });
    option(flag.names, flag.help, &value, flag.repeat)
}

/// `'(-C --config)'{-C,--config}'[help]:FILE:_files'`
fn option(names: &[&str], help: &str, value: &str, repeat: bool) -> String {
    let help = help.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]");
    let said = quote(&format!("[{help}]{value}"));
    let before = match repeat {
        true => quote("*"),
        false => quote(&format!("({})", names.join(" "))),
    };
    match names {
        [name] => format!("{before}{name}{said}"),
        names => format!("{before}{{{}}}{said}", names.join(",")),
    }
}

fn word(number: usize, positional: &Positional<Offer>) -> String {
    let (name, action) = (positional.name, action(positional.offer));
    quote(&match positional.arity {
        Arity::Required => format!("{number}:{name}:{action}"),
        Arity::Optional => format!("{number}::{name}:{action}"),
        Arity::Rest => format!("*:{name}:{action}"),
    })
}

fn action(offer: Offer) -> String {
    match offer {
        Offer::Nothing => " ".to_string(),
        Offer::Files => "_files".to_string(),
        Offer::Directories => "_files -/".to_string(),
        Offer::Words(words) => format!("({})", words.join(" ")),
        Offer::NamesIn(dir, end) => format!("($(cd {dir} 2>/dev/null && print -rl -- *{end}(N:r)))"),
    }
}
