//! Small files beside the root of an image: the id maps it was built with, its last use.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::sys::namespace::IdMap;
use crate::vagga::ids::IdMaps;

/// Writes `uid_map` and `gid_map` in the format of `/proc/PID/uid_map`.
pub(super) fn write_maps(dir: &Path, ids: &IdMaps) -> io::Result<()> {
    for (name, map) in [("uid_map", &ids.uid), ("gid_map", &ids.gid)] {
        let mut file = fs::File::create(dir.join(name))?;
        file.write_all(map.to_string().as_bytes())?;
        file.sync_all()?;
    }
    Ok(())
}

/// True when the image was built with these maps. Errors: NotFound when there is no image or it has no maps.
pub(super) fn same_maps(dir: &Path, ids: &IdMaps) -> io::Result<bool> {
    for (name, map) in [("uid_map", &ids.uid), ("gid_map", &ids.gid)] {
        let text = fs::read_to_string(dir.join(name))?;
        if IdMap::parse(&text)? != *map {
            return Ok(false);
        }
    }
    Ok(true)
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
