//! The table of one tool, and how its command line is read: what every tool has (`--help`, `--version`, the manual page
//! and the completion scripts for those who install it) is answered here.

use std::ffi::OsString;
use std::fmt::Display;

use super::output::{complain, print};
use super::{completion, manual, Arity, Flag, Grammar, Outcome, Parsed, Positional, Value};
use crate::sys::start;

/// What completion offers for a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Nothing is known about it.
    Nothing,
    /// Names of files.
    Files,
    /// Names of directories.
    Directories,
    /// These words.
    Words(&'static [&'static str]),
    /// Names of files of this directory that end so, without that end.
    NamesIn(&'static str, &'static str),
}

/// A command of a tool that has several, `lithos_crypt encrypt`.
#[derive(Debug, Clone, Copy)]
pub struct Command<K: 'static> {
    /// Name as typed.
    pub name: &'static str,
    /// What it does, a sentence without its full stop.
    pub about: &'static str,
    /// Options besides `--help`.
    pub flags: &'static [Flag<K>],
    /// Positional arguments.
    pub positionals: &'static [Positional<Offer>],
}

/// What only the manual page says. Text without dots or quotes at the beginning of a line needs no roff.
#[derive(Debug, Clone, Copy)]
pub struct Manual {
    /// Section of the manual: 1 for everybody's commands, 8 for the operator's.
    pub section: u8,
    /// Paragraphs of the description.
    pub description: &'static [&'static str],
    /// Lists of terms and meanings by title, e.g. `EXIT STATUS`, `FILES`, `SIGNALS`, `ENVIRONMENT`.
    pub lists: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    /// Pages to see also, `name(section)`.
    pub see_also: &'static [&'static str],
}

/// Everything about the command line of one tool.
#[derive(Debug, Clone, Copy)]
pub struct Tool<K: 'static> {
    /// Name of the executable.
    pub name: &'static str,
    /// What it does, in the third person, a sentence without its full stop: `shows what runs`.
    pub about: &'static str,
    /// Options besides `--help` and `--version`.
    pub flags: &'static [Flag<K>],
    /// Positional arguments. Empty when there are commands.
    pub positionals: &'static [Positional<Offer>],
    /// Commands, if it has several.
    pub commands: &'static [Command<K>],
    /// Options end at the first positional argument.
    pub stops: bool,
    /// Spellings of the option that shows the version.
    pub version_names: &'static [&'static str],
    /// The version is shown with the name before it.
    pub names_version: bool,
    /// What completion offers for values of options, by their names in the help; other values: nothing.
    pub values: &'static [(&'static str, Offer)],
    /// Exit code of a wrong command line.
    pub usage_exit: i32,
    /// What only the manual page says.
    pub manual: Manual,
}

/// An option of the tool, or one that every tool has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key<K> {
    Version,
    Own(K),
}

/// What is said about the option that shows the version.
pub(super) const VERSION_HELP: &str = "Show the version and exit";

const COMMAND: &[Positional<Offer>] = &[
    Positional {
        name: "command",
        arity: Arity::Required,
        help: "What to do; each command has --help",
        offer: Offer::Nothing,
    },
    Positional {
        name: "args",
        arity: Arity::Rest,
        help: "Options of the command",
        offer: Offer::Nothing,
    },
];

