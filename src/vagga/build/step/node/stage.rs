//! A directory in the container where packages are installed before they are moved to their places. It is gone at the
//! end of the step, also of one that failed: it may hold a project's `.npmrc` with credentials.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Npm;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::{IoContext, StepError};

/// Its path inside.
const DIR: &str = "/tmp/vagga-node";

/// The directory, empty at first.
pub struct Stage(());

impl Stage {
    pub fn new(b: &mut Builder) -> Result<Stage, StepError> {
        b.root
            .remove_all(DIR)
            .and_then(|()| b.root.mkdir_all(DIR, 0o755))
            .at("create directory", DIR)?;
        Ok(Stage(()))
    }

    /// Writes a file in it.
    pub fn write(&self, b: &mut Builder, name: &str, data: &[u8]) -> Result<(), StepError> {
        let path = Path::new(DIR).join(name);
        b.root
            .create(&path, 0o644)
            .and_then(|mut file| file.write_all(data))
            .at("write", &path)
    }

    /// npm, working in it.
    pub fn command(&self, npm: &Npm, arguments: &[&str]) -> GuestCommand {
        let mut command = npm.command(arguments);
        command.work_dir = DIR.into();
        command
    }

    /// What was installed.
    pub fn modules(&self) -> PathBuf {
        Path::new(DIR).join("node_modules")
    }

    /// Removes it; the result of the step is the one given, unless that was fine and removing is not.
    pub fn remove(self, b: &mut Builder, result: Result<(), StepError>) -> Result<(), StepError> {
        let removed = b.root.remove_all(DIR).at("remove", DIR);
        result.and(removed)
    }
}
