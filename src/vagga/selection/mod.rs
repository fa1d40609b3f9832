//! Which entries of a tree a step takes: `ignore-regex`/`include-regex`, or `rules` (globs).
//!
//! Pure: a selection decides about relative paths, the walk is done elsewhere. Version hashes depend on these
//! decisions, so they must never change for a given configuration.

mod glob;
mod walk;

use regex::Regex;

use super::config::step::Filter;
pub use glob::whole_path;
use glob::Rules;
pub use walk::{walk, WalkError};

/// What `ignore-regex` is when it is not given.
const DEFAULT_IGNORE: &str = r"(^|/)\.(git|hg|svn|vagga)($|/)|~$|\.bak$|\.orig$|^#.*#$";

/// Rules that stand before the user's unless `no-default-rules` is true.
const DEFAULT_RULES: [&str; 9] = [
    "!.git/", "!.hg/", "!.svn/", "!.vagga/", "!*.bak", "!*.orig", "!*~", "!#*#", "!.#*",
];

/// What happens to one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The entry is taken (and with it the directories above it).
    pub select: bool,
    /// A directory's entries are looked at.
    pub descend: bool,
}

/// A compiled filter.
#[derive(Debug)]
pub struct Selection(Mode);

#[derive(Debug)]
enum Mode {
    Everything,
    Regex { ignore: Regex, include: Option<Regex> },
    Rules(Rules),
}

impl Selection {
    /// Compiles the filter options of a step. A non-empty `rules` selects glob mode, otherwise regexes decide.
    ///
    /// Errors: both kinds of options given; a bad regex or rule, which is named.
    pub fn new(filter: &Filter) -> Result<Selection, String> {
        let has_regex = filter.ignore_regex.is_some() || filter.include_regex.is_some();
        let has_rules = !filter.rules.is_empty() || filter.no_default_rules.is_some();
        if has_regex && has_rules {
            return Err(
                "either `rules` and `no-default-rules` or `ignore-regex` and `include-regex` can be used, not both".into(),
            );
        }
        if filter.rules.is_empty() {
            let ignore = filter.ignore_regex.as_deref().unwrap_or(DEFAULT_IGNORE);
            return Ok(Selection(Mode::Regex {
                ignore: compile("ignore-regex", ignore)?,
                include: match &filter.include_regex {
                    Some(text) => Some(compile("include-regex", text)?),
                    None => None,
                },
            }));
        }
        let mut rules = Rules::default();
        if filter.no_default_rules != Some(true) {
            for rule in DEFAULT_RULES {
                rules.add(rule)?;
            }
        }
        for rule in &filter.rules {
            rules.add(rule)?;
        }
        Ok(Selection(Mode::Rules(rules)))
    }

    /// Rules without the built-in ones (`!Build`); no rules take everything.
    pub fn from_rules(list: &[String]) -> Result<Selection, String> {
        if list.is_empty() {
            return Ok(Selection(Mode::Everything));
        }
        let mut rules = Rules::default();
        for rule in list {
            rules.add(rule)?;
        }
        Ok(Selection(Mode::Rules(rules)))
    }

    /// Decides about an entry; `path` is relative to the source, without a leading slash, not empty.
    pub fn decide(&self, path: &str, is_dir: bool) -> Decision {
        match &self.0 {
            Mode::Everything => Decision {
                select: true,
                descend: is_dir,
            },
            Mode::Regex { ignore, .. } if ignore.is_match(path) => Decision {
                select: false,
                descend: false,
            },
            Mode::Regex { include, .. } => Decision {
                select: include.as_ref().is_none_or(|r| r.is_match(path)),
                descend: is_dir,
            },
            Mode::Rules(rules) => rules.decide(path, is_dir),
        }
    }

    /// A warning when the rules cannot select anything.
    pub fn warning(&self) -> Option<&'static str> {
        match &self.0 {
            Mode::Rules(rules) if !rules.has_include() => {
                Some("You didn't add any include rules, nothing is selected; add \"/\" to take everything")
            }
            _ => None,
        }
    }
}

fn compile(what: &str, text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|e| {
        let why = e.to_string();
        let why = why
            .lines()
            .last()
            .unwrap_or("syntax error")
            .trim_start_matches("error: ");
        format!("bad {what} {text:?}: {why}")
    })
}

#[cfg(test)]
mod tests;
