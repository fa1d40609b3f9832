//! Built images as files: what is in them (`index.ds1`), whether that is still true, what they share, and how they
//! travel from one machine to another.
//!
//! Nothing here builds. Content of an image is read and written by descriptor beneath its root; whatever comes from
//! elsewhere (an index, an archive, a manifest) is checked before it is used.

mod blake3;
pub mod digest;
mod ids;
pub mod index;
mod linker;
pub mod manifest;
pub mod pack;
pub mod push;
pub mod scan;
pub mod share;
pub mod verify;

use std::path::Path;

use crate::sys::path::Root;
use digest::HashKind;

pub use ids::View;

/// Name of the index in the directory of an image.
pub const INDEX: &str = "index.ds1";

/// Makes the index of the files below `root` and puts it into the directory `dir`, atomically. To be called with the
/// ids of the container, or the owners in it would mean nothing.
pub fn write_index(root: &Root, dir: &Path) -> std::io::Result<()> {
    let text = scan::scan(root, HashKind::Blake2b, index::BLOCK_SIZE)?;
    crate::sys::fs::replace(&dir.join(INDEX), text.as_bytes(), 0o644)
}
