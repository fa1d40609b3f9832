//! What a base system must be able to do for the steps that are the same everywhere.

use serde_derive::{Deserialize, Serialize};

use super::builder::Builder;
use super::error::StepError;
use crate::vagga::alpine::system::{AlpineSystem, SavedAlpine};
use crate::vagga::debian::system::AptSystem;

/// What a language step needs from the base system, whatever the packages are called there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Compiler, make, headers of the C library; for the build only.
    BuildTools,
    /// Certificates, for the build only.
    Https,
    /// Python 2 or 3: kept.
    Python2,
    /// See [`Feature::Python2`].
    Python3,
    /// Headers, for the build only.
    Python2Dev,
    /// See [`Feature::Python2Dev`].
    Python3Dev,
    /// pip for Python 3, for the build only.
    Pip3,
    /// Node.js and npm: kept.
    Node,
    /// npm alone: kept.
    Npm,
    /// Headers, for the build only.
    NodeDev,
    /// PHP: kept.
    Php,
    /// Headers, for the build only.
    PhpDev,
    /// composer, for the build only.
    Composer,
    /// composer, kept.
    ComposerToKeep,
    /// Ruby: kept.
    Ruby,
    /// Headers, for the build only.
    RubyDev,
    /// bundler: kept, programs of gems load it.
    Bundler,
    /// For the build only.
    Git,
    /// For the build only.
    Mercurial,
}

/// An active base system (Debian, Ubuntu, Alpine).
///
/// While a method runs the distribution is out of [`super::state::State::distribution`]; use
/// [`Builder::with_distribution`] to call one.
pub trait Distribution {
    /// For messages, e.g. `Debian bookworm`.
    fn name(&self) -> String;
    /// One transaction of the package manager, packages to keep, in the given order.
    fn install(&mut self, b: &mut Builder, packages: &[String]) -> Result<(), StepError>;
    /// Packages for the build only; removed by [`Distribution::finish`] unless also installed to stay.
    fn build_deps(&mut self, b: &mut Builder, packages: &[String]) -> Result<(), StepError>;
    /// `!Repo`: `[suite-or-branch/]component`.
    fn add_repo(&mut self, b: &mut Builder, repo: &str) -> Result<(), StepError>;
    /// Makes sure that the packages behind a feature are there.
    fn ensure_feature(&mut self, b: &mut Builder, feature: Feature) -> Result<(), StepError>;
    /// End of the build: remove build dependencies, write the package list, clean up.
    fn finish(&mut self, b: &mut Builder) -> Result<(), StepError>;
    /// Bookkeeping of `!Install` when a derived container replays it: nothing is installed.
    fn replay_install(&mut self, _packages: &[String]) {}
    /// What a build that begins behind the steps so far must know of the system, see [`Saved::restore`]; `None` = no
    /// build can begin behind them.
    fn save(&self) -> Option<Saved> {
        None
    }
    /// The system as one managed by apt, for steps that only exist there.
    fn as_apt(&mut self) -> Option<&mut AptSystem> {
        None
    }
    /// The system as Alpine, for steps that only exist there.
    fn as_alpine(&mut self) -> Option<&mut AlpineSystem> {
        None
    }
}

/// A base system as it is kept with a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Saved {
    /// Debian or Ubuntu.
    Apt(AptSystem),
    /// Alpine.
    Alpine(SavedAlpine),
}

impl Saved {
    /// Makes the system active again: the root has everything that it did there, and its caches are mounted, but `/run` is
    /// empty, directories of the host are not mounted, and what the system read from the network may be old.
    pub fn restore(self, b: &mut Builder) -> Result<Box<dyn Distribution>, StepError> {
        match self {
            Saved::Apt(system) => Ok(Box::new(system.resume(b)?)),
            Saved::Alpine(saved) => Ok(Box::new(AlpineSystem::resume(saved)?)),
        }
    }
}
