//! Virtual paths: what volumes refer to, and where that is on the host.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::{maps, outside, Violation};
use crate::lithos::config::{Container, Sandbox, Volume};

/// A place on the host: a directory the operator named, and an untrusted path below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPath {
    /// Trusted.
    pub base: PathBuf,
    /// To be resolved beneath it by descriptor; may be empty.
    pub rest: PathBuf,
}

/// Where a virtual path of the given maps leads: the longest key that is a prefix decides; of equal keys the first map.
///
/// Errors: what is wrong with it.
pub fn host_path(virtual_path: &Path, maps: &[&BTreeMap<PathBuf, PathBuf>]) -> Result<HostPath, String> {
    let plain = |c: Component<'_>| matches!(c, Component::Normal(_) | Component::RootDir);
    if !virtual_path.is_absolute() || !virtual_path.components().all(plain) {
        return Err(format!("{virtual_path:?} must be an absolute path without `..`"));
    }
    let candidates = maps.iter().flat_map(|map| map.iter());
    let fitting = candidates.filter_map(|(key, base)| {
        let rest = virtual_path.strip_prefix(key).ok()?;
        Some((key.components().count(), base, rest))
    });
    let best = fitting.reduce(|best, other| if other.0 > best.0 { other } else { best });
    let found = best.map(|(_, base, rest)| HostPath {
        base: base.clone(),
        rest: rest.to_path_buf(),
    });
    found.ok_or_else(|| format!("{virtual_path:?} is not in the paths that the sandbox maps"))
}

/// The sandbox maps what the volumes refer to.
pub(super) fn check(sandbox: &Sandbox, container: &Container) -> Vec<Violation> {
    let mut found = Vec::new();
    for (target, volume) in &container.volumes {
        let (readonly, writable) = (&sandbox.readonly_paths, &sandbox.writable_paths);
        let fault = match volume {
            Volume::Readonly(path) => host_path(path, &[readonly, writable]).err(),
            Volume::Persistent(volume) => host_path(&volume.path, &[writable]).err(),
            Volume::Statedir(volume) => {
                climbs(&volume.path).then(|| format!("{:?} must not have `..`", volume.path))
            }
            Volume::Tmpfs(_) => None,
        };
        let object = format!("volumes.{}", target.display());
        if climbs(target) {
            found.push(Violation::new(&object, "a mount point must not have `..`"));
        } else if is_reserved(target) {
            found.push(Violation::new(
                &object,
                "nothing can be mounted here: this is the kernel's",
            ));
        }
        found.extend(check_owner(sandbox, container, volume).map(|why| Violation::new(&object, why)));
        found.extend(fault.map(|why| Violation::new(&object, why)));
    }
    found
}

/// Where volumes may not be: what the kernel shows is not the developer's.
fn is_reserved(target: &Path) -> bool {
    let kernel = ["/proc", "/sys"].iter().any(|dir| target.starts_with(dir));
    kernel
        || ["/", "/dev", "/dev/pts"]
            .iter()
            .any(|dir| target == Path::new(dir))
}

/// Directories that are made belong to somebody who exists inside.
fn check_owner(sandbox: &Sandbox, container: &Container, volume: &Volume) -> Option<String> {
    let (user, group) = match volume {
        Volume::Persistent(v) if v.mkdir => (v.user, v.group),
        Volume::Statedir(v) => (v.user, v.group),
        _ => return None,
    };
    let (uids, gids) = maps(sandbox, container);
    let known = outside(uids, user).is_some() && outside(gids, group).is_some();
    (!known).then(|| format!("user {user} or group {group} is not in the maps"))
}

fn climbs(path: &Path) -> bool {
    path.components().any(|c| c == Component::ParentDir)
}
