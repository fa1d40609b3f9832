//! Bringing containers up to date: the life cycle of a build and its steps.

use std::path::PathBuf;

use super::cli::globals::BuildMode;
use super::failure::{exit, Failure};
use super::project::Project;
use super::storage::Storage;

/// One built version of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Container name.
    pub name: String,
    /// Directory of the version, `<base>/.roots/NAME.HASH8`.
    pub dir: PathBuf,
}

impl Image {
    /// The file system of the image.
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }
}

/// Makes sure that the current version of `container` (and of everything it is built from) exists and that
/// `.vagga/NAME` points to it. Prints nothing when it is up to date.
///
/// Errors: exit 121 when the container is unknown or the build fails, 29 when `mode` forbids the build.
pub fn ensure(
    _project: &Project,
    _storage: &Storage,
    container: &str,
    _mode: BuildMode,
    _force: bool,
) -> Result<Image, Failure> {
    Err(Failure::new(
        exit::LAUNCHER,
        format!("Container {container:?} cannot be built yet"),
    ))
}
