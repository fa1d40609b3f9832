//! Ranges and maps of user and group ids.

use serde_derive::{Deserialize, Serialize};

use crate::config::schema::{required, Key, Kind, Structure};

/// Kind of a list of ranges, `N` or `N-M`.
pub const RANGES: Kind = Kind::List(&Kind::IdRange);
/// Kind of a list of `{inside, outside, count}`.
pub const MAPS: Kind = Kind::List(&MAP);
/// A number that fits 32 bits.
pub const ID: Kind = Kind::Integer {
    min: 0,
    max: u32::MAX as i64,
};

const MAP: Kind = Kind::Structure(&Structure {
    keys: &[MAP_KEYS],
    scalar: None,
});

const MAP_KEYS: &[Key] = &[
    required("inside", ID, "First id in the container."),
    required("outside", ID, "First id on the host."),
    required("count", ID, "How many ids."),
];

/// Numbers from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// First.
    pub start: u32,
    /// One past the last.
    pub end: u32,
}

impl IdRange {
    /// Whether a number lies in it.
    pub fn contains(&self, id: u32) -> bool {
        (self.start..self.end).contains(&id)
    }
}

/// Whether a number lies in one of the ranges.
pub fn is_within(ranges: &[IdRange], id: u32) -> bool {
    ranges.iter().any(|range| range.contains(id))
}

/// A run of ids of a user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    /// First id in the container.
    pub inside: u32,
    /// First id on the host.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

impl IdMap {
    /// The id on the host of an id inside, if it is part of this run.
    pub fn to_outside(&self, id: u32) -> Option<u32> {
        let offset = id.checked_sub(self.inside)?;
        (offset < self.count)
            .then(|| self.outside.checked_add(offset))
            .flatten()
    }

    /// The last id on the host; `None` for an empty run or one beyond 32 bits.
    pub fn last_outside(&self) -> Option<u32> {
        self.outside.checked_add(self.count.checked_sub(1)?)
    }
}
