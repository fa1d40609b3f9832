//! How to unpack: owners, the part that is wanted, the rules of packages.

use std::collections::HashSet;
use std::path::PathBuf;

/// Who owns what is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Everything belongs to root.
    Root,
    /// The ids of the archive.
    Keep,
    /// The ids of the archive where they are mapped, root otherwise (single-id mode).
    KeepWherePossible,
}

/// How to unpack.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who owns the entries.
    pub owners: Owners,
    /// Only this sub-tree, its contents placed directly in the destination; empty or `.` = everything.
    pub subdir: PathBuf,
    /// Paths (as in the archive) that are left out together with everything below them.
    pub skip: Vec<PathBuf>,
    /// The archive is a Debian package.
    pub package: Option<Package>,
    /// The archive is a layer over what is there: it replaces directories by other things and the other way round, says
    /// what mode and owner directories have, and its whiteouts are no files.
    pub layer: bool,
    /// What the archive says of its top is said of the destination: mode, owner, time, attributes.
    pub top: bool,
    /// Most bytes of content that are written; what becomes holes does not count. More are an error: an archive of a few
    /// megabytes can unpack to a full disk.
    pub limit: u64,
}

/// Default of [`Options::limit`] and of the setting `max-unpacked-size`: 64 GiB.
pub const UNPACKED_LIMIT: u64 = 64 << 30;

impl Default for Options {
    fn default() -> Options {
        Options {
            owners: Owners::Root,
            subdir: PathBuf::new(),
            skip: Vec::new(),
            package: None,
            layer: false,
            top: false,
            limit: UNPACKED_LIMIT,
        }
    }
}

/// The files of a package go where dpkg puts them when a system is new: a directory in the place of a link stays, a
/// configuration file gets the suffix `.dpkg-new` until it is configured, directories have no time of their own.
/// There are no devices and pipes in packages. All names are listed in [`super::Summary::list`].
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// Configuration files, relative to the destination.
    pub conffiles: HashSet<PathBuf>,
}