impl<K: Copy + PartialEq + 'static> Tool<K> {
    /// A tool for the operator without options; the others are set by struct update.
    pub const fn new(name: &'static str, about: &'static str) -> Tool<K> {
        Tool {
            name,
            about,
            flags: &[],
            positionals: &[],
            commands: &[],
            stops: false,
            version_names: &["--version"],
            names_version: false,
            values: &[],
            usage_exit: 2,
            manual: Manual {
                section: 8,
                description: &[],
                lists: &[],
                see_also: &[],
            },
        }
    }

    /// The whole life of a short tool: prepares the process, reads the command line, does the work, says what went
    /// wrong. The exit code is the work's, or 1 after an error.
    pub fn run<E: Display>(&self, work: impl FnOnce(Parsed<K>) -> Result<i32, E>) -> i32 {
        if let Err(e) = start::begin() {
            return self.fatal(&format!("Can't open /dev/null: {e}"));
        }
        match self.start().map(work) {
            Ok(Ok(exit)) | Err(exit) => exit,
            Ok(Err(e)) => self.fatal(&e),
        }
    }

    /// Says that the tool cannot go on; the exit code is 1.
    pub fn fatal(&self, error: &dyn Display) -> i32 {
        complain(&format!("Fatal error: {error}\n"));
        1
    }

    /// Reads the command line of this process. With [`commands`](Tool::commands) the first positional argument of the
    /// result is the name of one of them.
    ///
    /// Errors: what there is to say has been said (help, version, manual page, wrong usage), exit with this code.
    pub fn start(&self) -> Result<Parsed<K>, i32> {
        self.read(std::env::args_os().skip(1).collect())
    }

    fn read(&self, args: Vec<OsString>) -> Result<Parsed<K>, i32> {
        let args: Result<Vec<String>, OsString> = args.into_iter().map(OsString::into_string).collect();
        let args = args.map_err(|arg| self.wrong(&format!("Argument {arg:?} is not UTF-8")))?;
        if let Some(text) = self.installed_text(&args) {
            return Err(self.show(&text));
        }
        let flags = self.all_flags();
        let grammar = self.grammar(&flags);
        match self.settle(grammar.parse(&args))? {
            parsed if parsed.has(Key::Version) => Err(self.show(&self.version())),
            parsed if self.commands.is_empty() => Ok(own(parsed)),
            parsed => self.command(&parsed.positionals),
        }
    }

    /// A usage error that only the tool can find: complains, gives the exit code.
    pub fn wrong(&self, message: &str) -> i32 {
        let flags = self.all_flags();
        complain(&self.grammar(&flags).wrong(message));
        self.usage_exit
    }

    fn grammar<'a>(&'a self, flags: &'a [Flag<Key<K>>]) -> Grammar<'a, Key<K>, Offer> {
        let several = !self.commands.is_empty();
        Grammar {
            program: self.name,
            about: self.about,
            flags,
            positionals: if several { COMMAND } else { self.positionals },
            stops: several || self.stops,
            keeps_dashes: several,
        }
    }

    fn all_flags(&self) -> Vec<Flag<Key<K>>> {
        let version = Flag {
            value: Value::Alone,
            ..Flag::new(Key::Version, self.version_names, VERSION_HELP)
        };
        let own = self.flags.iter().map(|flag| with_key(flag, Key::Own(flag.key)));
        own.chain([version]).collect()
    }

    fn command(&self, words: &[String]) -> Result<Parsed<K>, i32> {
        let Some((name, rest)) = words.split_first() else {
            return Err(self.wrong("A command is required"));
        };
        let Some(command) = self.commands.iter().find(|c| c.name == name) else {
            let known: Vec<&str> = self.commands.iter().map(|c| c.name).collect();
            return Err(self.wrong(&format!("Unknown command {name}; there are {}", known.join(", "))));
        };
        let program = format!("{} {name}", self.name);
        let grammar = Grammar {
            program: &program,
            about: command.about,
            flags: command.flags,
            positionals: command.positionals,
            stops: false,
            keeps_dashes: false,
        };
        let mut parsed = self.settle(grammar.parse(rest))?;
        parsed.positionals.insert(0, name.clone());
        Ok(parsed)
    }

    fn settle<T>(&self, outcome: Outcome<T>) -> Result<Parsed<T>, i32> {
        match outcome {
            Outcome::Help(text) => Err(self.show(&self.completed(text))),
            Outcome::Wrong(text) => {
                complain(&text);
                Err(self.usage_exit)
            }
            Outcome::Right(parsed) => Ok(parsed),
        }
    }

    /// The help of the tool itself has a line for each command; every help ends with the exit codes of the manual page.
    fn completed(&self, mut help: String) -> String {
        if help.contains("Options of the command") {
            help.push_str("\nCommands:\n");
            for command in self.commands {
                help.push_str(&format!("  {:21} {}\n", command.name, command.about));
            }
        }
        for (code, meaning) in self.exit_codes() {
            if !help.contains("\nExit codes:\n") {
                help.push_str("\nExit codes:\n");
            }
            help.push_str(&format!("  {code:21} {meaning}\n"));
        }
        help
    }

    /// Exit codes and their meanings, of the manual page.
    fn exit_codes(&self) -> &'static [(&'static str, &'static str)] {
        let list = self
            .manual
            .lists
            .iter()
            .find(|(title, _)| *title == "EXIT STATUS");
        list.map_or(&[], |(_, codes)| codes)
    }

    fn version(&self) -> String {
        let name = if self.names_version { self.name } else { "" };
        format!("{name} {}\n", env!("CARGO_PKG_VERSION"))
            .trim_start()
            .to_string()
    }

    /// What `make install` asks for: `--man-page`, or `--completion` with the name of a shell.
    fn installed_text(&self, args: &[String]) -> Option<String> {
        match args {
            [option] if option == "--man-page" => Some(manual::page(self)),
            [option, shell] if option == "--completion" => completion::script(self, shell),
            _ => None,
        }
    }

    fn show(&self, text: &str) -> i32 {
        match print(text) {
            Ok(()) => 0,
            Err(e) => {
                complain(&format!("{}: Can't write to stdout: {e}\n", self.name));
                1
            }
        }
    }
}

