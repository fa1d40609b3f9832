//! What is kept, how large it is, when it was of use, and which images are made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_derive::Serialize;

use super::key::Key;
use super::marker::Marker;
use super::store::{self, MARKER};
use crate::sys::path::Root;
use crate::vagga::build::metadata;
use crate::vagga::storage::Storage;

/// One kept layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Its name.
    pub key: String,
    /// The container that it was made for; empty when the layer cannot be used by anybody.
    pub container: String,
    /// The step that made it.
    pub step: String,
    /// Bytes of its own files.
    pub bytes: u64,
    /// Its own files, directories, links and marks.
    pub entries: u64,
    /// Seconds since a build used it last.
    pub idle: u64,
    /// Directory names of the images made of it.
    pub images: Vec<String>,
}

impl Kept {
    /// Time since a build used it last.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle)
    }
}

/// All layers of a storage in order of their last use, the last one first. Images in `without` do not count.
pub fn inventory(storage: &Storage, without: &BTreeSet<String>) -> io::Result<Vec<Kept>> {
    let root = match Root::open(storage.layers()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        root => root?,
    };
    let images = images(&storage.roots(), without)?;
    let mut all: Vec<Kept> = store::keys(&root)?
        .iter()
        .map(|key| kept(&root, key, &images))
        .collect();
    all.sort_by(|a, b| (a.idle, &a.key).cmp(&(b.idle, &b.key)));
    Ok(all)
}

fn kept(root: &Root, key: &Key, images: &BTreeMap<String, Vec<String>>) -> Kept {
    let marker: Option<Marker> = store::load(root, key.as_str());
    let content = marker.as_ref().and_then(|m| m.content.as_ref());
    Kept {
        key: key.to_string(),
        bytes: content.map_or(0, |c| c.bytes),
        entries: content.map_or(0, |c| c.entries),
        idle: idle(root, key).as_secs(),
        images: images.get(key.as_str()).cloned().unwrap_or_default(),
        container: marker.as_ref().map(|m| m.container.clone()).unwrap_or_default(),
        step: marker.map_or_else(|| "not a layer that can be used".to_string(), |m| m.step),
    }
}

/// A layer whose marker cannot be read has not been used for ever.
fn idle(root: &Root, key: &Key) -> Duration {
    let Ok(stat) = root.lstat(Path::new(key.as_str()).join(MARKER)) else {
        return Duration::MAX;
    };
    let used = UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.mtime.sec).unwrap_or(0));
    SystemTime::now().duration_since(used).unwrap_or_default()
}

/// Names of images by the layers they are made of.
fn images(roots: &Path, without: &BTreeSet<String>) -> io::Result<BTreeMap<String, Vec<String>>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let entries = match fs::read_dir(roots) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with(".tmp") && !without.contains(name))
        .collect();
    names.sort_unstable();
    for name in names {
        let layers = metadata::read_layers(&roots.join(&name));
        let keys: BTreeSet<String> = layers.into_iter().flat_map(|layers| layers.keys()).collect();
        for key in keys {
            found.entry(key).or_default().push(name.clone());
        }
    }
    Ok(found)
}

/// Which layers go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rule {
    /// Also those that images are made of (which stay as they are).
    pub needed: bool,
    /// Only those not used for so long.
    pub at_least: Option<Duration>,
    /// Only the least recently used ones, until the others are not larger than so many bytes.
    pub max_size: Option<u64>,
}

/// Applies a rule to layers in the order of their last use; the keys of those to remove.
pub fn chosen(all: &[Kept], rule: Rule) -> Vec<&str> {
    let mut total = 0u64;
    all.iter()
        .filter(|kept| {
            let may = rule.needed || kept.images.is_empty();
            let old = rule.at_least.is_none_or(|age| kept.idle() >= age);
            let mut goes = may && old && rule.max_size.is_none();
            if let Some(max) = rule.max_size {
                goes = may && old && total.saturating_add(kept.bytes) > max;
            }
            if !goes {
                total = total.saturating_add(kept.bytes);
            }
            goes
        })
        .map(|kept| kept.key.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(key: &str, bytes: u64, idle: u64, images: &[&str]) -> Kept {
        Kept {
            key: key.into(),
            container: "c".into(),
            step: "!Sh".into(),
            bytes,
            entries: 1,
            idle,
            images: images.iter().map(|i| i.to_string()).collect(),
        }
    }

    #[test]
    fn rules_choose_by_need_age_and_size() {
        let all = [
            layer("new", 10, 1, &["c.1"]),
            layer("loose", 20, 2, &[]),
            layer("old", 30, 100, &["c.2"]),
            layer("older", 5, 200, &[]),
        ];
        let rule = Rule::default();
        assert_eq!(chosen(&all, rule), ["loose", "older"]);
        let aged = Rule {
            at_least: Some(Duration::from_secs(50)),
            ..rule
        };
        assert_eq!(chosen(&all, aged), ["older"]);
        let needed = Rule { needed: true, ..aged };
        assert_eq!(chosen(&all, needed), ["old", "older"]);
        let sized = |max_size| Rule {
            needed: true,
            at_least: None,
            max_size: Some(max_size),
        };
        assert_eq!(chosen(&all, sized(1000)), Vec::<&str>::new());
        assert_eq!(chosen(&all, sized(40)), ["old"]);
        assert_eq!(chosen(&all, sized(0)), ["new", "loose", "old", "older"]);
    }
}
