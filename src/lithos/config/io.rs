//! Ceilings of disk access, by path.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_derive::Deserialize;

use crate::config::schema::{optional, Key, KeyRule, Kind, PathRule, Structure};

/// Path to rates.
pub const RATES: Kind = Kind::Map(
    KeyRule::Path(PathRule::Absolute),
    &Kind::Structure(&Structure {
        keys: &[KEYS],
        scalar: None,
    }),
);

const RATE: Kind = Kind::Integer {
    min: 1,
    max: i64::MAX,
};

const KEYS: &[Key] = &[
    optional("read_bytes", RATE, "Most bytes read in a second."),
    optional("write_bytes", RATE, "Most bytes written in a second."),
    optional("read_operations", RATE, "Most reads in a second."),
    optional("write_operations", RATE, "Most writes in a second."),
];

/// Most that may be moved in a second; `None` is no ceiling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IoRates {
    /// Bytes.
    pub read_bytes: Option<u64>,
    /// Bytes.
    pub write_bytes: Option<u64>,
    /// Calls.
    pub read_operations: Option<u64>,
    /// Calls.
    pub write_operations: Option<u64>,
}

/// By path: of the host in a sandbox file, of a mount point in a container file.
pub type IoCeilings = BTreeMap<PathBuf, IoRates>;
