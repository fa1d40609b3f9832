//! The tables of keys of `vagga.yaml` and of the settings: names, kinds, defaults, one line of documentation.
//!
//! Checking, defaults, the suggestion for a misspelt key and the JSON schema come from these tables. They have to
//! agree with the types of the room above; a test decodes a document that holds only defaults.

pub mod command;
pub mod container;
pub mod settings;
pub mod step;
pub mod step_keys;
pub mod volume;

use crate::config::schema::{optional, with, Default, Key, KeyRule, Kind, PathRule, Structure};

pub use settings::{PROJECT_SETTINGS, SITE_SETTINGS, USER_SETTINGS};

/// A whole configuration file.
pub const CONFIG: Kind = Kind::Structure(&Structure {
    keys: &[CONFIG_KEYS],
    scalar: None,
});

const CONFIG_KEYS: &[Key] = &[
    optional(
        "minimum_vagga",
        Kind::Text,
        "Version of vagga that the file demands.",
    ),
    with(
        "mixins",
        Kind::List(&Kind::Path(PathRule::Any)),
        Default::List,
        "Further files whose commands and containers are taken over; later ones win.",
    ),
    with(
        "commands",
        Kind::Map(KeyRule::Any, &command::MAIN),
        Default::Map,
        "Commands by name.",
    ),
    with(
        "containers",
        Kind::Map(KeyRule::Any, &container::CONTAINER),
        Default::Map,
        "Containers by name.",
    ),
];

/// Largest id that fits the kernel's type.
const MAX_ID: i64 = u32::MAX as i64;

/// A user or group id.
const ID: Kind = Kind::Number { min: 0, max: MAX_ID };
/// Bytes.
const SIZE: Kind = Kind::Number {
    min: 0,
    max: i64::MAX,
};
/// Permission bits with set-id and sticky bits.
const MODE: Kind = Kind::Number { min: 0, max: 0o1777 };
const ABSOLUTE: Kind = Kind::Path(PathRule::Absolute);
const RELATIVE: Kind = Kind::Path(PathRule::Relative);
const PATH: Kind = Kind::Path(PathRule::Any);
const ENVIRON: Kind = Kind::Map(KeyRule::Any, &Kind::Text);
const STRINGS: Kind = Kind::List(&Kind::Text);
const RANGES: Kind = Kind::List(&Kind::IdRange);
