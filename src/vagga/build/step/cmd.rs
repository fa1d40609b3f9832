//! `!Cmd`: a command without a shell.

use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::StepError;

/// Runs the words as they are; a bare name is searched in the build's `PATH`.
pub fn build(b: &mut Builder, argv: &[String]) -> Result<(), StepError> {
    if argv.is_empty() {
        return Err(
            StepError::new("the command is empty").with_hint("give at least the program: !Cmd [/bin/true]")
        );
    }
    b.run(&GuestCommand::new(argv))
}
