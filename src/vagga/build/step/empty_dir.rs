//! `!EmptyDir`: a directory whose contents do not stay: emptied now and at the end of the build.

use std::path::Path;

use super::remove::{in_image, remove_now};
use crate::sys::fs::Kind;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};

/// Removes what is in the directory; a missing one, or something else in its place, is fine.
pub fn build(b: &mut Builder, path: &Path) -> Result<(), StepError> {
    b.state.empty.insert(path.to_path_buf());
    let is_dir = b.root.lstat(path).is_ok_and(|stat| stat.kind() == Kind::Dir);
    if !is_dir || !in_image(&b.root, path)? {
        return Ok(());
    }
    for entry in b.root.read_dir(path).at("read", path)? {
        remove_now(&b.root, &path.join(entry.name))?;
    }
    Ok(())
}
