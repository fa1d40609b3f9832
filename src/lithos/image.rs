//! Files of an image, which is hostile: every path is resolved beneath the image by descriptor, and no file is believed
//! to have an end.

use std::io::Read;
use std::path::Path;

use nix::fcntl::OFlag;

use super::config::{self, Container, Sandbox};
use crate::sys::path::Root;

/// Largest file that is read, bytes.
pub const LARGEST: u64 = 1 << 20;

/// The directory of an image whose name has been checked against the sandbox.
///
/// Errors name the directory.
pub fn open(sandbox: &Sandbox, image: &str) -> Result<Root, String> {
    let path = sandbox.image_dir.join(image);
    // The last component may be a link by which the operator names a version; it is his.
    Root::open(&path).map_err(|e| format!("image {}: {e}", path.display()))
}

/// Reads and checks a container file.
///
/// Errors: the file cannot be read, or everything that is wrong in it, with places.
pub fn read_container(image: &Root, path: &str) -> Result<Container, String> {
    let (shown, bytes) = read(image, path)?;
    config::parse(&shown, &bytes).map_err(|problems| problems.to_string())
}

/// The bytes of a regular file of the image, and its path on the host for messages.
pub fn read(image: &Root, path: &str) -> Result<(String, Vec<u8>), String> {
    let shown = image
        .path()
        .join(path.trim_start_matches('/'))
        .display()
        .to_string();
    let fail = |why: &dyn std::fmt::Display| format!("{shown}: {why}");
    // A pipe would keep us waiting, a device would do who knows what.
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = image.open_with(Path::new(path), flags, 0).map_err(|e| fail(&e))?;
    let file = std::fs::File::from(file);
    if !file.metadata().map_err(|e| fail(&e))?.is_file() {
        return Err(fail(&"is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| fail(&e))?;
    match bytes.len() as u64 > LARGEST {
        true => Err(fail(&"is larger than a MiB")),
        false => Ok((shown, bytes)),
    }
}
