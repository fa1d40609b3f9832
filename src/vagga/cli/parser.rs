//! From the table to `argparse` and back: parsed options in the order given, usage errors with a suggestion.
//!
//! `argparse` is fed arguments that are already known to be UTF-8 and writes into memory only.

use std::cell::RefCell;
use std::rc::Rc;

use argparse::action::{Action, IArgAction, IArgsAction, IFlagAction, ParseResult, TypedAction};
use argparse::ArgumentParser;

use super::table::{Arity, BuiltIn, Flag, Key, Positional, Value, GLOBAL, GLOBAL_POSITIONALS};
use crate::config::suggest;

/// What a command line may look like.
#[derive(Debug, Clone, Copy)]
pub struct Grammar<'a> {
    /// The command as typed, e.g. `vagga _build`.
    pub program: &'a str,
    /// First paragraph of the help.
    pub about: &'a str,
    /// Options besides `--help`.
    pub flags: &'a [Flag],
    /// Positional arguments.
    pub positionals: &'a [Positional],
    /// Options end at the first positional argument.
    pub stops: bool,
    /// `--` is an argument like any other.
    pub keeps_dashes: bool,
}

/// What a command line says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Options in the order given, with their values. An option with many values is there once for each.
    pub options: Vec<(Key, Option<String>)>,
    /// Positional arguments in order.
    pub positionals: Vec<String>,
}

impl Parsed {
    /// True when the option was given.
    pub fn has(&self, key: Key) -> bool {
        self.options.iter().any(|(k, _)| *k == key)
    }

    /// All values of the option.
    pub fn values(&self, key: Key) -> Vec<String> {
        let of_key = self.options.iter().filter(|(k, _)| *k == key);
        of_key.filter_map(|(_, v)| v.clone()).collect()
    }
}

/// The result of parsing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `--help` was given, here it is.
    Help(String),
    /// The command line is wrong: usage block, message, perhaps a hint; ends with a newline.
    Wrong(String),
    /// It is right.
    Right(Parsed),
}

impl Grammar<'static> {
    /// The command line of `vagga` itself.
    pub const GLOBAL: Grammar<'static> = Grammar {
        program: "vagga",
        about: "Runs the commands of a project in containers, which are built when needed. \
                Without a command: lists the commands of the project.",
        flags: GLOBAL,
        positionals: GLOBAL_POSITIONALS,
        stops: true,
        keeps_dashes: true,
    };
}

