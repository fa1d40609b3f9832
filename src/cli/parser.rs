//! From the table to `argparse` and back: parsed options in the order given, usage errors with a suggestion.
//!
//! `argparse` is fed arguments that are already known to be UTF-8 and writes into memory only.

use std::cell::RefCell;
use std::rc::Rc;

use argparse::action::{Action, IArgAction, IArgsAction, IFlagAction, ParseResult, TypedAction};
use argparse::ArgumentParser;

use super::table::{Arity, Flag, Positional, Value};
use crate::config::suggest;

/// What a command line may look like.
#[derive(Debug, Clone, Copy)]
pub struct Grammar<'a, K, O> {
    /// The command as typed, e.g. `vagga _build`.
    pub program: &'a str,
    /// First paragraph of the help.
    pub about: &'a str,
    /// Options besides `--help`.
    pub flags: &'a [Flag<K>],
    /// Positional arguments.
    pub positionals: &'a [Positional<O>],
    /// Options end at the first positional argument.
    pub stops: bool,
    /// `--` is an argument like any other.
    pub keeps_dashes: bool,
}

/// What a command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<K> {
    /// Options in the order given, with their values. An option with many values is there once for each.
    pub options: Vec<(K, Option<String>)>,
    /// Positional arguments in order.
    pub positionals: Vec<String>,
}

impl<K> Default for Parsed<K> {
    fn default() -> Parsed<K> {
        Parsed {
            options: Vec::new(),
            positionals: Vec::new(),
        }
    }
}

impl<K: Copy + PartialEq> Parsed<K> {
    /// True when the option was given.
    pub fn has(&self, key: K) -> bool {
        self.options.iter().any(|(k, _)| *k == key)
    }

    /// The value of the option that was given last.
    pub fn last(&self, key: K) -> Option<&str> {
        let of_key = self.options.iter().rev().filter(|(k, _)| *k == key);
        of_key.filter_map(|(_, v)| v.as_deref()).next()
    }

    /// All values of the option.
    pub fn values(&self, key: K) -> Vec<String> {
        let of_key = self.options.iter().filter(|(k, _)| *k == key);
        of_key.filter_map(|(_, v)| v.clone()).collect()
    }
}

/// The result of parsing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<K> {
    /// `--help` was given, here it is.
    Help(String),
    /// The command line is wrong: usage block, message, perhaps a hint; ends with a newline.
    Wrong(String),
    /// It is right.
    Right(Parsed<K>),
}

impl<K: Copy + PartialEq + 'static, O> Grammar<'_, K, O> {
    /// Parses arguments (without the program's name).
    pub fn parse(&self, args: &[String]) -> Outcome<K> {
        match self.plain(args) {
            Some(parsed) => Outcome::Right(parsed),
            None => self.by_parser(args),
        }
    }

