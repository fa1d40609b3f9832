//! Layers over one another become a root file system.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{Digest, Image, Layer, OciError};
use crate::sys::path::Root;
use crate::vagga::archive::{
    decompress, decompress_ahead, unpack_tar, ArchiveError, Options, Owners, Whiteouts, Writer,
};

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Entries written.
    pub entries: u64,
    /// Device nodes left out.
    pub devices: u64,
}

/// Unpacks all layers into `root`, `limit` bytes of content at most. `owners`: see [`Owners`].
///
/// Whiteouts hide only what lower layers have (OCI image specification, "Layer"): those of a layer are applied before
/// its entries are written, in whatever order the archive has them.
///
/// Errors: broken archives, names that lead out, a layer that is not what the configuration says.
pub fn unpack(image: &Image, root: &Root, owners: Owners, limit: u64) -> Result<Unpacked, OciError> {
    let mut done = Unpacked::default();
    let mut left = limit;
    for (n, layer) in image.layers.iter().enumerate() {
        if n > 0 {
            let whiteouts = Whiteouts::read(decompress(open(layer)?)?).map_err(|e| about(n, &e))?;
            whiteouts.apply(root).map_err(|e| about(n, &e))?;
        }
        let summary = unpack_layer(layer, root, (owners, left), n)?;
        left = left.saturating_sub(summary.bytes);
        done.entries += summary.entries;
        done.devices += summary.devices;
    }
    Ok(done)
}

fn unpack_layer(
    layer: &Layer,
    root: &Root,
    (owners, limit): (Owners, u64),
    n: usize,
) -> Result<crate::vagga::archive::Summary, OciError> {
    let options = Options {
        owners,
        layer: true,
        limit,
        ..Options::default()
    };
    let writer = Writer::new(root, Path::new("/"), &options).map_err(|e| about(n, &e))?;
    let mut plain = Hashing {
        inner: decompress_ahead(open(layer)?)?,
        hash: Sha256::new(),
    };
    let summary = unpack_tar(&mut plain, writer).map_err(|e| about(n, &e))?;
    let actual = Digest::from_hash(plain.hash);
    layer.diff_id.check(&actual, &format!("layer {}", n + 1))?;
    Ok(summary)
}

fn open(layer: &Layer) -> io::Result<File> {
    File::open(&layer.path)
}

impl From<io::Error> for OciError {
    fn from(e: io::Error) -> OciError {
        OciError::new(format!("can't read a layer: {e}"))
    }
}

fn about(n: usize, error: &ArchiveError) -> OciError {
    OciError::new(format!("layer {}: {error}", n + 1))
}

/// Hashes what is read through it.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.hash.update(buf.get(..n).unwrap_or_default());
        Ok(n)
    }
}
