//! Processes that see the files of an image with the owners that its container sees.

use std::fs;
use std::io;
use std::path::Path;

use crate::sys::namespace::IdMap;
use crate::sys::process::Status;
use crate::vagga::build::sandbox;
use crate::vagga::failure::Failure;
use crate::vagga::ids::{self, IdMaps};

/// Longest id map that is read, bytes: the kernel takes 340 lines.
const MAP_MAX: u64 = 16 << 10;

/// How the files of an image are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    maps: IdMaps,
    /// The maps are those of the build, so that owners mean what they meant then.
    pub own: bool,
}

impl View {
    /// As the container of the image sees them, if its maps are still there and still ours, else with all our ids.
    pub fn of_image(dir: &Path) -> Result<View, Failure> {
        let all = ids::maximal()?;
        let read = |name: &str| -> io::Result<IdMap> {
            let path = dir.join(name);
            match fs::symlink_metadata(&path) {
                Ok(m) if m.is_file() && m.len() <= MAP_MAX => IdMap::parse(&fs::read_to_string(&path)?),
                Ok(_) => Err(io::ErrorKind::InvalidData.into()),
                Err(e) => Err(e),
            }
        };
        let maps = read("uid_map").and_then(|uid| Ok((uid, read("gid_map")?)));
        Ok(match maps {
            Ok((uid, gid)) if !all.is_single() || (&uid, &gid) == (&all.uid, &all.gid) => View {
                maps: IdMaps { uid, gid, ..all },
                own: true,
            },
            _ => View {
                maps: all,
                own: false,
            },
        })
    }

    /// With all our ids, each standing for itself.
    pub fn of_everything() -> Result<View, Failure> {
        Ok(View {
            maps: ids::maximal()?,
            own: false,
        })
    }

    /// Does `work` in a process of its own that is user 0 of that view. Its stdout is our stderr.
    pub fn run(&self, work: impl FnOnce() -> u8) -> Result<Status, Failure> {
        sandbox::run(&self.maps, work)
    }
}
