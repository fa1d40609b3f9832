//! The files of a revision beside the builds, for configurations that come from repositories.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::program::Program;
use super::{clone, export, wanted};
use crate::sys::fs::Scratch;
use crate::sys::path::Root;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::Git;
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;

/// Fetches the files of a revision unless they are there; with `refresh` in any case. On the host, as the user.
pub fn keep(project: &Project, storage: &Storage, s: &Git, refresh: bool) -> Result<PathBuf, StepError> {
    let dir = storage.checkout(s);
    if dir.is_dir() && !refresh {
        return Ok(dir);
    }
    let clones = storage.cache.join("git");
    for dir in [&clones, &storage.checkouts()] {
        fs::create_dir_all(dir).at("create", dir)?;
    }
    let wanted = wanted(project, &s.url, s.revision.as_deref(), s.branch.as_deref())?;
    let program = Program::new(&wanted.source, project.settings.proxy_env_vars);
    let commit = clone::updated(&program, &clones, &wanted)?;
    let parent = storage.checkouts();
    let scratch = Scratch::new(&parent, ".tmp").at("make a temporary directory in", &parent)?;
    let fresh = scratch.path().join("files");
    fs::create_dir(&fresh).at("create", &fresh)?;
    export(&program, &commit, &Root::open(&fresh).at("open", &fresh)?)?;
    // Killed between the two, the next build fetches again.
    remove(&dir)?;
    fs::rename(&fresh, &dir).at("rename", &fresh)?;
    Ok(dir)
}

fn remove(dir: &Path) -> Result<(), StepError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(StepError::io("remove", dir, &e)),
        _ => Ok(()),
    }
}
