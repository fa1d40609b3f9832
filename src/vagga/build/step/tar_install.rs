//! `!TarInstall`: unpack an archive to a temporary directory and run a script there.

use std::path::{Path, PathBuf};

use super::tar;
use crate::vagga::archive::{Options, Summary};
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::StepError;
use crate::vagga::config::step::TarInstall;

/// Unpacks below `/tmp`, which is emptied at the end of the build, and runs the script.
pub fn build(b: &mut Builder, s: &TarInstall) -> Result<(), StepError> {
    let source = b.fetch(std::slice::from_ref(&s.url), s.sha256.as_deref())?;
    let name = source
        .file_name()
        .ok_or_else(|| StepError::new(format!("{}: has no file name", s.url)))?;
    let dir = Path::new("/tmp").join(name);
    let summary =
        tar::unpack(b, &source, &dir, &Options::default()).map_err(|e| tar::of_archive(&s.url, e))?;
    let work_dir = dir.join(directory(s, &summary)?);
    b.run(&GuestCommand {
        work_dir,
        ..GuestCommand::shell(&s.script)
    })
}

/// The directory to run in: `subdir`, else the only visible one at the top.
fn directory(s: &TarInstall, summary: &Summary) -> Result<PathBuf, StepError> {
    if let Some(subdir) = &s.subdir {
        return Ok(subdir.clone());
    }
    let visible = |name: &&PathBuf| !name.as_os_str().as_encoded_bytes().starts_with(b".");
    let mut top = summary.top.iter().filter(visible);
    match (top.next(), top.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => Err(StepError::new(format!("{}: Tar archive was empty", s.url))),
        _ => Err(StepError::new(format!(
            "{}: multiple directories at the top of the archive",
            s.url
        ))
        .with_hint("set `subdir: \".\"` to run the script at the top, or name one of them")),
    }
}
