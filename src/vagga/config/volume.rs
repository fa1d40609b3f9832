//! `volumes:` — what is mounted while a command runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_derive::{Deserialize, Serialize};

/// A volume by its tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Volume {
    /// A fresh tmpfs.
    Tmpfs(Tmpfs),
    /// A recursive writable bind of a path below `/work` or `/volumes`.
    BindRW(PathBuf),
    /// The same, read-only.
    BindRO(PathBuf),
    /// A subdirectory of the cache directory, created on demand.
    CacheDir(PathBuf),
    /// The directory of the vagga binary.
    VaggaBin,
    /// An empty read-only directory.
    Empty,
    /// A tmpfs filled with a copy of what it hides.
    Snapshot(Snapshot),
    /// The root of another container, read-only.
    Container(String),
    /// A directory kept between runs.
    Persistent(Persistent),
}

/// Options of `!Tmpfs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Size limit in bytes.
    pub size: u64,
    /// Permission bits of the root directory.
    pub mode: u32,
    /// Directories to create, by relative path, in path order.
    pub subdirs: BTreeMap<PathBuf, Subdir>,
    /// Files to create after the directories; `None` is an empty file.
    pub files: BTreeMap<PathBuf, Option<String>>,
}

/// Options of one entry of `!Tmpfs` `subdirs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subdir {
    /// Permission bits, 0o755 by default.
    pub mode: u32,
}

/// Options of `!Snapshot`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Size limit in bytes, the copy included.
    pub size: u64,
    /// Own every copied entry by this user id.
    pub owner_uid: Option<u32>,
    /// Own every copied entry by this group id.
    pub owner_gid: Option<u32>,
    /// Take the same path of another container's image.
    pub container: Option<String>,
}

/// Options of `!Persistent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Persistent {
    /// Volume id.
    pub name: String,
    /// Owner when the volume is created.
    pub owner_uid: u32,
    /// Group when the volume is created.
    pub owner_gid: u32,
    /// Command that fills the volume the first time.
    pub init_command: Option<String>,
}
