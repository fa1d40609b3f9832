//! Files of an image, which is hostile: every path is resolved beneath the image by descriptor, and no file is believed
//! to have an end.

use std::io::Read;
use std::path::Path;

use super::config::{self, Container, Level, Sandbox};
use crate::sys::path::Root;

/// Largest file that is read, bytes.
const LARGEST: u64 = 1 << 20;

/// The directory of an image, whose name has been checked against the sandbox; links in it cannot lead out of
/// `image-dir`, as when it is mounted.
///
/// Errors name the directory.
pub fn open(sandbox: &Sandbox, image: &str) -> Result<Root, String> {
    let path = sandbox.image_dir.join(image);
    Root::open(&sandbox.image_dir)
        .and_then(|dir| dir.sub(image))
        .map_err(|e| format!("image {}: {e}", path.display()))
}

/// Reads and checks a container file.
///
/// Errors: the file cannot be read, or everything that is wrong in it, with places.
pub fn read_container(image: &Root, path: &str) -> Result<Container, String> {
    read_container_marked(image, path).map(|(container, _)| container)
}

/// The same with the number of [`config::read_marked`].
pub fn read_container_marked(image: &Root, path: &str) -> Result<(Container, u64), String> {
    let (shown, bytes) = read(image, Path::new(path))?;
    config::parse_marked(&shown, &bytes).map_err(|problems| problems.to_string())
}

/// Reads and checks any file of configuration in the image.
pub fn read_config<T: Level>(image: &Root, path: &Path) -> Result<T, String> {
    let (shown, bytes) = read(image, path)?;
    config::parse(&shown, &bytes).map_err(|problems| problems.to_string())
}

/// The bytes of a regular file of the image, and its path on the host for messages.
fn read(image: &Root, path: &Path) -> Result<(String, Vec<u8>), String> {
    let below = path.strip_prefix("/").unwrap_or(path);
    let shown = image.path().join(below).display().to_string();
    // What container files rarely are larger than: then one read does.
    let mut bytes = Vec::with_capacity(4096);
    image
        .open_read(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|e| format!("{shown}: {e}"))?;
    match bytes.len() as u64 > LARGEST {
        true => Err(format!("{shown}: is larger than a MiB")),
        false => Ok((shown, bytes)),
    }
}