    /// Options that are spelled out, each with its value in the next word, and nothing else: as programs start each other.
    /// To build the parser with all its texts takes longer. `None`: it has to look.
    fn plain(&self, args: &[String]) -> Option<Parsed<K>> {
        if self.positionals.iter().any(|p| p.arity == Arity::Required) {
            return None;
        }
        let mut parsed = Parsed::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let flag = self.flags.iter().find(|f| f.names.contains(&word.as_str()))?;
            let value = match flag.value {
                _ if parsed.has(flag.key) => return None,
                Value::Flag => None,
                Value::One(_) => Some(words.next().filter(|v| !v.is_empty() && !v.starts_with('-'))?),
                Value::Alone | Value::Many(_) => return None,
            };
            parsed.options.push((flag.key, value.cloned()));
        }
        Some(parsed)
    }

    fn by_parser(&self, args: &[String]) -> Outcome<K> {
        self.with_parser(|parser, record| {
            let mut argv = vec![self.program.to_string()];
            argv.extend_from_slice(args);
            let (mut out, mut err) = (Vec::new(), Vec::new());
            match parser.parse(argv, &mut out, &mut err) {
                Ok(()) => self.check(record.take()),
                Err(0) if out.is_empty() => Outcome::Right(record.take()),
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
    fn check(&self, parsed: Parsed<K>) -> Outcome<K> {
        for flag in self.flags.iter().filter(|f| matches!(f.value, Value::Many(_))) {
            if parsed.values(flag.key).iter().any(|v| v.starts_with('-')) {
                let message = format!("Option {:?} requires an argument", flag.names);
                return Outcome::Wrong(self.wrong(&message));
            }
        }
        Outcome::Right(parsed)
    }

    /// Builds the parser and passes it on.
    fn with_parser<T>(&self, f: impl FnOnce(&ArgumentParser<'_>, &Record<K>) -> T) -> T {
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
                Value::Alone => parser.add_option(flag.names, Alone(action), flag.help),
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
struct Record<K>(Rc<RefCell<Parsed<K>>>);

impl<K> Default for Record<K> {
    fn default() -> Record<K> {
        Record(Rc::default())
    }
}

impl<K> Clone for Record<K> {
    fn clone(&self) -> Record<K> {
        Record(Rc::clone(&self.0))
    }
}

impl<K> Record<K> {
    fn take(&self) -> Parsed<K> {
        self.0.take()
    }

    fn option(&self, key: K, value: Option<&str>) -> ParseResult {
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
#[derive(Clone)]
struct Recorder<K> {
    record: Record<K>,
    key: K,
}

impl<K> Recorder<K> {
    fn new(record: &Record<K>, key: K) -> Recorder<K> {
        Recorder {
            record: record.clone(),
            key,
        }
    }
}

impl<K: Copy> IFlagAction for Recorder<K> {
    fn parse_flag(&self) -> ParseResult {
        self.record.option(self.key, None)
    }
}

impl<K: Copy> IArgAction for Recorder<K> {
    fn parse_arg(&self, arg: &str) -> ParseResult {
        self.record.option(self.key, Some(arg))
    }
}

impl<K: Copy> IArgsAction for Recorder<K> {
    fn parse_args(&self, args: &[&str]) -> ParseResult {
        for arg in args {
            self.record.option(self.key, Some(arg));
        }
        ParseResult::Parsed
    }
}

/// Ends the parsing.
struct Alone<K>(Recorder<K>);

impl<K: Copy> IFlagAction for Alone<K> {
    fn parse_flag(&self) -> ParseResult {
        self.0.parse_flag();
        ParseResult::Exit
    }
}

/// An option with one value.
struct One<K>(Recorder<K>);

impl<K: Copy + 'static> TypedAction<()> for One<K> {
    fn bind<'x>(&self, _: Rc<RefCell<&'x mut ()>>) -> Action<'x> {
        Action::Single(Box::new(self.0.clone()))
    }
}

/// An option with many values.
struct Many<K>(Recorder<K>);

impl<K: Copy + 'static> TypedAction<()> for Many<K> {
    fn bind<'x>(&self, _: Rc<RefCell<&'x mut ()>>) -> Action<'x> {
        Action::Many(Box::new(self.0.clone()))
    }
}

/// One positional argument.
struct Word<K>(Record<K>);

impl<K> Clone for Word<K> {
    fn clone(&self) -> Word<K> {
        Word(self.0.clone())
    }
}

impl<K> IArgAction for Word<K> {
    fn parse_arg(&self, arg: &str) -> ParseResult {
        self.0.word(arg)
    }
}

impl<K: 'static> TypedAction<()> for Word<K> {
    fn bind<'x>(&self, _: Rc<RefCell<&'x mut ()>>) -> Action<'x> {
        Action::Single(Box::new(self.clone()))
    }
}

/// The remaining positional arguments.
struct Words<K>(Record<K>);

impl<K> Clone for Words<K> {
    fn clone(&self) -> Words<K> {
        Words(self.0.clone())
    }
}

impl<K> IArgsAction for Words<K> {
    fn parse_args(&self, args: &[&str]) -> ParseResult {
        for arg in args {
            self.0.word(arg);
        }
        ParseResult::Parsed
    }
}

impl<K: 'static> TypedAction<()> for Words<K> {
    fn bind<'x>(&self, _: Rc<RefCell<&'x mut ()>>) -> Action<'x> {
        Action::Many(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAMMAR: Grammar<'_, u8, ()> = Grammar {
        program: "x",
        about: "",
        flags: &[
            Flag::new(0, &["--name"], "").takes("NAME"),
            Flag::new(1, &["-v", "--verbose"], ""),
            Flag::new(2, &["--all"], "").takes_many("WORD"),
        ],
        positionals: &[Positional {
            name: "args",
            arity: Arity::Rest,
            help: "",
            offer: (),
        }],
        stops: false,
        keeps_dashes: false,
    };

    #[test]
    fn what_is_plain_means_what_the_parser_says() {
        let words = [
            "--name",
            "--verbose",
            "-v",
            "a",
            "",
            "--",
            "-x",
            "--all",
            "--name=b",
            "--help",
        ];
        let mut plain = 0;
        for n in 0..words.len().pow(4) {
            // Each digit is a word; the last ones may be missing.
            let digits = [n % 10, n / 10 % 10, n / 100 % 10, n / 1000];
            let line: Vec<String> = digits.iter().map(|d| words[*d].to_string()).collect();
            for length in 0..=line.len() {
                if let Some(parsed) = GRAMMAR.plain(&line[..length]) {
                    assert_eq!(
                        GRAMMAR.by_parser(&line[..length]),
                        Outcome::Right(parsed),
                        "{line:?}"
                    );
                    plain += 1;
                }
            }
        }
        assert!(plain > 1000);
        let line = ["--name", "a b", "-v"].map(String::from);
        let options = vec![(0, Some("a b".to_string())), (1, None)];
        assert_eq!(GRAMMAR.plain(&line).map(|p| p.options), Some(options));
    }
}
