//! What steps leave behind for later steps and for the end of the build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_derive::{Deserialize, Serialize};

use super::distro::Distribution;
use super::error::StepError;
use super::step::node::Npm;
use super::step::python::Pip;
use crate::vagga::config::step::{ComposerConfig, GemConfig, NpmConfig, PipConfig};

/// The build's memory from step to step. A derived container restores it by replaying the base's steps.
#[derive(Default)]
pub struct State {
    /// The active base system.
    pub distribution: Option<Box<dyn Distribution>>,
    /// Paths to delete at the end (`!Remove`).
    pub remove: BTreeSet<PathBuf>,
    /// Directories to empty at the end (`!EmptyDir`), besides `/tmp` and `/var/tmp`.
    pub empty: BTreeSet<PathBuf>,
    /// Directories that must exist at the end (`!EnsureDir`), besides the standard ones.
    pub ensure: BTreeSet<PathBuf>,
    /// Variables of the image that this one is made of (`!FromImage`), for its commands.
    pub image_environ: BTreeMap<String, String>,
    /// The last `!PipConfig`.
    pub pip: Option<PipConfig>,
    /// Interpreters whose pip was used.
    pub pips: Vec<Pip>,
    /// The last `!NpmConfig`.
    pub npm: Option<NpmConfig>,
    /// The last `!GemConfig`.
    pub gem: Option<GemConfig>,
    /// The last `!ComposerConfig`.
    pub composer: Option<ComposerConfig>,
    /// Package managers whose packages are listed at the end.
    pub used: Used,
}

/// Package managers that steps have used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// npm as it was found.
    pub npm: Option<Npm>,
    /// The gem command.
    pub gem: Option<String>,
    /// Directories with a `composer.json` whose packages composer has installed.
    pub composer: BTreeSet<PathBuf>,
}

impl State {
    /// Activates a base system; a second one is an error that names both.
    pub fn set_distribution(&mut self, new: Box<dyn Distribution>) -> Result<(), StepError> {
        if let Some(old) = &self.distribution {
            return Err(StepError::new(format!(
                "can't set up {}: {} is already initialised in this container",
                new.name(),
                old.name()
            )));
        }
        self.distribution = Some(new);
        Ok(())
    }
}
