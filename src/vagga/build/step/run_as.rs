//! `!RunAs`: a shell script as another user, perhaps without network.

use std::path::Path;

use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::StepError;
use crate::vagga::config::step::RunAs;

/// Runs `/bin/sh -exc SCRIPT` after switching gid, groups and uid.
pub fn build(b: &mut Builder, s: &RunAs) -> Result<(), StepError> {
    b.run(&GuestCommand {
        work_dir: Path::new("/work").join(&s.work_dir),
        user_id: s.user_id,
        group_id: s.group_id,
        supplementary_gids: s.supplementary_gids.clone(),
        external_user_id: s.external_user_id,
        isolate_network: s.isolate_network,
        ..GuestCommand::shell(&s.script)
    })
}
