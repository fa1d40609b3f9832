//! A project on disk with given containers, for tests of versions.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use super::*;
use crate::sys::namespace::{IdMap, IdMapping, MapMethod};
use crate::vagga::config::range::default_ranges;
use crate::vagga::config::{Config, Container, Settings, Step};
use crate::vagga::storage::tests::Temp;

/// A project with the given containers whose files belong to inside id 0.
pub(super) struct Fixture {
    pub dir: Temp,
    pub project: Project,
    pub storage: Storage,
    pub ids: IdMaps,
}

impl Fixture {
    pub(super) fn new(containers: Vec<(&str, Container)>) -> Fixture {
        let dir = Temp::new("version");
        let project = Project {
            root: dir.0.clone(),
            work_dir: PathBuf::new(),
            config: Config {
                containers: containers.into_iter().map(|(n, c)| (n.to_string(), c)).collect(),
                ..Config::default()
            },
            origins: Default::default(),
            settings: Settings::default(),
        };
        let meta = fs::metadata(&dir.0).unwrap();
        let single = |outside| {
            IdMap(vec![IdMapping {
                inside: 0,
                outside,
                count: 1,
            }])
        };
        Fixture {
            storage: Storage::open(&project).unwrap(),
            ids: IdMaps {
                uid: single(meta.uid()),
                gid: single(meta.gid()),
                method: MapMethod::SingleId,
            },
            project,
            dir,
        }
    }

    pub(super) fn version(&self, name: &str) -> Result<Version, VersionError> {
        version(&self.project, &self.storage, &self.ids, name)
    }

    pub(super) fn write(&self, name: &str, data: &str) {
        let path = self.dir.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, data).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    pub(super) fn git(&self, args: &[&str]) {
        let ok = std::process::Command::new("git")
            .arg("-C")
            .arg(&self.dir.0)
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(args)
            .output()
            .unwrap()
            .status
            .success();
        assert!(ok, "git {args:?}");
    }
}

pub(super) fn container(setup: Vec<Step>) -> Container {
    Container {
        setup,
        uids: default_ranges(),
        gids: default_ranges(),
        ..crate::vagga::cli::samples::container()
    }
}
