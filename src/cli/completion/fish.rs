//! The script for fish, see complete(1) there.

use std::fmt::Write;

use super::super::tool::VERSION_HELP;
use super::super::{Flag, Offer, Tool};

/// One `complete` command for each option, command and argument.
pub fn script<K: Copy + PartialEq>(tool: &Tool<K>) -> String {
    let mut text = format!("complete -c {} -f\n", tool.name);
    for flag in tool.flags {
        line(&mut text, tool.name, &flag_words(tool, flag));
    }
    let help = format!("{} -d 'Show the help and exit'", spellings(&["-h", "--help"]));
    line(&mut text, tool.name, &help);
    let version = format!("{} -d {}", spellings(tool.version_names), quote(VERSION_HELP));
    line(&mut text, tool.name, &version);
    for positional in tool.positionals {
        if let Some(offer) = offered(positional.offer) {
            line(
                &mut text,
                tool.name,
                &format!("{offer} -d {}", quote(positional.help)),
            );
        }
    }
    commands(&mut text, tool);
    text
}

fn commands<K: Copy + PartialEq>(text: &mut String, tool: &Tool<K>) {
    for command in tool.commands {
        let (name, about) = (command.name, quote(command.about));
        line(
            text,
            tool.name,
            &format!("-n __fish_use_subcommand -a {name} -d {about}"),
        );
        for flag in command.flags {
            let seen = format!("-n '__fish_seen_subcommand_from {name}' ");
            line(text, tool.name, &(seen + &flag_words(tool, flag)));
        }
    }
}

fn line(text: &mut String, name: &str, words: &str) {
    let _ = writeln!(text, "complete -c {name} {words}");
}

fn flag_words<K: Copy + PartialEq>(tool: &Tool<K>, flag: &Flag<K>) -> String {
    let value = tool
        .offer_of(flag)
        .map(|(_, offer)| offered(offer).unwrap_or_default());
    let value = value.map_or(String::new(), |offer| format!(" -r {offer}"));
    format!("{}{value} -d {}", spellings(flag.names), quote(flag.help))
}

fn spellings(names: &[&str]) -> String {
    let one = |name: &&str| match name.strip_prefix("--") {
        Some(long) => format!("-l {long}"),
        None => format!("-s {}", name.trim_start_matches('-')),
    };
    names.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn offered(offer: Offer) -> Option<String> {
    match offer {
        Offer::Nothing => None,
        Offer::Files => Some("-F".to_string()),
        Offer::Directories => Some("-a '(__fish_complete_directories)'".to_string()),
        Offer::Words(words) => Some(format!("-a {}", quote(&words.join(" ")))),
        Offer::NamesIn(dir, end) => Some(format!("-a '(for f in {dir}/*{end}; basename $f {end}; end)'")),
    }
}

/// Single quotes of fish know `\'` and `\\`.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
