//! Small files beside the root of an image: the id maps it was built with, variables, its layers, its last use.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_derive::{Deserialize, Serialize};

use crate::sys::namespace::IdMap;
use crate::vagga::ids::{self, IdMaps};
use crate::vagga::layers::Id;

/// Writes `uid_map` and `gid_map` in the format of `/proc/PID/uid_map`. Files that a power failure leaves empty are
/// the maps of no image, so that nothing has to wait for the disk.
pub(super) fn write_maps(dir: &Path, ids: &IdMaps) -> io::Result<()> {
    let (uid, gid) = ids::outermost(ids);
    for (name, map) in [("uid_map", uid), ("gid_map", gid)] {
        fs::write(dir.join(name), map.to_string())?;
    }
    Ok(())
}

/// True when the image was built with these maps. Errors: NotFound when there is no image or it has no maps.
pub(super) fn same_maps(dir: &Path, ids: &IdMaps) -> io::Result<bool> {
    let (uid, gid) = ids::outermost(ids);
    for (name, map) in [("uid_map", uid), ("gid_map", gid)] {
        let text = fs::read_to_string(dir.join(name))?;
        if IdMap::parse(&text)? != map {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Name of the file with the variables of the OCI image that an image was made of.
const ENVIRON: &str = "environ.json";
/// Largest such file, in bytes; an OCI configuration has 4 MiB at most.
const MAX_ENVIRON: u64 = 8 << 20;

/// Writes the variables, if there are any.
pub(super) fn write_environ(dir: &Path, environ: &BTreeMap<String, String>) -> io::Result<()> {
    match environ.is_empty() {
        true => Ok(()),
        false => fs::write(
            dir.join(ENVIRON),
            serde_json::to_vec(environ).map_err(io::Error::other)?,
        ),
    }
}

/// The variables of the OCI image that an image was made of; none for most images.
pub fn read_environ(dir: &Path) -> io::Result<BTreeMap<String, String>> {
    let file = match fs::File::open(dir.join(ENVIRON)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(MAX_ENVIRON).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}

/// Name of the list of layers of an image.
pub const LAYERS: &str = "layers.json";

/// Layers that an image was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Those with its files, the lowest first.
    pub stack: Vec<Id>,
    /// Keys of all its steps, those that changed nothing included.
    pub records: Vec<String>,
}

impl Layers {
    /// Names of everything that the image is made of.
    pub fn keys(self) -> impl Iterator<Item = String> {
        self.stack.into_iter().map(|id| id.key).chain(self.records)
    }
}

/// Writes the list of layers.
pub(super) fn write_layers(dir: &Path, stack: &[Id], records: &[String]) -> io::Result<()> {
    let layers = Layers {
        stack: stack.to_vec(),
        records: records.to_vec(),
    };
    let text = serde_json::to_vec(&layers).map_err(io::Error::other)?;
    fs::write(dir.join(LAYERS), text)
}

/// The list of layers, if the image has one.
pub fn read_layers(dir: &Path) -> Option<Layers> {
    serde_json::from_slice(&fs::read(dir.join(LAYERS)).ok()?).ok()
}

/// The layers with the files of an image.
pub(super) fn layers(dir: &Path) -> Option<Vec<Id>> {
    read_layers(dir)
        .map(|layers| layers.stack)
        .filter(|all| !all.is_empty())
}

/// Tells one build of an image from another one of the same version: by its layers, else by the time of the build.
pub(super) fn build_of(dir: &Path) -> String {
    if let Ok(text) = fs::read_to_string(dir.join(LAYERS)) {
        return text;
    }
    let log = fs::metadata(dir.join("timings.log")).map(|m| (m.ino(), m.mtime(), m.mtime_nsec()));
    format!("{:?} {:?}", dir.file_name(), log.ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::namespace::{IdMapping, MapMethod};
    use crate::vagga::storage::tests::Temp;

    #[test]
    fn both_maps_are_compared() {
        let map = |outside| {
            IdMap(vec![IdMapping {
                inside: 0,
                outside,
                count: 1,
            }])
        };
        let ids = |uid, gid| IdMaps {
            uid: map(uid),
            gid: map(gid),
            method: MapMethod::SingleId,
        };
        let t = Temp::new("maps");
        assert_eq!(
            same_maps(&t.0, &ids(1, 2)).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        write_maps(&t.0, &ids(1, 2)).unwrap();
        assert!(same_maps(&t.0, &ids(1, 2)).unwrap());
        assert!(!same_maps(&t.0, &ids(1, 3)).unwrap());
        assert!(!same_maps(&t.0, &ids(3, 2)).unwrap());
    }
}