fn with_key<K: Copy, T>(flag: &Flag<K>, key: T) -> Flag<T> {
    Flag {
        key,
        names: flag.names,
        value: flag.value,
        repeat: flag.repeat,
        help: flag.help,
        offered: flag.offered,
    }
}

fn own<K>(parsed: Parsed<Key<K>>) -> Parsed<K> {
    let options = parsed.options.into_iter();
    let own = options.filter_map(|(key, value)| match key {
        Key::Own(key) => Some((key, value)),
        Key::Version => None,
    });
    Parsed {
        options: own.collect(),
        positionals: parsed.positionals,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Sample, MANY, ONE};
    use super::*;

    fn read(tool: &Tool<Sample>, line: &str) -> Result<Parsed<Sample>, i32> {
        tool.read(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn options_of_the_tool_come_back_those_of_every_tool_are_answered() {
        let parsed = read(&ONE, "-C a --quiet shop").unwrap();
        assert_eq!(parsed.values(Sample::Config), ["a"]);
        assert!(parsed.has(Sample::Quiet));
        assert_eq!(parsed.positionals, ["shop"]);
        for (line, exit) in [
            ("--help", 0),
            ("-h", 0),
            ("--version", 0),
            ("--man-page", 0),
            ("--nix", 2),
            ("", 2),
        ] {
            assert_eq!(read(&ONE, line).unwrap_err(), exit, "{line}");
        }
        for shell in ["bash", "zsh", "fish"] {
            assert_eq!(read(&ONE, &format!("--completion {shell}")).unwrap_err(), 0);
        }
        assert_eq!(ONE.version(), format!("{}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn commands_have_options_of_their_own() {
        let parsed = read(&MANY, "lock -C x").unwrap();
        assert_eq!(parsed.positionals, ["lock"]);
        assert_eq!(parsed.values(Sample::Config), ["x"]);
        for (line, exit) in [
            ("-V", 0),
            ("lock --help", 0),
            ("lock --quiet", 1),
            ("break", 1),
            ("", 1),
        ] {
            assert_eq!(read(&MANY, line).unwrap_err(), exit, "{line}");
        }
        assert_eq!(
            MANY.version(),
            format!("sample_many {}\n", env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn help_ends_with_the_exit_codes_of_the_manual_page() {
        let codes = "\nExit codes:\n  0                     All is well.\n";
        assert_eq!(ONE.completed("Options\n".into()), format!("Options\n{codes}"));
        assert_eq!(MANY.completed("Options\n".into()), "Options\n");
    }

    #[test]
    fn arguments_that_are_not_utf8_are_a_usage_error() {
        use std::os::unix::ffi::OsStringExt;
        let args = vec![OsString::from_vec(vec![b'a', 0xff])];
        assert_eq!(ONE.read(args).unwrap_err(), 2);
    }
}
