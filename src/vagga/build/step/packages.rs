//! `!Install`, `!BuildDeps`, `!Repo`: handed over to the active base system.

use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::StepError;

/// `!Install`
pub fn install(b: &mut Builder, packages: &[String]) -> Result<(), StepError> {
    b.with_distribution(|d, b| d.install(b, packages))
}

/// `!BuildDeps`
pub fn build_deps(b: &mut Builder, packages: &[String]) -> Result<(), StepError> {
    b.with_distribution(|d, b| d.build_deps(b, packages))
}

/// `!Repo`: `X` or `A/X`.
pub fn repo(b: &mut Builder, name: &str) -> Result<(), StepError> {
    if name.matches('/').count() > 1 {
        return Err(StepError::new(format!("Cannot parse repository string {name:?}"))
            .with_hint("write !Repo component or !Repo suite/component"));
    }
    b.with_distribution(|d, b| d.add_repo(b, name))
}

/// `!Install` of a base container: only remembers that the packages are wanted.
pub fn replay_install(b: &mut Builder, packages: &[String]) -> Result<(), StepError> {
    b.with_distribution(|d, _| {
        d.replay_install(packages);
        Ok(())
    })
}
