//! Archives: tar and zip read into a root by one confined writer.
//!
//! Nothing an archive says can write outside of the directory it is unpacked to: names with `..` are refused, absolute
//! names and links are taken relative to that directory, and links planted by earlier entries are resolved inside it.

mod ahead;
mod clerk;
mod compression;
mod content;
mod guard;
mod options;
mod sparse;
mod tar;
#[cfg(test)]
mod tests;
mod whiteouts;
mod writer;
mod zip;

pub use clerk::{Clerk, What};
pub use compression::{decompress, decompress_ahead};
pub use guard::Guard;
pub use options::{Options, Owners, Package, UNPACKED_LIMIT};
pub use tar::{unpack_tar, unpack_tar_with};
pub use whiteouts::Whiteouts;
pub use writer::{Meta, Writer};
pub use zip::unpack_zip;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why an archive could not be unpacked: one line that names the entry, if there is one, and the kind of the system's
/// error behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveError(pub String, pub io::ErrorKind);

impl ArchiveError {
    /// An error of the archive itself.
    pub fn new(text: impl Into<String>) -> ArchiveError {
        ArchiveError(text.into(), io::ErrorKind::InvalidData)
    }

    fn entry(name: &Path, error: &dyn fmt::Display) -> ArchiveError {
        ArchiveError::new(format!("{name:?}: {error}"))
    }

    fn io(name: &Path, error: &io::Error) -> ArchiveError {
        ArchiveError(format!("{name:?}: {error}"), error.kind())
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ArchiveError {}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> ArchiveError {
        ArchiveError(format!("can't read the archive: {error}"), error.kind())
    }
}

/// What an unpacking did and left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries written.
    pub entries: u64,
    /// Bytes of content written, without holes.
    pub bytes: u64,
    /// Device nodes left out: an unprivileged user cannot make them.
    pub devices: u64,
    /// Every name of a package, in its order and as dpkg lists it: a line each, beginning with `/`.
    pub list: String,
    /// Names at the top of what was unpacked, sorted, at most 64.
    pub top: Vec<PathBuf>,
}
