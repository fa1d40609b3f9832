//! Counters of the tree as plain numbers: the machine adds, whoever publishes metrics reads. Nothing here decides.

use std::collections::BTreeMap;

use serde_derive::{Deserialize, Serialize};

/// Counters of one entry `SB/PROC`; they grow as long as the entry is configured, also over reloads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Starts, failed ones included.
    pub started: u64,
    /// Ends of containers, failed starts included.
    pub deaths: u64,
    /// Those of the ends that count as failures.
    pub failures: u64,
    /// Ends with a process killed for want of memory.
    pub ooms: u64,
    /// Starts after an end that nobody wished for, in place or anew.
    pub restarts: u64,
    /// Containers alive now.
    pub running: u64,
    /// The last start, milliseconds of the monotonic clock; 0 = none.
    pub last_start: u64,
}

/// Everything counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Starts of the tree, reloads included.
    pub restarts: u64,
    /// Sandbox files read.
    pub sandboxes: u64,
    /// Daemon instances configured.
    pub containers: u64,
    /// Delayed starts.
    pub queue: u64,
    /// Knots that nobody supervises.
    pub unknown: u64,
    /// Containers that wait to follow another one.
    pub standbys: u64,
    /// Turns of the main loop.
    pub turns: u64,
    /// Sums of the entries, of those that are gone as well.
    pub total: Counts,
    /// By `SB/PROC`.
    pub entries: BTreeMap<String, Counts>,
}

impl Figures {
    /// Changes the counts of an entry and the totals alike.
    pub fn count(&mut self, entry: &str, change: impl Fn(&mut Counts)) {
        change(&mut self.total);
        match self.entries.get_mut(entry) {
            Some(counts) => change(counts),
            None => change(self.entries.entry(entry.to_string()).or_default()),
        }
    }
}
