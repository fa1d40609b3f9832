//! Paths of the storage, as seen by somebody who does not trust them.
//!
//! The storage of a project usually is `PROJECT/.vagga`, and the project is writable in every container: a program
//! may replace any directory of it by a link to somewhere else. So these paths are resolved beneath a directory
//! that programs cannot reach from above, and links cannot lead out of it.

use std::io;
use std::path::{Path, PathBuf};

use crate::container::Source;
use crate::sys::path::Root;
use crate::vagga::storage::Storage;

/// A path of the storage: `path` beneath `anchor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    anchor: PathBuf,
    path: PathBuf,
}

impl Stored {
    /// `path` must be below the storage (or it is taken as it is). The anchor is the project, if the storage is in it.
    pub fn new(project: &Path, storage: &Storage, path: &Path) -> Stored {
        for anchor in [project, &storage.base] {
            if let Ok(rest) = path.strip_prefix(anchor) {
                return Stored {
                    anchor: anchor.into(),
                    path: rest.into(),
                };
            }
        }
        Stored {
            anchor: path.into(),
            path: PathBuf::new(),
        }
    }

    /// What lies below.
    pub fn join(&self, name: impl AsRef<Path>) -> Stored {
        Stored {
            anchor: self.anchor.clone(),
            path: self.path.join(name),
        }
    }

    /// The directory itself, opened.
    pub fn open(&self) -> io::Result<Root> {
        Root::open(&self.anchor)?.sub(&self.path)
    }

    /// As source of a mount.
    pub fn source(&self) -> Source {
        Source::Beneath {
            dir: self.anchor.clone(),
            path: self.path.clone(),
        }
    }

    /// For messages.
    pub fn full(&self) -> PathBuf {
        self.anchor.join(&self.path)
    }
}
