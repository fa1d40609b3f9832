//! Layers of builds: those that no image needs, those not used for long, those beyond a size.
//!
//! Nothing is removed while a build goes on, since it may see through any layer. Images stay as they are: what they
//! have in common with a layer are further names or shared blocks of its files.

use std::collections::BTreeSet;
use std::path::Path;

use super::remove::Remover;
use super::select::Candidate;
use super::{failed, list, Failure};
use crate::sys::fs::lock;
use crate::vagga::layers::{chosen, inventory, Rule};
use crate::vagga::storage::Storage;

/// Removes layers as the rule says; images in `without` are about to go.
pub fn remove(
    storage: &Storage,
    rule: Rule,
    without: &BTreeSet<String>,
    remover: &Remover,
) -> Result<(), Failure> {
    let dir = storage.layers();
    locked(&dir, || {
        let all = inventory(storage, without).map_err(|e| failed(&dir, &e))?;
        let gone = chosen(&all, rule)
            .into_iter()
            .map(|key| candidate(&dir.join(key)));
        remover.remove(storage, gone.collect())
    })
}

/// Removes what killed builds left.
pub fn remove_temporary(storage: &Storage, remover: &Remover) -> Result<(), Failure> {
    let dir = storage.layers();
    locked(&dir, || {
        let left = list(&dir)?.into_iter().filter(|entry| {
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
            entry.is_dir && name.starts_with(".tmp.")
        });
        remover.remove(storage, left.map(|entry| candidate(&entry.path)).collect())
    })
}

fn candidate(path: &Path) -> Candidate {
    Candidate {
        path: path.to_path_buf(),
        locks: Vec::new(),
        has_users: false,
    }
}

/// Calls `clean` while nobody builds.
fn locked(dir: &Path, clean: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    if list(dir)?.is_empty() {
        return Ok(());
    }
    let path = dir.join(".lock");
    match lock(&path, true, false).map_err(|e| failed(&path, &e))? {
        Some(_alone) => clean(),
        None => {
            log::error!("{dir:?} is in use by a build, no layers are removed");
            Ok(())
        }
    }
}
