//! `!CacheDirs`: directories that outlive builds, mounted until the end of this one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::StepError;

/// Mounts the caches; the image keeps empty directories.
pub fn build(b: &mut Builder, dirs: &BTreeMap<PathBuf, PathBuf>) -> Result<(), StepError> {
    dirs.iter().try_for_each(|(at, name)| b.mount_cache(at, name))
}
