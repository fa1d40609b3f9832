//! Lists of commands as text: bare `vagga` and `_list`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use super::builtins;
use super::names;
use crate::vagga::config::{Config, MainCommand};

/// Heading of commands without `group`.
const UNGROUPED: &str = "Available commands";
/// Names longer than this have their description on the next line.
const NAME_WIDTH: usize = 19;

/// What `_list` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Hidden commands and built-ins too.
    pub all: bool,
    /// Built-ins only.
    pub builtins: bool,
    /// `NAME:FIRST LINE`.
    pub zsh: bool,
    /// No rows for aliases.
    pub no_aliases: bool,
    /// The file of each command.
    pub verbose: bool,
}

/// The list that bare `vagga` prints: sections by group, those without a group first.
pub fn overview(config: &Config) -> String {
    let mut sections: Vec<(&str, String)> = vec![(UNGROUPED, String::new())];
    for (name, command) in config.commands.iter().filter(|(n, _)| !names::is_hidden(n)) {
        let title = command.common().group.as_deref().unwrap_or(UNGROUPED);
        let entry = overview_entry(config, name, command);
        match sections.iter_mut().find(|(t, _)| *t == title) {
            Some((_, text)) => text.push_str(&entry),
            None => sections.push((title, entry)),
        }
    }
    let used = sections.iter().filter(|(_, text)| !text.is_empty());
    let mut shown: Vec<String> = used.map(|(title, text)| format!("{title}:\n{text}")).collect();
    if shown.is_empty() {
        shown.push(format!("{UNGROUPED}:\n"));
    }
    shown.join("\n")
}

fn overview_entry(config: &Config, name: &str, command: &MainCommand) -> String {
    let mut text = format!("    {name}");
    let mut lines = description_lines(command);
    if let Some(first) = lines.next() {
        match NAME_WIDTH.checked_sub(name.chars().count()) {
            Some(blanks) => text.extend(std::iter::repeat_n(' ', blanks + 1)),
            None => text.push_str(&next_line(24)),
        }
        text.push_str(first);
        lines.for_each(|line| text.push_str(&(next_line(24) + line)));
    }
    let aliases = names::visible_aliases(config, name, command);
    if !aliases.is_empty() {
        text.push_str(&next_line(24));
        // Writing to a string does not fail.
        let _ = write!(text, "(aliases: {})", aliases.join(", "));
    }
    text + "\n"
}

fn next_line(indent: usize) -> String {
    format!("\n{}", " ".repeat(indent))
}

fn description_lines(command: &MainCommand) -> std::str::Lines<'_> {
    let text = command.common().description.as_deref().unwrap_or_default();
    text.trim_end().lines()
}

/// What `_list` prints, without `--containers`. `origins` has the file of each command.
pub fn list(config: &Config, options: Options, origins: &BTreeMap<String, PathBuf>) -> String {
    let mut text = String::new();
    let only_builtins = options.builtins && !options.all;
    let commands = config
        .commands
        .iter()
        .filter(|(n, _)| options.all || !names::is_hidden(n));
    for (name, command) in commands.filter(|_| !only_builtins) {
        let description: Vec<&str> = description_lines(command).collect();
        let file = origins.get(name).map(|f| format!("{f:?}")).unwrap_or_default();
        row(&mut text, options, name, &description, &file);
        let aliases = names::visible_aliases(config, name, command);
        for alias in aliases.iter().filter(|_| !options.no_aliases) {
            row(&mut text, options, alias, &description, &format!("{file}:{name}"));
        }
    }
    if options.all || options.builtins {
        for builtin in builtins::ALL {
            row(
                &mut text,
                options,
                builtin.name,
                &[&builtin.describe()],
                "\"<builtins>\"",
            );
        }
    }
    text
}

fn row(text: &mut String, options: Options, name: &str, description: &[&str], origin: &str) {
    let first = description.first().copied().unwrap_or_default();
    if options.zsh {
        let _ = writeln!(text, "{}:{first}", name.replace(':', "\\:"));
        return;
    }
    if name.chars().count() > NAME_WIDTH {
        let _ = write!(text, "{name}{}{first}", next_line(20));
    } else {
        let _ = write!(text, "{name:NAME_WIDTH$} {first}");
    }
    for line in description.iter().skip(1) {
        let _ = write!(text, "{}{line}", next_line(20));
    }
    if options.verbose {
        let _ = write!(text, "{}(from {origin})", next_line(20));
    }
    text.push('\n');
}

