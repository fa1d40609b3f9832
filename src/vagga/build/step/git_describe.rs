//! `!GitDescribe`: the described version of a repository as a file.

use std::io::Write;

use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::GitDescribe;
use crate::vagga::version;

/// Writes exactly the described string, without a newline. Without `output-file` only the hash is affected.
pub fn build(b: &mut Builder, s: &GitDescribe) -> Result<(), StepError> {
    let Some(path) = &s.output_file else {
        return Ok(());
    };
    let text = version::describe(b.project, s).map_err(StepError::new)?;
    b.root
        .create(path, 0o644)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .at("write", path)
}
