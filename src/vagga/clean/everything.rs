//! `--everything`: a whole project, or all projects of the storage directory.
//!
//! Nothing is removed while a command, a build or a volume's initialisation uses a part of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::remove::{take, Remover};
use super::select::{self, entries, Candidate};
use super::{current, failed, foreign_storage, list, Failure, FAILED};
use crate::sys::fs::Lock;
use crate::vagga::storage::{is_project_dir, Storage};

/// What users write by hand into `.vagga`.
const USER_FILES: [&str; 3] = ["vagga.yaml", "local.yaml", "settings.yaml"];

/// Removes the project's storage and its `.vagga`.
pub fn remove_project(storage: &Storage, remover: &Remover) -> Result<(), Failure> {
    let _locks = match take_all(storage)? {
        Ok(locks) => locks,
        Err(busy) => {
            return Err(Failure::new(
                FAILED,
                format!("_clean: {busy:?} is in use by another process, nothing was removed"),
            )
            .with_hint("end the commands and builds of this project first"));
        }
    };
    if storage.base != storage.vagga_dir {
        remover.remove_paths(std::slice::from_ref(&storage.base))?;
    }
    remove_vagga_dir(&storage.vagga_dir, remover)
}

/// Removes `.vagga`; files that the user wrote stay, and with them the directory.
pub fn remove_vagga_dir(dir: &Path, remover: &Remover) -> Result<(), Failure> {
    let all = list(dir)?;
    let (kept, gone): (Vec<_>, Vec<_>) = all.into_iter().partition(|e| {
        let is_users = |name: &std::ffi::OsStr| USER_FILES.iter().any(|user| name == *user);
        !e.is_dir && e.path.file_name().is_some_and(is_users)
    });
    if kept.is_empty() {
        return remover.remove_paths(&[dir.to_path_buf()]);
    }
    for entry in &kept {
        log::warn!("keeping {:?}, which is not vagga's", entry.path);
    }
    let paths: Vec<PathBuf> = gone.into_iter().map(|e| e.path).collect();
    remover.remove_paths(&paths)
}

/// Empties the storage directory of projects, and the cache directory.
pub fn remove_all_projects(
    storage_dir: &Path,
    cache_dir: Option<&Path>,
    remover: &Remover,
) -> Result<(), Failure> {
    let projects = projects(storage_dir)?;
    for entry in list(storage_dir)? {
        if !projects.contains(&entry.path) {
            log::warn!("keeping {:?}, which is not a project's directory", entry.path);
        }
    }
    for base in projects {
        match take_all(&foreign_storage(base.clone()))? {
            Ok(_locks) => remover.remove_paths(&[base])?,
            Err(busy) => log::error!("{busy:?} is in use by another process, {base:?} is not removed"),
        }
    }
    let cached = cache_dir.map(list).transpose()?.unwrap_or_default();
    let paths: Vec<PathBuf> = cached.into_iter().map(|e| e.path).collect();
    remover.remove_paths(&paths)
}

/// Directories of the storage directory that belong to projects: with a link back, or with images.
pub fn projects(storage_dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    Ok(list(storage_dir)?
        .into_iter()
        .filter(|e| e.is_dir && is_project_dir(&e.path))
        .map(|e| e.path)
        .collect())
}

/// Locks everything of a storage; the inner error names what somebody uses.
fn take_all(storage: &Storage) -> Result<Result<Vec<Lock>, PathBuf>, Failure> {
    let mut locks = Vec::new();
    for candidate in everything(storage)? {
        match take(storage, &candidate).map_err(|e| failed(&candidate.path, &e))? {
            Some(held) => locks.extend(held),
            None => return Ok(Err(candidate.path)),
        }
    }
    let copies = list(&storage.base.join(".transient"))?;
    let gone = select::transient(&copies, &current::is_running);
    let running = copies
        .into_iter()
        .find(|e| e.is_dir && gone.iter().all(|c| c.path != e.path));
    Ok(running.map_or(Ok(locks), |e| Err(e.path)))
}

/// All that can be locked.
fn everything(storage: &Storage) -> Result<Vec<Candidate>, Failure> {
    let roots = list(&storage.roots())?;
    let volumes = storage.base.join(".volumes");
    let volumes = entries(&volumes).map_err(|e| failed(&volumes, &e))?;
    let mut out = select::temporary(&roots);
    out.extend(select::old(&roots, &BTreeSet::new()));
    out.extend(select::volumes(&volumes, &|_| false));
    Ok(out)
}
