//! `!Alpine`, `!AlpineRepo`.

use crate::vagga::alpine::system::{self, AlpineSystem};
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::StepError;
use crate::vagga::config::step::AlpineRepo;

/// `!Alpine`
pub fn build(b: &mut Builder, version: &str) -> Result<(), StepError> {
    system::bootstrap(b, version)
}

/// In a derived container the system is there already.
pub fn replay(b: &mut Builder, version: &str) -> Result<(), StepError> {
    system::replay(b, version)
}

/// `!AlpineRepo`
pub fn repo(b: &mut Builder, repo: &AlpineRepo) -> Result<(), StepError> {
    with_alpine(b, |system, b| system.add_repository(b, repo))
}

/// The repository is in the image; only what is said of its signatures is not.
pub fn replay_repo(b: &mut Builder, repo: &AlpineRepo) -> Result<(), StepError> {
    with_alpine(b, |system, b| system.trust(b, repo))
}

fn with_alpine(
    b: &mut Builder,
    call: impl FnOnce(&mut AlpineSystem, &mut Builder) -> Result<(), StepError>,
) -> Result<(), StepError> {
    b.with_distribution(|distribution, b| {
        let name = distribution.name();
        match distribution.as_alpine() {
            Some(system) => call(system, b),
            None => Err(StepError::new(format!(
                "this step only works on Alpine, but the container is based on {name}"
            ))),
        }
    })
}
