//! The facts that selections need: links, versions, processes, mentions, times.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::select::Wanted;
use crate::sys::process;
use crate::vagga::config::{Config, Container, MainCommand, Volume};
use crate::vagga::ids;
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;
use crate::vagga::version::{version, VersionError};

/// Names of the versions that links in `.vagga` point to.
pub fn linked(storage: &Storage) -> io::Result<BTreeSet<OsString>> {
    let mut out = BTreeSet::new();
    for entry in fs::read_dir(&storage.vagga_dir)? {
        let name = entry?.file_name();
        let version = name.to_str().and_then(|name| storage.linked_version(name));
        out.extend(version.map(std::path::PathBuf::into_os_string));
    }
    Ok(out)
}

/// The version of every container of the configuration. What cannot be computed is unknown, with a warning.
pub fn versions(project: &Project, storage: &Storage) -> BTreeMap<String, Wanted> {
    project
        .config
        .containers
        .iter()
        .map(|(name, container)| {
            let wanted = short_version(project, storage, name, container).unwrap_or_else(|why| {
                log::warn!("keeping all versions of {name:?}, its current one is not known: {why}");
                Wanted::Unknown
            });
            (name.clone(), wanted)
        })
        .collect()
}

fn short_version(
    project: &Project,
    storage: &Storage,
    name: &str,
    container: &Container,
) -> Result<Wanted, String> {
    let maps = ids::maps_for(&container.uids, &container.gids).map_err(|e| e.message)?;
    match version(project, storage, &maps, name) {
        Ok(version) => Ok(Wanted::Version(version.short())),
        Err(VersionError::NotReady(why)) => Err(why),
        Err(VersionError::Failed(e)) => Err(e.message),
    }
}

/// Whether there is such a process (also one that is not ours).
pub fn is_running(pid: i32) -> bool {
    !matches!(process::kill(pid, 0), Err(e) if e.raw_os_error() == Some(libc::ESRCH))
}

/// Names of the persistent volumes of all containers and commands.
pub fn mentioned_volumes(config: &Config) -> BTreeSet<String> {
    let of_containers = config.containers.values().map(|c| &c.volumes);
    let of_commands = config.commands.values().flat_map(|command| match command {
        MainCommand::Command(c) => vec![&c.volumes],
        MainCommand::Supervise(s) => s.children.values().map(|c| &c.info().volumes).collect(),
        MainCommand::CapsuleCommand(_) => Vec::new(),
    });
    of_containers
        .chain(of_commands)
        .flat_map(BTreeMap::values)
        .filter_map(|volume| match volume {
            Volume::Persistent(p) => Some(p.name.clone()),
            _ => None,
        })
        .collect()
}

/// How long ago a version was used: by `last_use`, or, for one without that file, by its directory, so that an
/// image of which nothing is known does not go at once.
pub fn last_use(dir: &Path, now: SystemTime) -> Option<Duration> {
    let used = fs::metadata(dir.join("last_use"))
        .or_else(|_| fs::symlink_metadata(dir))
        .and_then(|m| m.modified())
        .ok()?;
    Some(now.duration_since(used).unwrap_or_default())
}
