//! Splits the user's arguments into options and words, with `getopts`.

use getopts::{Fail, HasArg, Matches, Occur, Options};

use super::element::{Element, Elements, Kind};
use super::matcher::Given;
use crate::config::suggest;

/// The split arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    /// Options by element.
    pub given: Given,
    /// Everything else.
    pub words: Vec<String>,
    /// Number of words before the `--` that ended the options, if there was one.
    pub dashes: Option<usize>,
}

/// Splits. The error is the message for the user.
pub(super) fn split(elements: &Elements, args: &[String]) -> Result<Split, String> {
    let mut options = Options::new();
    for (_, element) in elements.options() {
        if let Kind::Option {
            short,
            long,
            takes_value,
            ..
        } = &element.kind
        {
            let (short, long) = names(*short, long.as_deref());
            let value = if *takes_value { HasArg::Yes } else { HasArg::No };
            options.opt(&short, &long, "", "", value, Occur::Multi);
        }
    }
    let matches = options.parse(args).map_err(|e| explain(&e, elements))?;
    let mut given = Given(vec![Vec::new(); elements.0.len()]);
    for (id, element) in elements.options() {
        if let (Kind::Option { short, long, .. }, Some(slot)) = (&element.kind, given.0.get_mut(id)) {
            let (short, long) = names(*short, long.as_deref());
            let name = if long.is_empty() { short } else { long };
            *slot = occurrences(&matches, &name, elements.takes_value(id));
        }
    }
    let last = args
        .last()
        .is_some_and(|a| a == "--")
        .then_some(matches.free.len());
    Ok(Split {
        given,
        dashes: matches.free_trailing_start().or(last),
        words: matches.free,
    })
}

fn occurrences(matches: &Matches, name: &str, takes_value: bool) -> Vec<String> {
    if takes_value {
        return matches.opt_strs(name);
    }
    vec![String::new(); matches.opt_count(name)]
}

/// Names as `getopts` wants them: it treats a long name of one letter as a short one.
fn names(short: Option<char>, long: Option<&str>) -> (String, String) {
    let mut short = short.map(String::from).unwrap_or_default();
    let mut long = long.unwrap_or_default().to_string();
    if long.len() == 1 {
        if short.is_empty() {
            short = std::mem::take(&mut long);
        } else {
            long.clear();
        }
    }
    (short, long)
}

fn explain(fail: &Fail, elements: &Elements) -> String {
    match fail {
        Fail::UnrecognizedOption(name) => {
            let known = elements.options().filter_map(|(_, e)| long_name(e));
            let message = format!("Unknown flag: '{}'", dashed(name));
            match suggest::closest(name, known).filter(|_| name.chars().count() > 2) {
                Some(near) => format!("{message}. Did you mean '--{near}'?"),
                None => message,
            }
        }
        Fail::ArgumentMissing(name) => format!("Flag '{}' needs a value.", dashed(name)),
        Fail::UnexpectedArgument(name) => format!("Flag '{}' does not take a value.", dashed(name)),
        Fail::OptionMissing(_) | Fail::OptionDuplicated(_) => "Invalid arguments.".to_string(),
    }
}

fn long_name(element: &Element) -> Option<&str> {
    match &element.kind {
        Kind::Option { long, .. } => long.as_deref(),
        Kind::Positional(_) | Kind::Word(_) => None,
    }
}

fn dashed(name: &str) -> String {
    if name.chars().count() == 1 {
        format!("-{name}")
    } else {
        format!("--{name}")
    }
}
