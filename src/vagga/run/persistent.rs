//! `!Persistent` volumes: where they are, when they may be used, and their first filling.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::sys::fs::{lock, Lock};
use crate::vagga::config::volume::Persistent;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::storage::Storage;

use super::chore::Chore;

/// A volume of one run.
#[derive(Debug)]
pub struct Prepared {
    /// What to mount.
    pub dir: PathBuf,
    /// To be done with the container's ids before mounting.
    pub chore: Option<Chore>,
    /// This run fills the volume.
    pub filling: Option<Filling>,
}

/// A volume that is being filled by its init command; dropping it leaves the volume uninitialised.
#[derive(Debug)]
pub struct Filling {
    temporary: PathBuf,
    dir: PathBuf,
    _lock: Lock,
}

impl Filling {
    /// The command has succeeded: from now on the volume exists.
    pub fn commit(self) -> Result<(), Failure> {
        fs::rename(&self.temporary, &self.dir).map_err(|e| {
            fail(format!(
                "Can't rename volume {:?} to {:?}: {e}",
                self.temporary, self.dir
            ))
        })
    }
}

/// Decides about one volume. `command` is the top-level command being run; it may be the one that fills it.
///
/// Errors: exit 124: bad name, not yet filled, being filled by another process.
pub fn prepare(storage: &Storage, volume: &Persistent, command: Option<&str>) -> Result<Prepared, Failure> {
    let name = Path::new(&volume.name);
    let mut parts = name.components();
    let (first, more) = (parts.next(), parts.next());
    if !matches!(first, Some(Component::Normal(_))) || more.is_some() || volume.name.starts_with(".tmp.") {
        return Err(fail(format!(
            "mount !Persistent {:?}: the name of a volume must be a plain file name",
            volume.name
        )));
    }
    let volumes = storage.base.join(".volumes");
    storage.create_dir(&volumes)?;
    let dir = volumes.join(name);
    match fs::symlink_metadata(&dir) {
        Ok(m) if m.is_dir() => Ok(Prepared {
            dir,
            chore: None,
            filling: None,
        }),
        Ok(_) => Err(fail(format!("volume {dir:?} must be a directory"))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => create(&volumes, volume, command, dir),
        Err(e) => Err(fail(format!("Can't read {dir:?}: {e}"))),
    }
}

fn create(
    volumes: &Path,
    volume: &Persistent,
    command: Option<&str>,
    dir: PathBuf,
) -> Result<Prepared, Failure> {
    let Persistent {
        name,
        owner_uid: uid,
        owner_gid: gid,
        init_command,
    } = volume;
    let Some(init) = init_command else {
        let temporary = volumes.join(format!(".tmp.{name}.{}", std::process::id()));
        let chore = Chore::CreateVolume {
            temporary,
            dir: dir.clone(),
            uid: *uid,
            gid: *gid,
        };
        return Ok(Prepared {
            dir,
            chore: Some(chore),
            filling: None,
        });
    };
    if command != Some(init) {
        return Err(fail(format!("uninitialized volume {name:?}"))
            .with_hint(format!("run `vagga {init}`, which fills it")));
    }
    let temporary = volumes.join(format!(".tmp.{name}"));
    let path = volumes.join(format!(".tmp.{name}.lock"));
    let lock = lock(&path, true, false)
        .map_err(|e| fail(format!("Can't lock volume {path:?}: {e}")))?
        .ok_or_else(|| fail(format!("volume {name:?} is being initialized by another process")))?;
    Ok(Prepared {
        chore: Some(Chore::EmptyVolume {
            dir: temporary.clone(),
            uid: *uid,
            gid: *gid,
        }),
        filling: Some(Filling {
            temporary: temporary.clone(),
            dir,
            _lock: lock,
        }),
        dir: temporary,
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
        let s = Storage::open(&project(&t, Settings::default())).unwrap();
        for name in ["../x", "/etc", "a/b", "", "..", ".tmp.x"] {
            let e = prepare(&s, &volume(name, None), None).unwrap_err();
            assert!(e.message.contains("plain file name"), "{name}: {e}");
        }
        fs::create_dir(s.base.join(".volumes")).unwrap();
        std::os::unix::fs::symlink("/etc", s.base.join(".volumes/l")).unwrap();
        prepare(&s, &volume("l", None), None).unwrap_err();
    }

    #[test]
    fn only_the_init_command_sees_an_empty_volume() {
        let t = Temp::new("persistent");
        let s = Storage::open(&project(&t, Settings::default())).unwrap();
        let v = volume("db", Some("_init"));
        let e = prepare(&s, &v, Some("serve")).unwrap_err();
        assert!(e.message.contains("uninitialized volume \"db\""), "{e}");
        assert_eq!(e.exit, exit::SETUP);
        let first = prepare(&s, &v, Some("_init")).unwrap();
        assert!(first.dir.ends_with(".volumes/.tmp.db"));
        assert!(prepare(&s, &v, Some("_init")).is_err(), "locked");
        fs::create_dir(&first.dir).unwrap();
        first.filling.unwrap().commit().unwrap();
        let second = prepare(&s, &v, Some("_init")).unwrap();
        assert!(second.dir.ends_with(".volumes/db") && second.filling.is_none() && second.chore.is_none());
    }
}
