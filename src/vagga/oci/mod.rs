//! OCI images: what `!FromImage` starts from and what `_export_oci` writes.
//!
//! An image is a manifest that names a configuration and layers by digest (OCI image specification 1.1). It comes from
//! a registry (OCI distribution specification 1.1), from a directory in OCI layout, or from an archive of such a
//! directory or of `docker save`. Nothing is believed before its digest is checked: not the manifest, not the layers as
//! they are sent, not what they unpack to. Layers are unpacked by the confined writer of archives.

mod challenge;
mod credentials;
mod digest;
pub mod export;
mod image;
mod layout;
mod name;
mod registry;
mod rootfs;

pub use digest::Digest;
pub use image::{Configuration, Descriptor, Image, Index, Layer, Manifest, Platform};
pub use layout::Layout;
pub use name::{Name, Source};
pub use registry::Registry;
pub use rootfs::{unpack, Unpacked};

use std::fmt;

/// Largest index, manifest or configuration accepted, in bytes (registries accept 4 MiB).
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// Most layers of an image.
pub const MAX_LAYERS: usize = 1000;

/// Why an image could not be had: one line that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciError {
    /// What went wrong with what.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl OciError {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> OciError {
        OciError {
            message: message.into(),
            hint: None,
        }
    }

    /// The same error with a remedy.
    pub fn with_hint(mut self, hint: impl Into<String>) -> OciError {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for OciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for OciError {}
