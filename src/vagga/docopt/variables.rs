//! What was read, as environment variables for the command.

use super::element::{Element, Elements, Kind};

/// `VAGGAOPT_NAME` and `VAGGACLI_NAME` for every element. When two elements share a name, the one that was given wins.
pub(super) fn variables(elements: &Elements, values: &[Vec<String>]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String, String)> = Vec::new();
    for (element, values) in elements.0.iter().zip(values) {
        let name = variable_name(element);
        let (plain, shell) = (plain(element, values), shell(element, values));
        match found.iter_mut().find(|(n, ..)| *n == name) {
            Some(slot) if slot.1.is_empty() && slot.2.is_empty() => *slot = (name, plain, shell),
            Some(_) => {}
            None => found.push((name, plain, shell)),
        }
    }
    let pair = |(name, plain, shell)| {
        [
            (format!("VAGGAOPT_{name}"), plain),
            (format!("VAGGACLI_{name}"), shell),
        ]
    };
    found.into_iter().flat_map(pair).collect()
}

/// Upper case, dashes as underscores; what an environment cannot hold becomes an underscore too.
fn variable_name(element: &Element) -> String {
    let name = match &element.kind {
        Kind::Option { long: Some(long), .. } => long.clone(),
        Kind::Option { short, .. } => short.map(String::from).unwrap_or_default(),
        Kind::Positional(name) | Kind::Word(name) => name.clone(),
    };
    name.to_uppercase().replace(['-', '=', '\0'], "_")
}

/// The canonical spelling of an option: the long one if there is one.
fn spelling(element: &Element) -> String {
    element.spellings().pop().unwrap_or_default()
}

/// `VAGGAOPT_NAME`.
fn plain(element: &Element, values: &[String]) -> String {
    match (&element.kind, values.len()) {
        (_, 0) => String::new(),
        (
            Kind::Option {
                takes_value: true, ..
            }
            | Kind::Positional(_),
            _,
        ) => values.join(" "),
        (_, n) if element.repeatable => n.to_string(),
        _ => "true".to_string(),
    }
}

/// `VAGGACLI_NAME`: text that `eval` turns into the same arguments again.
fn shell(element: &Element, values: &[String]) -> String {
    let n = values.len();
    if n == 0 {
        return String::new();
    }
    match &element.kind {
        Kind::Option {
            takes_value: true, ..
        } => {
            let name = spelling(element);
            let pair = |v: &String| format!("{name} {}", escape(v));
            values.iter().map(pair).collect::<Vec<_>>().join(" ")
        }
        Kind::Option {
            long: None, short, ..
        } => {
            format!("-{}", String::from(short.unwrap_or_default()).repeat(n))
        }
        Kind::Option { .. } => vec![spelling(element); n].join(" "),
        Kind::Positional(_) if element.repeatable => {
            values.iter().map(|v| format!(" {}", escape(v))).collect()
        }
        Kind::Positional(_) => values.iter().map(|v| escape(v)).collect(),
        Kind::Word(word) => vec![word.clone(); n].join(" "),
    }
}

/// Quotes a word for a POSIX shell; words of harmless characters stay as they are.
pub fn escape(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-".contains(c);
    if word.is_empty() {
        "''".to_string()
    } else if word.chars().all(harmless) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\"'\"'"))
    }
}
