//! `!Download`: one file.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::Download;

/// Fetches the file and writes it, following links inside the root. The parent directory must exist.
pub fn build(b: &mut Builder, s: &Download) -> Result<(), StepError> {
    let source = b.fetch(std::slice::from_ref(&s.url), s.sha256.as_deref())?;
    let mut from = File::open(&source).at("open", &source)?;
    let mut to = b.root.create(&s.path, 0o600).at("create", &s.path)?;
    io::copy(&mut from, &mut to).at("write", &s.path)?;
    to.set_permissions(Permissions::from_mode(s.mode))
        .at("set the mode of", &s.path)
}
