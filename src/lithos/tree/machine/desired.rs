//! What should run, as the machine knows it: plain data, made from the configuration by `reading`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_derive::{Deserialize, Serialize};

/// One container that should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `SB/PROC.N`.
    pub name: String,
    /// Instance configuration; its bytes are the identity of a running container.
    pub json: String,
    /// Shortest time between two starts, milliseconds.
    pub restart_timeout: u64,
    /// Growing delays for what keeps failing.
    #[serde(default)]
    pub backoff: Option<Backoff>,
    /// The knot says when the service is ready; otherwise it is as soon as it runs.
    #[serde(default)]
    pub waits: bool,
    /// Listening sockets of the host that the container gets.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// While it runs its next container is to be prepared.
    #[serde(default)]
    pub standby: bool,
}

/// Delays that double with each end in quick succession.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// Longest delay, milliseconds; what lived longer begins anew.
    pub max: u64,
    /// Up to this share of the delay is added at random, percent.
    pub jitter: u32,
}

/// A listening socket for one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its number in the process.
    pub fd: i32,
    /// `SO_REUSEADDR`.
    pub reuse_addr: bool,
    /// A socket of its own for each process, with `SO_REUSEPORT`.
    pub reuse_port: bool,
    /// `O_NONBLOCK`.
    pub non_block: bool,
    /// Argument of listen(2).
    pub backlog: i32,
    /// Owner of the socket's inode on the host.
    pub uid: u32,
    /// Group of the socket's inode on the host.
    pub gid: u32,
}

/// One entry of a processes file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Instances 0, 1, … in their order.
    pub instances: Vec<Instance>,
    /// Instances with the numbers after those, which run only while others are replaced (`max-surge`).
    #[serde(default)]
    pub spares: Vec<Instance>,
    /// Replace a few at a time: how many may be missing meanwhile. `None`: all at once.
    #[serde(default)]
    pub max_unavailable: Option<usize>,
}

/// What reading a part of the configuration gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<T> {
    /// It says this; what is not in it has been removed.
    Good(T),
    /// It could not be read or breaks a rule: what was good last stays in force.
    Broken(String),
}

/// The daemon entries of one sandbox by name.
pub type Entries = BTreeMap<String, Reading<Entry>>;
/// All sandboxes by name.
pub type Readings = Reading<BTreeMap<String, Reading<Entries>>>;

impl Entry {
    /// The instance with a number, spares included.
    pub fn instance(&self, index: u32) -> Option<&Instance> {
        self.instances
            .iter()
            .chain(&self.spares)
            .nth(usize::try_from(index).ok()?)
    }
}

/// `SB/PROC` and `N` of a container's name.
pub fn split_name(name: &str) -> Option<(&str, u32)> {
    let (entry, index) = name.rsplit_once('.')?;
    let (sandbox, process) = entry.split_once('/')?;
    let canonical = index.parse::<u32>().ok()?.to_string() == index;
    (canonical && !sandbox.is_empty() && !process.is_empty()).then_some((entry, index.parse().ok()?))
}

/// What a set of readings says about an entry `SB/PROC`.
pub(super) enum Word {
    /// Nothing reliable.
    Nothing,
    /// It is not there.
    Removed,
    /// It should be this.
    Is(Entry),
}

/// Looks an entry up.
pub(super) fn word_about(readings: &Readings, key: &str) -> Word {
    let (Reading::Good(sandboxes), Some((sandbox, process))) = (readings, key.split_once('/')) else {
        return Word::Nothing;
    };
    match sandboxes.get(sandbox) {
        None => Word::Removed,
        Some(Reading::Broken(_)) => Word::Nothing,
        Some(Reading::Good(entries)) => match entries.get(process) {
            None => Word::Removed,
            Some(Reading::Broken(_)) => Word::Nothing,
            Some(Reading::Good(entry)) => Word::Is(entry.clone()),
        },
    }
}

/// Keys `SB/PROC` of all entries that could be read.
pub(super) fn good_keys(readings: &Readings) -> Vec<String> {
    let Reading::Good(sandboxes) = readings else {
        return Vec::new();
    };
    let mut keys = Vec::new();
    for (sandbox, entries) in sandboxes {
        let Reading::Good(entries) = entries else { continue };
        let good = entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Reading::Good(_)));
        keys.extend(good.map(|(process, _)| format!("{sandbox}/{process}")));
    }
    keys
}
