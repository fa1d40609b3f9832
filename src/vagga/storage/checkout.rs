//! Where the files of repositories are kept that hold configurations (`!SubConfig` with `source: !Git`).
//!
//! They are in the cache of the project or of the user, by address and what was asked for. Who reads them takes them as
//! they are; only a build fetches.

use std::path::PathBuf;

use rustc_serialize::hex::ToHex;
use sha2::{Digest, Sha256};

use super::Storage;
use crate::vagga::config::step::Git;

impl Storage {
    /// The directory of all checkouts, `<cache>/git-config`. It may be missing.
    pub fn checkouts(&self) -> PathBuf {
        self.cache.join("git-config")
    }

    /// The directory of one, which is missing until it has been fetched.
    pub fn checkout(&self, source: &Git) -> PathBuf {
        let mut digest = Sha256::new();
        let words = [
            Some(&source.url),
            source.revision.as_ref(),
            source.branch.as_ref(),
        ];
        for word in words {
            // Which word is missing counts, too.
            digest.update(word.map_or(String::from("-"), |w| format!("+{w}")));
            digest.update([0]);
        }
        self.checkouts().join(digest.finalize().as_slice().to_hex())
    }
}
