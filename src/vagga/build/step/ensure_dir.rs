//! `!EnsureDir`: a directory that exists from now on and at the end of the build, also of derived containers.

use std::path::{Path, PathBuf};

use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::StepError;
use crate::vagga::build::finish;

/// Makes the directory and its parents.
pub fn build(b: &mut Builder, path: &Path) -> Result<(), StepError> {
    let container = b.project.config.containers.get(&b.name);
    let volumes = container.into_iter().flat_map(|c| c.volumes.keys());
    let outer: Vec<PathBuf> = volumes
        .filter(|mount| path.starts_with(mount) && path != mount.as_path())
        .cloned()
        .collect();
    for mount in outer {
        b.progress
            .warn(&format!("{path:?} directory is in the volume: {mount:?}"));
    }
    finish::ensure_dir(&b.root, path)?;
    b.state.ensure.insert(path.to_path_buf());
    Ok(())
}
