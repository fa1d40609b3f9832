//! `!Text`: small files with given content.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{fchown, PermissionsExt};
use std::path::PathBuf;

use super::copy::require_parent;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};

/// Writes the files, mode 0644, owned by user 0. Links are followed inside the root.
pub fn build(b: &mut Builder, files: &BTreeMap<PathBuf, String>) -> Result<(), StepError> {
    for (path, text) in files {
        require_parent(&b.root, path)?;
        b.root
            .create(path, 0o644)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                fchown(&file, Some(0), Some(0))?;
                file.set_permissions(Permissions::from_mode(0o644))
            })
            .at("write", path)?;
    }
    Ok(())
}
