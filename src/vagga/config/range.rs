//! Ranges of user and group ids as written in `uids:` and `gids:`.

use serde_derive::{Deserialize, Serialize};

/// A half-open range of ids, `start..end`. Written `N` or `A-B` (inclusive) in YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// First id of the range.
    pub start: u32,
    /// One past the last id.
    pub end: u32,
}

impl IdRange {
    /// Number of ids in the range.
    pub fn len(&self) -> u32 {
        self.end - self.start
    }

    /// True when the range holds no id.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}

/// The documented default, ids 0 to 65535.
pub fn default_ranges() -> Vec<IdRange> {
    vec![IdRange { start: 0, end: 65536 }]
}