/// `_list --containers`.
pub fn containers(config: &Config) -> String {
    config.containers.keys().map(|name| format!("{name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{command, config};
    use super::*;

    fn described(text: &str, aliases: &[&str], group: Option<&str>) -> MainCommand {
        let mut c = command();
        c.common.description = (!text.is_empty()).then(|| text.to_string());
        c.common.aliases = aliases.iter().map(ToString::to_string).collect();
        c.common.group = group.map(String::from);
        MainCommand::Command(c)
    }

    fn sample() -> Config {
        config([
            ("build", described("Compile everything", &[], None)),
            ("demo", described("Small demo", &[], Some("Examples"))),
            ("a-demo", described("", &[], Some("Examples"))),
            (
                "test",
                described(
                    "Run the test suite\nand print a summary\n",
                    &["check", "t", "build"],
                    None,
                ),
            ),
            (
                "name-longer-than-nineteen",
                described("Description on the next line", &[], None),
            ),
            ("nineteen-characters", described("x", &[], None)),
            ("long-without-description", described("", &[], None)),
            ("_hidden", described("Secret", &["seen"], Some("Hidden only"))),
        ])
    }

    #[test]
    fn overview_layout() {
        assert_eq!(
            overview(&sample()),
            "\
Available commands:
    build               Compile everything
    long-without-description
    name-longer-than-nineteen
                        Description on the next line
    nineteen-characters x
    test                Run the test suite
                        and print a summary
                        (aliases: check, t)

Examples:
    a-demo
    demo                Small demo
"
        );
    }

    #[test]
    fn empty_overview() {
        assert_eq!(overview(&config([])), "Available commands:\n");
        let grouped = config([("x", described("", &[], Some("G")))]);
        assert_eq!(overview(&grouped), "G:\n    x\n");
    }

    #[test]
    fn list_layout() {
        let c = config([
            ("_h", described("Hidden", &["seen"], None)),
            ("plain", described("", &[], None)),
            ("twenty-characters-xx", described("Text", &[], None)),
            ("two", described("One\nTwo", &["t", "_u", "plain"], None)),
        ]);
        let origins = BTreeMap::from([("two".to_string(), PathBuf::from("/p/vagga.yaml"))]);
        assert_eq!(
            list(&c, Options::default(), &origins),
            "plain               \n\
             twenty-characters-xx\n                    Text\n\
             two                 One\n                    Two\n\
             t                   One\n                    Two\n"
        );
        let zsh = Options {
            zsh: true,
            no_aliases: true,
            ..Options::default()
        };
        assert_eq!(
            list(&c, zsh, &origins),
            "plain:\ntwenty-characters-xx:Text\ntwo:One\n"
        );
        let verbose = Options {
            verbose: true,
            ..Options::default()
        };
        let text = list(&c, verbose, &origins);
        assert!(
            text.contains("                    Two\n                    (from \"/p/vagga.yaml\")\n"),
            "{text}"
        );
        assert!(
            text.ends_with("Two\n                    (from \"/p/vagga.yaml\":two)\n"),
            "{text}"
        );
    }

    #[test]
    fn list_of_everything_ends_with_the_builtins() {
        let all = Options {
            all: true,
            ..Options::default()
        };
        let text = list(&sample(), all, &BTreeMap::new());
        assert!(
            text.starts_with("_hidden             Secret\nseen                Secret\n"),
            "{text}"
        );
        for name in [
            "_build",
            "_run",
            "_clean",
            "_list",
            "_base_dir",
            "_relative_work_dir",
            "_update_symlinks",
        ] {
            assert!(text.contains(&format!("\n{name} ")), "{name}");
        }
        let builtins = Options {
            builtins: true,
            verbose: true,
            ..Options::default()
        };
        let text = list(&sample(), builtins, &BTreeMap::new());
        assert!(
            text.starts_with("_build ") && text.contains("(from \"<builtins>\")"),
            "{text}"
        );
    }

    #[test]
    fn containers_one_per_line() {
        assert_eq!(containers(&sample()), "c\n");
    }
}
