//! `vagga _clean`: removing what is not needed any more.
//!
//! `select` decides by names and facts which directories go; `remove` takes their locks and removes them. What
//! somebody uses (an image with a shared lock on it, a directory being built) is skipped with a message. A dry run
//! goes the same way and only prints. Links are never followed.
//!
//! Exit codes: 0; 122 for a bad command line, as everywhere (§19.57 of the command manual; the original had 1);
//! 2 for `--global` without a storage directory or with an action that does not support it; 3 for failures.

mod cache;
mod current;
mod everything;
mod layers;
mod remove;
mod select;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::failure::{exit, Failure};
use super::layers::Rule;
use super::project::Project;
use super::storage::Storage;

pub use crate::config::duration::parse as parse_age;
pub use remove::remove_trees;
use remove::Remover;
use select::{entries, Candidate};

/// Exit code of `--global` where it cannot work.
const NO_GLOBAL: u8 = 2;
/// Exit code of a failed removal.
const FAILED: u8 = 3;

/// One kind of things to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `--tmp`: what failed builds left.
    Tmp,
    /// `--old`: versions that no link of the project points to.
    Old,
    /// `--unused`: versions that the configuration does not lead to; with an age, versions not used for so long.
    Unused,
    /// `--transient`: writable copies of commands that have ended.
    Transient,
    /// `--volumes`: all persistent volumes.
    Volumes,
    /// `--unused-volumes`: persistent volumes that nothing mentions.
    UnusedVolumes,
    /// `--cache`: packages and downloads in the cache that were not used for the age given, or for 30 days.
    Cache,
    /// `--layers`: layers of builds that no image is made of; with an age or a size, those beyond it.
    Layers,
    /// `--everything`: the project's storage and `.vagga`.
    Everything,
}

/// The command line of `_clean`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actions {
    /// What to do, in this order; the first failure ends it.
    pub actions: Vec<Action>,
    /// `--at-least`, belongs to [`Action::Unused`], [`Action::Layers`] and [`Action::Cache`].
    pub at_least: Option<Duration>,
    /// `--max-size` in bytes, belongs to [`Action::Layers`].
    pub max_size: Option<u64>,
    /// For all projects of the storage directory.
    pub global: bool,
    /// Only print.
    pub dry_run: bool,
}

impl Actions {
    /// Refuses combinations without a meaning.
    fn check(&self) -> Result<(), Failure> {
        let usage = |text: &str| Err(Failure::new(exit::USAGE, format!("_clean: {text}")));
        if self.actions.is_empty() {
            return usage(
                "at least one of --tmp, --old, --unused, --transient, --volumes, --unused-volumes, --layers, \
                 --cache, --everything is required",
            );
        }
        let has_age = |action: &Action| matches!(action, Action::Unused | Action::Layers | Action::Cache);
        if self.at_least.is_some() && !self.actions.iter().any(has_age) {
            return usage("--at-least works only with --unused, --layers and --cache");
        }
        if self.max_size.is_some() && !self.actions.contains(&Action::Layers) {
            return usage("--max-size works only with --layers");
        }
        let supported = |action: &Action| match action {
            Action::Everything => true,
            Action::Unused => self.at_least.is_some(),
            _ => false,
        };
        if self.global && !self.actions.iter().all(supported) {
            return Err(Failure::new(
                NO_GLOBAL,
                "_clean: --global works only with --everything and with --unused --at-least DURATION",
            )
            .with_hint("run the other actions in each project"));
        }
        Ok(())
    }

    /// What `--layers` removes.
    fn layers(&self) -> Rule {
        Rule {
            needed: self.at_least.is_some() || self.max_size.is_some(),
            at_least: self.at_least,
            max_size: self.max_size,
        }
    }
}

/// Cleans as told. Errors: see the exit codes of this module.
pub fn clean(project: &Project, actions: &Actions) -> Result<(), Failure> {
    actions.check()?;
    let remover = Remover {
        dry_run: actions.dry_run,
    };
    if actions.global {
        return clean_all_projects(project, actions, &remover);
    }
    let storage = find_storage(project)?;
    for action in &actions.actions {
        match (action, &storage) {
            (Action::Cache, _) => {
                let dir = project.settings.cache_dir.as_ref();
                if let Some(dir) = dir.or(storage.as_ref().map(|s| &s.cache)) {
                    cache::remove(dir, actions.at_least.unwrap_or(cache::AGE), &remover)?;
                }
            }
            (_, Some(storage)) => clean_project(project, storage, *action, actions, &remover)?,
            (Action::Everything, None) => {
                everything::remove_vagga_dir(&project.root.join(".vagga"), &remover)?;
            }
            (_, None) => {}
        }
    }
    Ok(())
}