impl<'a> Grammar<'a> {
    /// The command line of a built-in; `program` and `about` as in [`Grammar`].
    pub fn of_builtin(builtin: &BuiltIn, program: &'a str, about: &'a str) -> Grammar<'a> {
        Grammar {
            program,
            about,
            flags: builtin.flags,
            positionals: builtin.positionals,
            stops: builtin.stops,
            keeps_dashes: false,
        }
    }

    /// Parses arguments (without the program's name).
    pub fn parse(&self, args: &[String]) -> Outcome {
        self.with_parser(|parser, record| {
            let mut argv = vec![self.program.to_string()];
            argv.extend_from_slice(args);
            let (mut out, mut err) = (Vec::new(), Vec::new());
            match parser.parse(argv, &mut out, &mut err) {
                Ok(()) => self.check(record.take()),
                Err(0) => Outcome::Help(text(out)),
                Err(_) => Outcome::Wrong(self.with_hint(text(err))),
            }
        })
    }

    /// The help.
    pub fn help(&self) -> String {
        self.with_parser(|parser, _| {
            let mut out = Vec::new();
            // Writing to memory does not fail.
            let _ = parser.print_help(self.program, &mut out);
            text(out)
        })
    }

    /// A usage error in the form of the others.
    pub fn wrong(&self, message: &str) -> String {
        self.with_parser(|parser, _| {
            let mut err = Vec::new();
            parser.error(self.program, message, &mut err);
            text(err)
        })
    }

    /// `argparse` takes the word after an option as its value even if it is an option itself.
    fn check(&self, parsed: Parsed) -> Outcome {
        for flag in self.flags.iter().filter(|f| matches!(f.value, Value::Many(_))) {
            if parsed.values(flag.key).iter().any(|v| v.starts_with('-')) {
                let message = format!("Option {:?} requires an argument", flag.names);
                return Outcome::Wrong(self.wrong(&message));
            }
        }
        Outcome::Right(parsed)
    }

    /// Builds the parser and passes it on.
    fn with_parser<T>(&self, f: impl FnOnce(&ArgumentParser<'_>, &Record) -> T) -> T {
        let record = Record::default();
        let mut slots = vec![(); self.flags.len() + self.positionals.len()];
        let mut parser = ArgumentParser::new();
        parser.set_description(self.about);
        parser.stop_on_first_argument(self.stops);
        parser.silence_double_dash(!self.keeps_dashes);
        let (flag_slots, positional_slots) = slots.split_at_mut(self.flags.len());
        for (flag, slot) in self.flags.iter().zip(flag_slots) {
            let action = Recorder::new(&record, flag.key);
            match flag.value {
                Value::Flag => parser.add_option(flag.names, action, flag.help),
                Value::One(name) => {
                    parser
                        .refer(slot)
                        .metavar(name)
                        .add_option(flag.names, One(action), flag.help);
                }
                Value::Many(name) => {
                    parser
                        .refer(slot)
                        .metavar(name)
                        .add_option(flag.names, Many(action), flag.help);
                }
            }
        }
        for (positional, slot) in self.positionals.iter().zip(positional_slots) {
            let action = Word(record.clone());
            let mut place = parser.refer(slot);
            match positional.arity {
                Arity::Required => place
                    .add_argument(positional.name, action, positional.help)
                    .required(),
                Arity::Optional => place.add_argument(positional.name, action, positional.help),
                Arity::Rest => place.add_argument(positional.name, Words(record.clone()), positional.help),
            };
        }
        f(&parser, &record)
    }

    /// Adds a suggestion for a mistyped option.
    fn with_hint(&self, mut error: String) -> String {
        let typed = error
            .rsplit_once("Unknown option ")
            .map(|(_, rest)| rest.trim_end());
        let typed = typed.and_then(|t| t.split('=').next()).unwrap_or_default();
        let known = self.flags.iter().flat_map(|f| f.names).copied().chain(["--help"]);
        let near = suggest::closest(typed, known.filter(|n| n.starts_with("--")));
        if let Some(near) = near.filter(|_| typed.len() > "--x".len()) {
            error.push_str(&format!("hint: Did you mean {near}?\n"));
        }
        error
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the actions have seen.
#[derive(Debug, Clone, Default)]
struct Record(Rc<RefCell<Parsed>>);

impl Record {
    fn take(&self) -> Parsed {
        self.0.take()
    }

    fn option(&self, key: Key, value: Option<&str>) -> ParseResult {
        let value = value.map(String::from);
        self.0.borrow_mut().options.push((key, value));
        ParseResult::Parsed
    }

    fn word(&self, word: &str) -> ParseResult {
        self.0.borrow_mut().positionals.push(word.to_string());
        ParseResult::Parsed
    }
}

/// Records an option.
#[derive(Debug, Clone)]
struct Recorder {
    record: Record,
    key: Key,
}

impl Recorder {
    fn new(record: &Record, key: Key) -> Recorder {
        Recorder {
            record: record.clone(),
            key,
        }
    }
}

impl IFlagAction for Recorder {
    fn parse_flag(&self) -> ParseResult {
        self.record.option(self.key, None)
    }
}

impl IArgAction for Recorder {
    fn parse_arg(&self, arg: &str) -> ParseResult {
        self.record.option(self.key, Some(arg))
    }
}

impl IArgsAction for Recorder {
    fn parse_args(&self, args: &[&str]) -> ParseResult {
        for arg in args {
            self.record.option(self.key, Some(arg));
        }
        ParseResult::Parsed
    }
}

/// An option with one value.
struct One(Recorder);

impl TypedAction<()> for One {
    fn bind<'x>(&self, _: Rc<RefCell<&'x mut ()>>) -> Action<'x> {
        Action::Single(Box::new(self.0.clone()))
    }
}

/// An option with many values.
struct Many(Recorder);

impl TypedAction<()> for Many {
    fn bind<'x>(&self, _: Rc<RefCell<&'x mut ()>>) -> Action<'x> {
        Action::Many(Box::new(self.0.clone()))
    }
}

/// One positional argument.
#[derive(Clone)]
struct Word(Record);

impl IArgAction for Word {
    fn parse_arg(&self, arg: &str) -> ParseResult {
        self.0.word(arg)
    }
}

impl TypedAction<()> for Word {
    fn bind<'x>(&self, _: Rc<RefCell<&'x mut ()>>) -> Action<'x> {
        Action::Single(Box::new(self.clone()))
    }
}

/// The remaining positional arguments.
#[derive(Clone)]
struct Words(Record);

impl IArgsAction for Words {
    fn parse_args(&self, args: &[&str]) -> ParseResult {
        for arg in args {
            self.0.word(arg);
        }
        ParseResult::Parsed
    }
}

