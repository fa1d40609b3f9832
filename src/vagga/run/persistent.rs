//! `!Persistent` volumes: where they are, when they may be used, and their first filling.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::sys::fs::{lock, Kind, Lock};
use crate::vagga::config::volume::Persistent;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::storage::Storage;

use super::chore::Chore;
use super::stored::Stored;

/// A volume of one run.
#[derive(Debug)]
pub struct Prepared {
    /// What to mount.
    pub dir: Stored,
    /// To be done with the container's ids before mounting.
    pub chore: Option<Chore>,
    /// This run fills the volume.
    pub filling: Option<Filling>,
}

/// A volume that is being filled by its init command; dropping it leaves the volume uninitialised.
#[derive(Debug)]
pub struct Filling {
    volumes: Stored,
    temporary: PathBuf,
    name: PathBuf,
    _lock: Lock,
}

impl Filling {
    /// The command has succeeded: from now on the volume exists.
    pub fn commit(self) -> Result<(), Failure> {
        self.volumes
            .open()
            .and_then(|root| root.rename(&self.temporary, &self.name))
            .map_err(|e| {
                fail(format!(
                    "Can't rename volume {:?} to {:?}: {e}",
                    self.volumes.join(&self.temporary).full(),
                    self.name
                ))
            })
    }
}

/// Decides about one volume. `command` is the top-level command being run; it may be the one that fills it.
///
/// Errors: exit 124: bad name, not yet filled, being filled by another process.
pub fn prepare(
    project: &Path,
    storage: &Storage,
    volume: &Persistent,
    command: Option<&str>,
) -> Result<Prepared, Failure> {
    let name = Path::new(&volume.name);
    let mut parts = name.components();
    let (first, more) = (parts.next(), parts.next());
    if !matches!(first, Some(Component::Normal(_))) || more.is_some() || volume.name.starts_with(".tmp.") {
        return Err(fail(format!(
            "mount !Persistent {:?}: the name of a volume must be a plain file name",
            volume.name
        )));
    }
    let path = storage.base.join(".volumes");
    storage.create_dir(&path)?;
    let volumes = Stored::new(project, storage, &path);
    let dir = volumes.join(name);
    match volumes.open().and_then(|root| root.lstat(name)) {
        Ok(m) if m.kind() == Kind::Dir => Ok(Prepared {
            dir,
            chore: None,
            filling: None,
        }),
        Ok(_) => Err(fail(format!("volume {:?} must be a directory", dir.full()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => create(volumes, volume, command),
        Err(e) => Err(fail(format!("Can't read {:?}: {e}", dir.full()))),
    }
}

fn create(volumes: Stored, volume: &Persistent, command: Option<&str>) -> Result<Prepared, Failure> {
    let Persistent {
        name,
        owner_uid: uid,
        owner_gid: gid,
        init_command,
    } = volume;
    let (uid, gid) = (*uid, *gid);
    let Some(init) = init_command else {
        return Ok(Prepared {
            dir: volumes.join(name),
            chore: Some(Chore::CreateVolume {
                volumes,
                name: name.into(),
                uid,
                gid,
            }),
            filling: None,
        });
    };
    if command != Some(init) {
        return Err(fail(format!("uninitialized volume {name:?}"))
            .with_hint(format!("run `vagga {init}`, which fills it")));
    }
    let temporary = PathBuf::from(format!(".tmp.{name}"));
    let path = volumes.join(format!(".tmp.{name}.lock")).full();
    let lock = lock(&path, true, false)
        .map_err(|e| fail(format!("Can't lock volume {path:?}: {e}")))?
        .ok_or_else(|| fail(format!("volume {name:?} is being initialized by another process")))?;
    Ok(Prepared {
        dir: volumes.join(&temporary),
        chore: Some(Chore::EmptyVolume {
            volumes: volumes.clone(),
            name: temporary.clone(),
            uid,
            gid,
        }),
        filling: Some(Filling {
            volumes,
            temporary,
            name: name.into(),
            _lock: lock,
        }),
    })
}

fn fail(message: String) -> Failure {
    Failure::new(exit::SETUP, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::config::Settings;
    use crate::vagga::storage::tests::{project, Temp};
    use std::fs;

    fn volume(name: &str, init: Option<&str>) -> Persistent {
        Persistent {
            name: name.into(),
            owner_uid: 1,
            owner_gid: 2,
            init_command: init.map(String::from),
        }
    }

    #[test]
    fn names_cannot_leave_the_directory_of_volumes() {
        let t = Temp::new("persistent");
        let p = project(&t, Settings::default());
        let s = Storage::open(&p).unwrap();
        for name in ["../x", "/etc", "a/b", "", "..", ".tmp.x"] {
            let e = prepare(&p.root, &s, &volume(name, None), None).unwrap_err();
            assert!(e.message.contains("plain file name"), "{name}: {e}");
        }
        fs::create_dir(s.base.join(".volumes")).unwrap();
        std::os::unix::fs::symlink("/etc", s.base.join(".volumes/l")).unwrap();
        prepare(&p.root, &s, &volume("l", None), None).unwrap_err();
    }

    #[test]
    fn only_the_init_command_sees_an_empty_volume() {
        let t = Temp::new("persistent");
        let p = project(&t, Settings::default());
        let s = Storage::open(&p).unwrap();
        let v = volume("db", Some("_init"));
        let e = prepare(&p.root, &s, &v, Some("serve")).unwrap_err();
        assert!(e.message.contains("uninitialized volume \"db\""), "{e}");
        assert_eq!(e.exit, exit::SETUP);
        let first = prepare(&p.root, &s, &v, Some("_init")).unwrap();
        assert!(first.dir.full().ends_with(".volumes/.tmp.db"));
        assert!(prepare(&p.root, &s, &v, Some("_init")).is_err(), "locked");
        fs::create_dir(first.dir.full()).unwrap();
        first.filling.unwrap().commit().unwrap();
        let second = prepare(&p.root, &s, &v, Some("_init")).unwrap();
        assert!(
            second.dir.full().ends_with(".volumes/db") && second.filling.is_none() && second.chore.is_none()
        );
    }
}