/// The directories of the project, without creating any; `None` = nothing was ever stored.
fn find_storage(project: &Project) -> Result<Option<Storage>, Failure> {
    let vagga_dir = project.root.join(".vagga");
    if vagga_dir.symlink_metadata().is_err() {
        return Ok(None);
    }
    if project.settings.storage_dir.is_some() && vagga_dir.join(".lnk").symlink_metadata().is_err() {
        log::warn!("no directory of the storage-dir belongs to this project yet, nothing to clean there");
        return Ok(None);
    }
    // A missing cache directory is no reason not to clean.
    let mut project = project.clone();
    project.settings.cache_dir = None;
    Storage::open(&project).map(Some)
}

fn clean_project(
    project: &Project,
    storage: &Storage,
    action: Action,
    actions: &Actions,
    remover: &Remover,
) -> Result<(), Failure> {
    let at_least = actions.at_least;
    let roots = storage.roots();
    let volumes = storage.base.join(".volumes");
    let chosen = match action {
        Action::Everything => return everything::remove_project(storage, remover),
        // Belongs to no project.
        Action::Cache => return Ok(()),
        Action::Layers => return layers::remove(storage, actions.layers(), &BTreeSet::new(), remover),
        Action::Tmp => {
            layers::remove_temporary(storage, remover)?;
            select::temporary(&list(&roots)?)
        }
        Action::Old => {
            let linked = current::linked(storage).map_err(|e| failed(&storage.vagga_dir, &e))?;
            select::old(&list(&roots)?, &linked)
        }
        Action::Unused => match at_least {
            Some(age) => aged(&roots, age)?,
            None => match list(&roots)? {
                images if images.is_empty() => Vec::new(),
                images => select::unused(&images, &current::versions(project, storage)),
            },
        },
        Action::Transient => {
            select::transient(&list(&storage.base.join(".transient"))?, &current::is_running)
        }
        Action::Volumes => select::volumes(&list(&volumes)?, &|_| false),
        Action::UnusedVolumes => {
            let mentioned = current::mentioned_volumes(&project.config);
            select::volumes(&list(&volumes)?, &|name| mentioned.contains(name))
        }
    };
    match action {
        Action::Unused => remove_unused(storage, chosen, at_least, remover),
        _ => remover.remove(storage, chosen),
    }
}

/// Removes images, and the layers that then belong to none.
fn remove_unused(
    storage: &Storage,
    images: Vec<Candidate>,
    at_least: Option<Duration>,
    remover: &Remover,
) -> Result<(), Failure> {
    let names = images
        .iter()
        .filter_map(|image| Some(image.path.file_name()?.to_string_lossy().into_owned()));
    // What is in use stays after all; a dry run removes nothing, and should say what would go with the images.
    let without = match remover.dry_run {
        true => names.collect(),
        false => BTreeSet::new(),
    };
    remover.remove(storage, images)?;
    let rule = Rule {
        at_least,
        ..Rule::default()
    };
    layers::remove(storage, rule, &without, remover)
}

/// Versions in `roots` not used for `age`.
fn aged(roots: &Path, age: Duration) -> Result<Vec<Candidate>, Failure> {
    let now = SystemTime::now();
    let used = |dir: &Path| current::last_use(dir, now);
    Ok(select::aged(&list(roots)?, age, &used))
}

fn clean_all_projects(project: &Project, actions: &Actions, remover: &Remover) -> Result<(), Failure> {
    let Some(storage_dir) = &project.settings.storage_dir else {
        return Err(
            Failure::new(NO_GLOBAL, "_clean: --global needs the setting storage-dir")
                .with_hint("without it every project keeps its images in .vagga: clean in each project"),
        );
    };
    for action in &actions.actions {
        match (action, actions.at_least) {
            (Action::Everything, _) => {
                everything::remove_all_projects(storage_dir, project.settings.cache_dir.as_deref(), remover)?;
            }
            (_, Some(age)) => {
                for base in everything::projects(storage_dir)? {
                    let chosen = aged(&base.join(".roots"), age)?;
                    remove_unused(&foreign_storage(base), chosen, Some(age), remover)?;
                }
            }
            (_, None) => {}
        }
    }
    Ok(())
}

/// Another project's directory in the storage directory. Its `.vagga` is not known, nor needed.
fn foreign_storage(base: PathBuf) -> Storage {
    Storage {
        vagga_dir: base.clone(),
        link_prefix: PathBuf::new(),
        cache: base.join(".cache"),
        base,
    }
}

fn list(dir: &Path) -> Result<Vec<select::Entry>, Failure> {
    entries(dir).map_err(|e| failed(dir, &e))
}

/// A failure with the path in it.
fn failed(path: &Path, e: &std::io::Error) -> Failure {
    Failure::new(FAILED, format!("_clean: {path:?}: {e}"))
}