impl TypedAction<()> for Words {
    fn bind<'x>(&self, _: Rc<RefCell<&'x mut ()>>) -> Action<'x> {
        Action::Many(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::cli::table::SUPERVISE;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    fn global(line: &str) -> Parsed {
        match Grammar::GLOBAL.parse(&words(line)) {
            Outcome::Right(parsed) => parsed,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn wrong(grammar: &Grammar<'_>, line: &str) -> String {
        match grammar.parse(&words(line)) {
            Outcome::Wrong(text) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn builtin(name: &str, line: &str) -> Outcome {
        let b = BuiltIn::find(name).unwrap();
        Grammar::of_builtin(b, &format!("vagga {name}"), b.about).parse(&words(line))
    }

    #[test]
    fn options_end_at_the_command() {
        let p = global("-EX=1 --env Y=2 -e Z --no-build cmd --help -x -- y");
        assert_eq!(
            p.options,
            [
                (Key::Env, Some("X=1".into())),
                (Key::Env, Some("Y=2".into())),
                (Key::UseEnv, Some("Z".into())),
                (Key::NoBuild, None),
            ]
        );
        assert_eq!(p.positionals, ["cmd", "--help", "-x", "--", "y"]);
        assert_eq!(global("-- x").positionals, ["--", "x"]);
        assert_eq!(global("").positionals, [""; 0]);
    }

    #[test]
    fn run_multi_takes_words_up_to_an_option() {
        let p = global("-m a b --no-net");
        assert_eq!(p.values(Key::RunMulti), ["a", "b"]);
        assert!(p.has(Key::IsolateNetwork) && p.positionals.is_empty());
        assert_eq!(global("-m").options, []);
        assert_eq!(global("-m a -- b").positionals, ["--", "b"]);
        assert!(wrong(&Grammar::GLOBAL, "-m --no-build").contains("requires an argument"));
    }

    #[test]
    fn messages() {
        for (line, part) in [
            ("--x", "vagga: Unknown option --x\n"),
            ("-x", "vagga: Unknown short option \"x\"\n"),
            (
                "--version=3",
                "vagga: Option --version does not accept an argument\n",
            ),
            (
                "-E",
                "vagga: Option [\"-E\", \"--env\", \"--environ\"] requires an argument\n",
            ),
            ("--no-biuld", "hint: Did you mean --no-build?\n"),
        ] {
            let text = wrong(&Grammar::GLOBAL, line);
            assert!(
                text.starts_with("Usage:\n  vagga [OPTIONS] [COMMAND] [ARGS ...]\n"),
                "{text}"
            );
            assert!(text.contains(part), "{text}");
        }
        let Outcome::Wrong(text) = builtin("_build", "a b") else {
            panic!()
        };
        assert_eq!(
            text,
            "Usage:\n  vagga _build [OPTIONS] [CONTAINER]\nvagga _build: Unexpected argument b\n"
        );
        let Outcome::Wrong(text) = builtin("_version_hash", "") else {
            panic!()
        };
        assert!(
            text.ends_with("vagga _version_hash: Argument container is required\n"),
            "{text}"
        );
    }

    #[test]
    fn help_lists_every_option() {
        let Outcome::Help(text) = Grammar::GLOBAL.parse(&words("--no-build -h")) else {
            panic!()
        };
        for name in GLOBAL.iter().flat_map(|f| f.names) {
            assert!(text.contains(name), "{name}");
        }
        assert_eq!(text, Grammar::GLOBAL.help());
        assert!(
            text.contains("\nPositional arguments:\n  command               A command of"),
            "{text}"
        );
        assert!(
            text.contains("\nOptional arguments:\n  -h,--help             Show this"),
            "{text}"
        );
        assert!(text.lines().all(|l| l.len() <= 79), "{text}");
    }

    #[test]
    fn run_passes_everything_after_the_container() {
        let Outcome::Right(p) = builtin("_run", "-W --no-build bb sh -c -- x") else {
            panic!()
        };
        assert!(p.has(Key::Writable) && p.has(Key::NoBuild));
        assert_eq!(p.positionals, ["bb", "sh", "-c", "--", "x"]);
        assert!(matches!(
            builtin("_run", "--writeable bb true"),
            Outcome::Right(_)
        ));
        assert!(matches!(builtin("_run", "bb"), Outcome::Wrong(_)));
    }

    #[test]
    fn groups_take_lists() {
        let grammar = Grammar {
            program: "vagga s",
            about: "",
            flags: SUPERVISE,
            positionals: &[],
            stops: false,
            keeps_dashes: false,
        };
        let Outcome::Right(p) = grammar.parse(&words("--only a b --no-build --exclude c --only d")) else {
            panic!()
        };
        assert_eq!(p.values(Key::Only), ["a", "b", "d"]);
        assert_eq!(p.values(Key::Exclude), ["c"]);
        assert!(wrong(&grammar, "x").contains("Unexpected argument x"));
        assert!(wrong(&grammar, "--only --exclude x").contains("requires an argument"));
    }

    #[test]
    fn order_of_clean_actions_is_kept() {
        let Outcome::Right(p) = builtin("_clean", "--volumes --tmp -n --unused --at-least 1day") else {
            panic!()
        };
        let keys: Vec<Key> = p.options.iter().map(|(k, _)| *k).collect();
        assert_eq!(
            keys,
            [Key::Volumes, Key::Tmp, Key::DryRun, Key::Unused, Key::AtLeast]
        );
    }

    proptest! {
        #[test]
        fn never_panics(args in proptest::collection::vec("(-{0,3}[a-zA-Zé=]{0,3}|--env(=.?)?|.{0,5})", 0..6)) {
            let _ = Grammar::GLOBAL.parse(&args);
            for b in crate::vagga::cli::builtins::ALL {
                let _ = Grammar::of_builtin(b, "vagga x", b.about).parse(&args);
            }
        }
    }
}
