//! `!Debian`, `!DebianRelease`: a base system from a Debian archive.

use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::StepError;
use crate::vagga::config::step::DebianRelease;
use crate::vagga::debian::bootstrap::{self, Release};
use crate::vagga::debian::mirror::Family;
use crate::vagga::debian::system::AptSystem;
use crate::vagga::debian::variant::Variant;

/// `!Debian CODENAME`
pub fn short(b: &mut Builder, codename: &str) -> Result<(), StepError> {
    bootstrap::bootstrap(b, &Release::new(Family::Debian, codename))
}

/// `!DebianRelease`
pub fn build(b: &mut Builder, s: &DebianRelease) -> Result<(), StepError> {
    bootstrap::bootstrap(b, &release(s)?)
}

/// In a derived container the system is there already.
pub fn replay_short(b: &mut Builder, codename: &str) -> Result<(), StepError> {
    let system = AptSystem::new(Release::new(Family::Debian, codename));
    b.state.set_distribution(Box::new(system))
}

/// See [`replay_short`].
pub fn replay(b: &mut Builder, s: &DebianRelease) -> Result<(), StepError> {
    let system = AptSystem::new(release(s)?);
    b.state.set_distribution(Box::new(system))
}

fn release(s: &DebianRelease) -> Result<Release, StepError> {
    let mut release = Release::new(Family::Debian, &s.codename);
    if let Some(name) = &s.variant {
        release.variant = Variant::parse(name).ok_or_else(|| {
            StepError::new(format!("unknown variant {name:?}"))
                .with_hint("variants are essential, apt, minbase, buildd and standard")
        })?;
    }
    if let Some(arch) = &s.arch {
        release.arch = arch.clone();
    }
    if !s.components.is_empty() {
        release.components = s.components.clone();
    }
    release.mirror = s.mirror.clone();
    release.keyring = s.keyring.clone();
    release.trusted = s.trusted;
    Ok(release)
}
