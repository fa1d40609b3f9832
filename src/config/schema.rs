//! The table of keys: what may stand where in a configuration, with defaults and one line of documentation.
//!
//! The tables are data. The checker walks them beside the document; a JSON schema and the manual can be made
//! from them too.

/// What a path has to look like. Nothing is looked up in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRule {
    /// Any text.
    Any,
    /// Must start with `/`.
    Absolute,
    /// Must start with `/`, or be `~` or begin with `~/`, which whoever reads the file replaces.
    Home,
    /// Must not start with `/` nor contain `..`.
    Relative,
}

/// What the keys of a free mapping have to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRule {
    /// Any text.
    Any,
    /// A path.
    Path(PathRule),
    /// A number from 1 to 65535.
    Port,
}

/// A kind of value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any scalar, verbatim.
    Text,
    /// Exactly `true` or `false`.
    Bool,
    /// A number with optional base prefix and unit, within the limits.
    Number {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// The same without the units of 10¹² and 2⁴⁰.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// Decimal digits only.
    Digits,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// An address and the length of a prefix, `10.0.0.0/8`; an address alone is a network of one host.
    IpNetwork,
    /// Anything, which is not looked at and read as null.
    Anything,
    /// A duration within these limits, see [`super::duration`]; a bare number means seconds. Read as
    /// milliseconds.
    Duration {
        /// Shortest, milliseconds.
        min: i64,
        /// Longest, milliseconds.
        max: i64,
    },
    /// A path.
    Path(PathRule),
    /// A path without rules; null means this one.
    PathDefault(&'static str),
    /// A range of ids, `N` or `N-M`; read as half-open `start` and `end`.
    IdRange,
    /// One of these words; dashes and underscores are interchangeable.
    Choice(&'static [&'static str]),
    /// A sequence of one kind.
    List(&'static Kind),
    /// The same with at least one element.
    FilledList(&'static Kind),
    /// A mapping whose keys are free.
    Map(KeyRule, &'static Kind),
    /// The kind or null.
    Nullable(&'static Kind),
    /// Text (read as `Shell`) or a sequence of strings with at least one element (read as `Command`).
    ShellOrCommand,
    /// A mapping with known keys.
    Structure(&'static Structure),
    /// A value with one of these tags; a value without any has the first tag if `default` says so.
    Tagged {
        /// The tags.
        variants: &'static [Variant],
        /// A missing tag means this one.
        default: Option<&'static str>,
    },
    /// No value.
    Nothing,
}

/// A mapping with known keys.
#[derive(Debug)]
pub struct Structure {
    /// Groups of keys, so that structures can share some.
    pub keys: &'static [&'static [Key]],
    /// A plain scalar means a mapping with only this key.
    pub scalar: Option<&'static str>,
}

/// A key of a structure.
#[derive(Debug)]
pub struct Key {
    /// Name with underscores; in files dashes are good too.
    pub name: &'static str,
    /// Another name that older manuals give it.
    pub other: Option<&'static str>,
    /// Kind of the value.
    pub kind: Kind,
    /// What holds when the key is missing.
    pub default: Default,
    /// One line for the manual.
    pub doc: &'static str,
}

/// What holds when a key is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// The key has to be there.
    Required,
    /// No value; null is accepted too.
    Null,
    /// A flag.
    Bool(bool),
    /// A number.
    Number(i64),
    /// A scalar.
    Text(&'static str),
    /// A path or text; null in the file switches it off.
    TextOrNull(&'static str),
    /// An empty sequence.
    List,
    /// A sequence of these words.
    Words(&'static [&'static str]),
    /// An empty mapping.
    Map,
    /// The half-open range of ids from 0 up to this one.
    Ids(u32),
    /// The tag without value.
    Tag(&'static str),
}

/// A tag and what it carries.
#[derive(Debug)]
pub struct Variant {
    /// Tag without the exclamation mark.
    pub tag: &'static str,
    /// Kind of the value.
    pub kind: Kind,
    /// One line for the manual.
    pub doc: &'static str,
}

impl Structure {
    /// All keys in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().flat_map(|group| group.iter())
    }

    /// The key that is written as `name`, with dashes or underscores.
    pub fn find(&self, name: &str) -> Option<&'static Key> {
        self.iter()
            .find(|key| is_spelled(key.name, name) || key.other.is_some_and(|other| is_spelled(other, name)))
    }
}

/// Whether a name stands for a key, whose underscores may be dashes.
fn is_spelled(key: &str, name: &str) -> bool {
    let mut bytes = key.bytes().zip(name.bytes());
    key.len() == name.len() && bytes.all(|(k, n)| k == n || (k == b'_' && n == b'-'))
}

impl Key {
    /// The same key with another name besides its own.
    pub const fn also(mut self, other: &'static str) -> Key {
        self.other = Some(other);
        self
    }
}

/// A key that has to be there.
pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    with(name, kind, Default::Required, doc)
}

/// A key whose absence, and null, means "not set".
pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    with(name, kind, Default::Null, doc)
}

/// A key with a default.
pub const fn with(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> Key {
    Key {
        name,
        other: None,
        kind,
        default,
        doc,
    }
}

/// A flag that is off by default.
pub const fn flag(name: &'static str, doc: &'static str) -> Key {
    with(name, Kind::Bool, Default::Bool(false), doc)
}

/// A sequence of strings, by default empty.
pub const fn strings(name: &'static str, doc: &'static str) -> Key {
    with(name, Kind::List(&Kind::Text), Default::List, doc)
}

/// A tag and its kind.
pub const fn variant(tag: &'static str, kind: Kind, doc: &'static str) -> Variant {
    Variant { tag, kind, doc }
}
