//! `processes/SB.yaml`: which images run, how many times, with what values.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_derive::{Deserialize, Serialize};

use super::Level;
use crate::config::schema::{required, strings, with, Default, Key, KeyRule, Kind, Structure};

const KEYS: &[Key] = &[
    required("image", Kind::Text, "Image directory, relative to image-dir."),
    required(
        "config",
        Kind::Text,
        "Container file, an absolute path in the image.",
    ),
    with("instances", COUNT, Default::Number(1), "Number of containers."),
    with(
        "kind",
        Kind::Choice(&["Daemon", "Command"]),
        Default::Text("Daemon"),
        "Supervised, or for lithos_cmd.",
    ),
    with(
        "variables",
        Kind::Map(KeyRule::Any, &Kind::Text),
        Default::Map,
        "Values of variables.",
    ),
    strings(
        "extra_secrets_namespaces",
        "Namespaces of secrets besides those of the sandbox.",
    ),
    with(
        "ip_addresses",
        Kind::List(&Kind::IpAddress),
        Default::List,
        "Address of each instance.",
    ),
    with(
        "max_surge",
        COUNT,
        Default::Number(0),
        "Instances beyond the number during an upgrade.",
    ),
    with(
        "max_unavailable",
        COUNT,
        Default::Number(0),
        "Instances that may be missing during an upgrade; 0 with max-surge 0: all at once.",
    ),
    with(
        "standby",
        Kind::Bool,
        Default::Bool(false),
        "Keep the next container of each instance prepared: restarts take it.",
    ),
];

/// A number of instances.
const COUNT: Kind = Kind::Integer { min: 0, max: 100_000 };

/// Whether an entry is supervised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessKind {
    /// By the tree.
    Daemon,
    /// Run by hand with `lithos_cmd`.
    Command,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProcessEntry {
    /// Directory below `image-dir`.
    pub image: String,
    /// Path in the image.
    pub config: String,
    /// Number of containers; commands have none.
    pub instances: u32,
    /// Supervised or not.
    pub kind: ProcessKind,
    /// Values of variables.
    pub variables: BTreeMap<String, String>,
    /// Namespaces of secrets.
    pub extra_secrets_namespaces: Vec<String>,
    /// Address N is that of instance N.
    pub ip_addresses: Vec<IpAddr>,
    /// Instances beyond the number while upgrading.
    pub max_surge: u32,
    /// Instances that may be missing while upgrading. Both 0: all are replaced at once.
    pub max_unavailable: u32,
    /// The next container of each instance is kept prepared.
    pub standby: bool,
}

/// The checked file: entries by name.
pub type Processes = BTreeMap<String, ProcessEntry>;

impl Level for Processes {
    const KIND: Kind = Kind::Map(
        KeyRule::Any,
        &Kind::Structure(&Structure {
            keys: &[KEYS],
            scalar: None,
        }),
    );
}
