//! Bringing containers up to date: the life cycle of a build and its steps.

pub mod builder;
pub mod command;
pub mod distro;
pub mod error;
pub mod finish;
mod guest;
mod job;
mod layering;
mod lifecycle;
pub mod metadata;
mod mounts;
mod network;
pub mod progress;
mod pull;
pub(in crate::vagga) mod sandbox;
mod settle;
mod snapshot;
mod stack;
pub mod state;
pub mod step;
mod timings;

use std::path::PathBuf;

use super::cli::globals::BuildMode;
use super::failure::Failure;
use super::project::Project;
use super::storage::Storage;

pub use builder::Builder;
pub use command::GuestCommand;
pub use distro::{Distribution, Feature};
pub use error::{IoContext, StepError};
pub use state::State;

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
    project: &Project,
    storage: &Storage,
    container: &str,
    mode: BuildMode,
    force: bool,
) -> Result<Image, Failure> {
    lifecycle::Lifecycle::new(project, storage, mode, force).bring_up(container)
}
