//! `options:` of user commands: a small reader of docopt texts.
//!
//! The text is read into a table of elements and one pattern per usage line; `getopts` splits the
//! user's arguments into options and words, and a matcher with explicit stack and a budget of steps decides whether
//! they fit. Nothing here does I/O, and no text and no arguments may make it panic, recurse deeply or run long.

mod describe;
mod element;
mod lexer;
mod matcher;
mod options;
mod pattern;
#[cfg(test)]
mod tests;
mod variables;

use self::element::Elements;
use self::matcher::{Given, Program};
use self::pattern::Pattern;

pub use self::variables::escape;

/// Longest accepted text, in bytes.
const MAX_TEXT: usize = 32 * 1024;

/// Which built-in options are added to the user's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `!Command` and `!CapsuleCommand`.
    Common,
    /// `!Supervise`.
    Supervise,
}

impl Section {
    /// The built-in section as it appears in the help.
    fn text(self) -> &'static str {
        match self {
            Section::Common => "Common options:\n  -h, --help  This help\n",
            Section::Supervise => concat!(
                "Supervise options:\n",
                "  -h, --help           This help\n",
                "  --only <tag> ...     Only run processes with this name or tag (repeatable)\n",
                "  --exclude <tag> ...  Don't run processes with this name or tag (repeatable)\n",
            ),
        }
    }
}

/// A read text: what the command line of one user command may look like.
#[derive(Debug, Clone)]
pub struct Document {
    /// The whole help: description, the user's text, the built-in section.
    help: String,
    /// The usage section, printed when the arguments do not fit.
    usage: String,
    elements: Elements,
    /// One compiled pattern for each usage line.
    programs: Vec<Program>,
}

/// Arguments that fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// The user wants to see the help, here it is.
    Help(String),
    /// What to hand over to the command.
    Values(Values),
}

/// What arguments say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// `VAGGAOPT_*` and `VAGGACLI_*`, two for every element of the text.
    pub variables: Vec<(String, String)>,
    /// Values of the built-in `--only`.
    pub only: Vec<String>,
    /// Values of the built-in `--exclude`.
    pub exclude: Vec<String>,
}

impl Document {
    /// Reads the `options` text of the command `name`. The error says what is wrong with the text.
    pub fn new(
        name: &str,
        description: Option<&str>,
        text: &str,
        section: Section,
    ) -> Result<Document, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("the text is longer than {MAX_TEXT} bytes"));
        }
        let parts = split_text(text)?;
        let mut elements = Elements::default();
        describe::read(&mut elements, parts.before)?;
        describe::read(&mut elements, parts.after)?;
        describe::add_builtin(&mut elements, section.text())?;
        let patterns = pattern::usage_lines(parts.usage)?
            .iter()
            .map(|line| pattern::parse(line, &mut elements))
            .collect::<Result<Vec<Pattern>, String>>()?;
        pattern::mark_repeatable(&patterns, &mut elements);
        let title = match description {
            Some(text) => text.trim_end().to_string(),
            None => format!("vagga {name}"),
        };
        Ok(Document {
            help: format!("{title}\n\n{}\n\n{}", text.trim_end(), section.text()),
            usage: format!("{}{}", parts.head, parts.usage),
            programs: patterns.iter().map(|p| Program::compile(p, &elements)).collect(),
            elements,
        })
    }

    /// The whole help text, ends with a newline.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// The usage section without trailing newline.
    pub fn usage(&self) -> &str {
        &self.usage
    }

    /// All options as the user types them, in the order of the text.
    pub fn option_names(&self) -> Vec<String> {
        let reachable = |id: &usize| self.programs.iter().any(|p| p.takes(*id));
        self.elements
            .options()
            .filter(|(id, _)| reachable(id))
            .flat_map(|(_, e)| e.spellings())
            .collect()
    }

    /// Reads the arguments that follow the command's name. The error is the message to print before the usage.
    pub fn read(&self, name: &str, args: &[String]) -> Result<Reading, String> {
        let split = options::split(&self.elements, args)?;
        if self.wants_help(&split.given) {
            return Ok(Reading::Help(self.help.clone()));
        }
        let fits = self.fit(name, &split).ok_or("Invalid arguments.")?;
        let values = self.elements.values(&split.given, &fits);
        let of_builtin = |long: &str| match self.elements.builtin(long) {
            Some(id) => values.get(id).cloned().unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(Reading::Values(Values {
            variables: variables::variables(&self.elements, &values),
            only: of_builtin("only"),
            exclude: of_builtin("exclude"),
        }))
    }

    /// `--help` was given and some usage line knows it.
    fn wants_help(&self, given: &Given) -> bool {
        match self.elements.find_long("help") {
            Some(id) => {
                self.elements.is_flag(id) && given.count(id) > 0 && self.programs.iter().any(|p| p.takes(id))
            }
            None => false,
        }
    }

    /// The words of the first usage line that fits, by element. A `--` is tried as a word first, since the pattern may
    /// ask for it, then dropped.
    fn fit(&self, name: &str, split: &options::Split) -> Option<Vec<(usize, String)>> {
        let mut words: Vec<Option<&str>> = vec![Some(name)];
        words.extend(split.words.iter().map(|w| Some(w.as_str())));
        let mut with_dashes = words.clone();
        if let Some(at) = split.dashes {
            with_dashes.insert((at + 1).min(words.len()), None);
            if let Some(found) = self.fit_words(&with_dashes, &split.given) {
                return Some(found);
            }
        }
        self.fit_words(&words, &split.given)
    }

    fn fit_words(&self, words: &[Option<&str>], given: &Given) -> Option<Vec<(usize, String)>> {
        let captures = self
            .programs
            .iter()
            .find_map(|p| p.run(&self.elements, words, given))?;
        let text = |at: usize| words.get(at).copied().flatten().unwrap_or("--").to_string();
        Some(captures.into_iter().map(|(id, at)| (id, text(at))).collect())
    }
}

/// The three parts of a text.
struct Parts<'a> {
    before: &'a str,
    /// The word `usage:` in the user's spelling, with the blanks that follow it.
    head: &'a str,
    /// The usage lines.
    usage: &'a str,
    after: &'a str,
}

/// Splits the text at its usage section, which ends at the first blank line.
fn split_text(text: &str) -> Result<Parts<'_>, String> {
    const WORD: &str = "usage:";
    let cut = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let at = text
        .to_ascii_lowercase()
        .find(WORD)
        .ok_or("there is no `Usage:` section")?;
    let rest = cut(at + WORD.len(), text.len());
    let start = text.len() - rest.trim_start().len();
    let mut end = start;
    for line in cut(start, text.len()).split_inclusive('\n') {
        if line.trim().is_empty() || is_header(line) {
            break;
        }
        end += line.len();
    }
    if end == start {
        return Err("there is no usage line after `Usage:`".to_string());
    }
    Ok(Parts {
        before: cut(0, at),
        head: cut(at, start),
        usage: cut(start, end).trim_end(),
        after: cut(end, text.len()),
    })
}

/// True for a line like `Options:` that begins another section without a blank line before it.
fn is_header(line: &str) -> bool {
    line.trim().to_ascii_lowercase().starts_with("options:")
}
