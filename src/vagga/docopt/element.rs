//! The things a usage text speaks of: options, positional arguments, literal words.

use super::matcher::Given;

/// What an element is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// `-x`, `--xyz` or both.
    Option {
        /// The letter, ASCII.
        short: Option<char>,
        /// The name without dashes.
        long: Option<String>,
        /// A value must follow.
        takes_value: bool,
        /// `[default: …]`.
        default: Option<String>,
    },
    /// `<x>` or `X`, without the angle brackets.
    Positional(String),
    /// A literal word: commands, `-`, `--`.
    Word(String),
}

/// One element of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// What it is.
    pub kind: Kind,
    /// May occur more than once.
    pub repeatable: bool,
    /// Has a description, so `[options]` stands for it too.
    pub described: bool,
    /// Added by vagga.
    pub builtin: bool,
}

impl Element {
    /// An option without description.
    pub fn option(short: Option<char>, long: Option<String>, takes_value: bool) -> Element {
        Element {
            kind: Kind::Option {
                short,
                long,
                takes_value,
                default: None,
            },
            repeatable: false,
            described: false,
            builtin: false,
        }
    }

    fn other(kind: Kind) -> Element {
        Element {
            kind,
            repeatable: false,
            described: false,
            builtin: false,
        }
    }

    /// `-x` and `--xyz`, short form first.
    pub fn spellings(&self) -> Vec<String> {
        match &self.kind {
            Kind::Option { short, long, .. } => {
                let short = short.map(|c| format!("-{c}"));
                short
                    .into_iter()
                    .chain(long.as_ref().map(|l| format!("--{l}")))
                    .collect()
            }
            Kind::Positional(_) | Kind::Word(_) => Vec::new(),
        }
    }
}

/// All elements of one text; an element is named by its index.
#[derive(Debug, Clone, Default)]
pub(super) struct Elements(pub Vec<Element>);

impl Elements {
    /// Appends and returns the index.
    pub fn add(&mut self, element: Element) -> usize {
        self.0.push(element);
        self.0.len() - 1
    }

    /// The options with their indices.
    pub fn options(&self) -> impl Iterator<Item = (usize, &Element)> {
        self.0
            .iter()
            .enumerate()
            .filter(|(_, e)| matches!(e.kind, Kind::Option { .. }))
    }

    /// The option with this letter.
    pub fn find_short(&self, letter: char) -> Option<usize> {
        self.options()
            .find(|(_, e)| matches!(&e.kind, Kind::Option { short, .. } if *short == Some(letter)))
            .map(|(id, _)| id)
    }

    /// The option with this long name.
    pub fn find_long(&self, name: &str) -> Option<usize> {
        self.options()
            .find(|(_, e)| matches!(&e.kind, Kind::Option { long, .. } if long.as_deref() == Some(name)))
            .map(|(id, _)| id)
    }

    /// vagga's own option with this long name.
    pub fn builtin(&self, name: &str) -> Option<usize> {
        self.find_long(name)
            .filter(|id| self.0.get(*id).is_some_and(|e| e.builtin))
    }

    /// The positional argument or word; added on first mention.
    pub fn intern(&mut self, kind: Kind) -> usize {
        match self.0.iter().position(|e| e.kind == kind) {
            Some(id) => id,
            None => self.add(Element::other(kind)),
        }
    }

    /// True for options without value.
    pub fn is_flag(&self, id: usize) -> bool {
        matches!(
            self.0.get(id).map(|e| &e.kind),
            Some(Kind::Option {
                takes_value: false,
                ..
            })
        )
    }

    /// True for options with value.
    pub fn takes_value(&self, id: usize) -> bool {
        matches!(
            self.0.get(id).map(|e| &e.kind),
            Some(Kind::Option {
                takes_value: true,
                ..
            })
        )
    }

    /// How often the element may be taken at one place.
    pub fn is_repeatable(&self, id: usize) -> bool {
        self.0.get(id).is_some_and(|e| e.repeatable)
    }

    /// Values of every element: those given, else the default. Flags have one empty value for each occurrence.
    pub fn values(&self, given: &Given, words: &[(usize, String)]) -> Vec<Vec<String>> {
        let mut values: Vec<Vec<String>> = vec![Vec::new(); self.0.len()];
        for (id, word) in words {
            if let Some(list) = values.get_mut(*id) {
                list.push(word.clone());
            }
        }
        for (id, element) in self.options() {
            let Some(list) = values.get_mut(id) else { continue };
            *list = given.values(id).to_vec();
            if let (
                true,
                Kind::Option {
                    default: Some(text), ..
                },
            ) = (list.is_empty(), &element.kind)
            {
                *list = if element.repeatable {
                    text.split_whitespace().map(String::from).collect()
                } else {
                    vec![text.clone()]
                };
            }
        }
        values
    }
}
