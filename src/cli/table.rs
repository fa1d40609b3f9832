//! The rows of a tool's table: options and positional arguments. What they mean (`K`) is the tool's, and what completion
//! offers for a word (`O`) may be.

/// What follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Flag,
    /// Nothing, and what else the command line says or lacks does not matter.
    Alone,
    /// One word, by its name in the help.
    One(&'static str),
    /// All words up to the next option.
    Many(&'static str),
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag<K> {
    /// Its meaning.
    pub key: K,
    /// All spellings, as typed.
    pub names: &'static [&'static str],
    /// What follows it.
    pub value: Value,
    /// May be given several times.
    pub repeat: bool,
    /// Text of the help.
    pub help: &'static str,
    /// How many of the spellings completion offers for a bare dash; the others follow once a letter is typed.
    pub offered: usize,
}

impl<K: Copy> Flag<K> {
    /// An option without value whose spellings are all offered.
    pub const fn new(key: K, names: &'static [&'static str], help: &'static str) -> Flag<K> {
        Flag {
            key,
            names,
            value: Value::Flag,
            repeat: false,
            help,
            offered: names.len(),
        }
    }

    /// With a value, repeatable.
    pub const fn takes(mut self, name: &'static str) -> Flag<K> {
        self.value = Value::One(name);
        self.repeat = true;
        self
    }

    /// With all following words.
    pub const fn takes_many(mut self, name: &'static str) -> Flag<K> {
        self.value = Value::Many(name);
        self.repeat = true;
        self
    }

    /// Only the first `n` spellings are offered for a bare dash.
    pub const fn offered(mut self, n: usize) -> Flag<K> {
        self.offered = n;
        self
    }
}

/// How many words a positional argument stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    Required,
    /// One or none.
    Optional,
    /// All that remain.
    Rest,
}

/// One positional argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positional<O> {
    /// Name in the help.
    pub name: &'static str,
    /// How many words.
    pub arity: Arity,
    /// Text of the help.
    pub help: &'static str,
    /// What completion offers.
    pub offer: O,
}
