//! `!SubConfig`: the steps of a container of another file, in place.

use crate::sys::path::Root;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::build::step;
use crate::vagga::config::step::{SubConfig, SubConfigSource};
use crate::vagga::config::Step;
use crate::vagga::version::{self, VersionError};

/// Runs the included steps as if they were written here.
pub fn build(b: &mut Builder, s: &SubConfig) -> Result<(), StepError> {
    for included in &steps(b, s)? {
        step::build(b, included).map_err(|e| StepError {
            message: format!("{} of {:?}: {}", step::describe(included), s.path, e.message),
            ..e
        })?;
    }
    b.refresh_resolver()
}

/// Replays the included steps.
pub fn replay(b: &mut Builder, s: &SubConfig) -> Result<(), StepError> {
    step::replay_all(b, &steps(b, s)?)
}

fn steps(b: &Builder, s: &SubConfig) -> Result<Vec<Step>, StepError> {
    let root = match &s.source {
        SubConfigSource::Directory => b.project.root.clone(),
        SubConfigSource::Container(name) => b.image_root(name)?,
        SubConfigSource::Git(git) => b.storage.checkout(git),
    };
    let root = Root::open(&root).at("open", &root)?;
    version::load_steps(&root, s).map_err(|e| match e {
        VersionError::NotReady(why) => StepError::new(why),
        VersionError::Failed(failure) => StepError {
            message: failure.message,
            hint: failure.hint,
        },
    })
}
