//! Option descriptions: lines beginning with `-`, their defaults, and vagga's own section.

use super::element::{Element, Elements, Kind};
use super::lexer::{self, Token};

/// Reads all option descriptions of a part of the text.
pub(super) fn read(elements: &mut Elements, text: &str) -> Result<(), String> {
    let mut last = None;
    for line in text.lines() {
        let line = strip_header(line.trim());
        if is_option(line) {
            let id = elements.add(parse(line)?);
            check_names(elements, id)?;
            last = Some(id);
        }
        if let Some(value) = default_of(line)? {
            set_default(elements, last, value, line)?;
        }
    }
    Ok(())
}

/// Adds vagga's own options. Names that the user's text uses for something else are left out.
pub(super) fn add_builtin(elements: &mut Elements, text: &str) -> Result<(), String> {
    for line in text.lines().map(str::trim).filter(|l| is_option(l)) {
        let mut element = parse(line)?;
        element.builtin = true;
        if let Kind::Option { short, long, .. } = &mut element.kind {
            if long.as_deref().is_some_and(|l| elements.find_long(l).is_some()) {
                continue;
            }
            *short = short.filter(|s| elements.find_short(*s).is_none());
        }
        elements.add(element);
    }
    Ok(())
}

fn strip_header(line: &str) -> &str {
    match line.get(..8) {
        Some(head) if head.eq_ignore_ascii_case("options:") => line.get(8..).unwrap_or_default().trim(),
        _ => line,
    }
}

/// `-x…` or `--x…`, but neither a list item (`- x`) nor a rule (`-----`).
fn is_option(line: &str) -> bool {
    let name = line.strip_prefix("--").or_else(|| line.strip_prefix('-'));
    name.and_then(|n| n.chars().next())
        .is_some_and(|c| c.is_alphanumeric() || matches!(c, '?' | '#' | '@' | '_'))
}

/// One description line: `-k, --keyword <expr> ...  text`.
fn parse(line: &str) -> Result<Element, String> {
    let end = [line.find("  "), line.find('\t')].into_iter().flatten().min();
    let names = line.get(..end.unwrap_or(line.len())).unwrap_or(line);
    let (mut short, mut long, mut takes_value, mut repeatable) = (None, None, false, false);
    for token in lexer::tokens(names)? {
        let word = match token {
            Token::Dots => {
                repeatable = true;
                continue;
            }
            Token::Word(word) => word.trim_end_matches(','),
            _ => {
                return Err(format!(
                    "brackets are not understood in the option description {names:?}"
                ))
            }
        };
        if let Some(rest) = word.strip_prefix("--") {
            let (name, value) = split_value(rest);
            takes_value |= check_value(value, names)?;
            set_once(&mut long, name.to_string(), "long", names)?;
        } else if let Some(rest) = word.strip_prefix('-').filter(|r| !r.is_empty()) {
            let (letter, value) = split_short(rest)?;
            takes_value |= check_value(value, names)?;
            set_once(&mut short, letter, "short", names)?;
        } else if !word.is_empty() {
            takes_value |= check_value(Some(word), names)?;
        }
    }
    let mut element = Element::option(short, long, takes_value);
    element.repeatable = repeatable;
    element.described = true;
    Ok(element)
}

/// `name=<x>` gives both parts.
pub(super) fn split_value(word: &str) -> (&str, Option<&str>) {
    match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    }
}

/// `x`, `x=<y>` or `x<y>`.
fn split_short(word: &str) -> Result<(char, Option<&str>), String> {
    let letter = word.chars().next().unwrap_or('-');
    check_letter(letter)?;
    let rest = word.get(letter.len_utf8()..).unwrap_or_default();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Ok((letter, (!rest.is_empty()).then_some(rest)))
}

/// Short options are one visible ASCII character.
pub(super) fn check_letter(letter: char) -> Result<(), String> {
    if letter.is_ascii_graphic() && letter != '-' {
        return Ok(());
    }
    Err(format!("{:?} cannot be a short option", format!("-{letter}")))
}

fn check_value(value: Option<&str>, names: &str) -> Result<bool, String> {
    match value {
        None => Ok(false),
        Some(word) if lexer::positional(word).is_some() => Ok(true),
        Some(word) => Err(format!(
            "{word:?} in the option description {names:?} is neither ARG nor <arg> \
             (two spaces must stand before the explanation)"
        )),
    }
}

fn set_once<T: PartialEq>(slot: &mut Option<T>, value: T, what: &str, names: &str) -> Result<(), String> {
    if slot.replace(value).is_some() {
        return Err(format!("two {what} forms in the option description {names:?}"));
    }
    Ok(())
}

/// Refuses names without letters and names described before.
fn check_names(elements: &Elements, id: usize) -> Result<(), String> {
    let Some(Element {
        kind: Kind::Option { short, long, .. },
        ..
    }) = elements.0.get(id)
    else {
        return Ok(());
    };
    let twice = |name: String| Err(format!("option {name:?} is described twice"));
    if let Some(letter) = short {
        if elements.find_short(*letter) != Some(id) {
            return twice(format!("-{letter}"));
        }
    }
    if let Some(name) = long {
        if name.is_empty() {
            return Err("an option needs a name".to_string());
        }
        if elements.find_long(name) != Some(id) {
            return twice(format!("--{name}"));
        }
    }
    Ok(())
}

/// The value of `[default: v]` in a line.
fn default_of(line: &str) -> Result<Option<&str>, String> {
    const MARK: &str = "[default:";
    let Some(at) = line.to_ascii_lowercase().find(MARK) else {
        return Ok(None);
    };
    let value = line.get(at + MARK.len()..).unwrap_or_default();
    match value.split_once(']') {
        Some((value, _)) => Ok(Some(value.trim())),
        None => Err(format!("`[default:` without `]` in {line:?}")),
    }
}

fn set_default(elements: &mut Elements, last: Option<usize>, value: &str, line: &str) -> Result<(), String> {
    let element = last.and_then(|id| elements.0.get_mut(id));
    let Some(Element {
        kind: Kind::Option {
            takes_value, default, ..
        },
        ..
    }) = element
    else {
        return Err(format!("a default stands before the first option: {line:?}"));
    };
    if !*takes_value {
        return Err(format!("a default for an option without value: {line:?}"));
    }
    if default.replace(value.to_string()).is_some() {
        return Err(format!("a second default for the same option: {line:?}"));
    }
    Ok(())
}
