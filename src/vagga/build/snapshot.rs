//! What a build knows after a step, besides the root itself, as a value that is kept with the step's layer: so that a
//! later build can begin behind the step. (Replaying, which is for the steps of finished base containers, would forget
//! what only matters until the end of a build, as build dependencies do, and would remove again what `!Remove` removed.)

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_derive::{Deserialize, Serialize};

use super::builder::Builder;
use super::distro;
use super::error::StepError;
use super::mounts::{MountSource, Mounted};
use super::state::{State, Used};
use super::step::python::Pip;
use crate::vagga::config::step::{ComposerConfig, GemConfig, NpmConfig, PipConfig};

/// Everything about a build that its later steps and its end depend on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Snapshot {
    /// Variables that steps have set, or removed (`None`).
    environ: BTreeMap<String, Option<String>>,
    mounted: Vec<Mounted>,
    made: Vec<PathBuf>,
    distribution: Option<distro::Saved>,
    remove: BTreeSet<PathBuf>,
    empty: BTreeSet<PathBuf>,
    ensure: BTreeSet<PathBuf>,
    image_environ: BTreeMap<String, String>,
    pip: Option<PipConfig>,
    pips: Vec<Pip>,
    npm: Option<NpmConfig>,
    gem: Option<GemConfig>,
    composer: Option<ComposerConfig>,
    used: Used,
}

/// The state as JSON; `None` when something in it cannot be kept, so that a build cannot begin here.
pub(super) fn take(b: &Builder) -> Option<serde_json::Value> {
    let State {
        distribution,
        remove,
        empty,
        ensure,
        image_environ,
        pip,
        pips,
        npm,
        gem,
        composer,
        used,
    } = &b.state;
    let snapshot = Snapshot {
        environ: changes(&b.initial_environ, &b.environ),
        mounted: b.mounted.iter().filter(|m| is_kept(m)).cloned().collect(),
        made: b.made.clone(),
        distribution: match distribution {
            Some(d) => Some(d.save()?),
            None => None,
        },
        remove: remove.clone(),
        empty: empty.clone(),
        ensure: ensure.clone(),
        image_environ: image_environ.clone(),
        pip: pip.clone(),
        pips: pips.clone(),
        npm: npm.clone(),
        gem: gem.clone(),
        composer: composer.clone(),
        used: used.clone(),
    };
    serde_json::to_value(snapshot).ok()
}

/// Reads a kept state; `None` when it is not one of this version.
pub(super) fn parse(value: &serde_json::Value) -> Option<Snapshot> {
    serde_json::from_value(value.clone()).ok()
}

/// Puts a build into the kept state. The root must be the one that belongs to it, nothing of steps mounted in it.
pub(super) fn restore(b: &mut Builder, snapshot: Snapshot) -> Result<(), StepError> {
    for (name, value) in snapshot.environ {
        match value {
            Some(value) => b.environ.insert(name, value),
            None => b.environ.remove(&name),
        };
    }
    b.state = State {
        distribution: None,
        remove: snapshot.remove,
        empty: snapshot.empty,
        ensure: snapshot.ensure,
        image_environ: snapshot.image_environ,
        pip: snapshot.pip,
        pips: snapshot.pips,
        npm: snapshot.npm,
        gem: snapshot.gem,
        composer: snapshot.composer,
        used: snapshot.used,
    };
    b.made = snapshot.made;
    for mounted in snapshot.mounted.into_iter().filter(is_kept) {
        b.mount_again(mounted)?;
    }
    if let Some(saved) = snapshot.distribution {
        b.state.distribution = Some(saved.restore(b)?);
    }
    Ok(())
}

/// Directories of the host are mounted again only by whoever decides which ones may be: a marker lies in the project,
/// where programs of containers can write.
fn is_kept(mounted: &Mounted) -> bool {
    !matches!(mounted.source, MountSource::Host { .. })
}

/// What has to be set and removed to get from one environment to the other.
fn changes(
    from: &BTreeMap<String, String>,
    to: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let set = to
        .iter()
        .filter(|(name, value)| from.get(*name) != Some(value))
        .map(|(name, value)| (name.clone(), Some(value.clone())));
    let removed = from.keys().filter(|name| !to.contains_key(*name));
    set.chain(removed.map(|name| (name.clone(), None))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_is_kept_as_changes() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect()
        };
        let from = map(&[("A", "1"), ("B", "2"), ("C", "3")]);
        let to = map(&[("A", "1"), ("B", "x"), ("D", "4")]);
        let found = changes(&from, &to);
        let expected = [("B", Some("x")), ("C", None), ("D", Some("4"))];
        let expected = expected.map(|(k, v)| (k.to_string(), v.map(String::from)));
        assert_eq!(found, BTreeMap::from(expected));
    }
}
