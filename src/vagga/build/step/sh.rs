//! `!Sh`: a shell script in the container root.

use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::StepError;

/// Runs `/bin/sh -exc SCRIPT`.
pub fn build(b: &mut Builder, script: &str) -> Result<(), StepError> {
    b.run(&GuestCommand::shell(script))
}
