//! Private writable views of images: `write-mode: transient-hard-link-copy` and `_run -W`.
//!
//! The name of the mode is history: hard links would let a write in place damage the image. Changes go to the upper
//! layer of an overlay where the kernel allows that, else the image is copied (sharing blocks where possible).

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::container::Base;
use crate::sys::fs::{copy_tree, lock, CopyOptions, Kind, Lock};
use crate::sys::process::{self, Fork, Namespaces, Status, WaitOptions};
use crate::vagga::build::Image;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids;
use crate::vagga::storage::Storage;

use super::chore::Chore;
use super::stored::Stored;

/// A transient directory, removed when dropped.
#[derive(Debug)]
pub struct Transient {
    all: Stored,
    name: PathBuf,
    image: Stored,
    overlay: bool,
    /// The process that made it: forked children must not remove it.
    owner: u32,
    _lock: Option<Lock>,
}

impl Transient {
    /// Makes `.transient/NAME.HASH8.PID` (`.N.PID` for further ones of this process) and removes those of
    /// processes that are gone.
    pub fn create(project: &Path, storage: &Storage, image: &Image) -> Result<Transient, Failure> {
        let path = storage.base.join(".transient");
        storage.create_dir(&path)?;
        let all = Stored::new(project, storage, &path);
        sweep(&all);
        let version = image.dir.file_name().unwrap_or_default().to_string_lossy();
        let name = make_dir(&all, &version).map_err(|e| fail(&path, &e))?;
        let dir = all.join(&name).full();
        let held = lock(&dir, true, false).map_err(|e| fail(&dir, &e))?;
        let mut transient = Transient {
            image: Stored::new(project, storage, &image.root()),
            overlay: true,
            owner: std::process::id(),
            _lock: held,
            all,
            name,
        };
        transient.overlay = transient.make_layers().map_err(|e| fail(&dir, &e))?;
        Ok(transient)
    }

    /// The root to mount.
    pub fn base(&self) -> Base {
        match self.overlay {
            true => Base::Overlay {
                lower: self.image.source(),
                upper: self.upper().source(),
                work: self.dir().join("work").source(),
            },
            false => self.copied_base(),
        }
    }

    /// Work to be done before the root is mounted.
    pub fn chore(&self) -> Chore {
        Chore::Resemble {
            dir: if self.overlay { self.upper() } else { self.copy() },
            like: self.image.clone(),
        }
    }

    /// The root to mount when there is no overlay: [`Transient::fill_copy`] must have been called.
    pub fn copied_base(&self) -> Base {
        Base::Bind {
            source: self.copy().source(),
            write: true,
        }
    }

    /// True when the root is an overlay (as far as one can tell before mounting it).
    pub fn is_overlay(&self) -> bool {
        self.overlay
    }

    /// Copies the image; in the first process of the container, which has its ids.
    pub fn fill_copy(&self) -> Result<(), Failure> {
        let copy = || {
            let (from, to) = (self.image.open()?, self.copy().open()?);
            copy_tree(
                &from,
                Path::new("/"),
                &to,
                Path::new("/"),
                &CopyOptions::default(),
            )
        };
        copy()
            .map(drop)
            .map_err(|e| fail(&self.copy().full(), &e))
            .and_then(|()| {
                Chore::Resemble {
                    dir: self.copy(),
                    like: self.image.clone(),
                }
                .run()
            })
    }

    fn dir(&self) -> Stored {
        self.all.join(&self.name)
    }

    fn upper(&self) -> Stored {
        self.dir().join("upper")
    }

    fn copy(&self) -> Stored {
        self.dir().join("root")
    }

    /// Directories of both ways; true when an overlay can keep its records (`user.*` attributes) there.
    fn make_layers(&self) -> io::Result<bool> {
        let dir = self.dir().open()?;
        for name in ["upper", "work", "root"] {
            dir.mkdir(name, 0o755)?;
        }
        let probe = OsStr::new("user.overlay.vagga");
        Ok(dir.set_xattr("work", probe, b"y").is_ok())
    }
}

impl Drop for Transient {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            remove(&self.all, &self.name);
        }
    }
}

/// Makes a directory with a name of its own.
fn make_dir(all: &Stored, version: &str) -> io::Result<PathBuf> {
    let root = all.open()?;
    let pid = std::process::id();
    let mut n = 0;
    loop {
        let name = PathBuf::from(match n {
            0 => format!("{version}.{pid}"),
            n => format!("{version}.{n}.{pid}"),
        });
        match root.mkdir(&name, 0o755) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => n += 1,
            result => return result.map(|()| name),
        }
    }
}

/// Removes what processes that were killed have left behind.
fn sweep(all: &Stored) {
    let Ok(entries) = all.open().and_then(|root| root.read_dir("/")) else {
        return;
    };
    for entry in entries {
        let name = PathBuf::from(entry.name);
        let pid = name.to_str().and_then(|name| {
            let (_, pid) = name.rsplit_once('.')?;
            pid.parse::<i32>().ok()
        });
        let alive = pid.is_none_or(|pid| process::kill(pid, 0).is_ok());
        // The lock decides: the process id may be of another PID namespace, or used again.
        if !alive && entry.kind == Kind::Dir {
            if let Ok(Some(_held)) = lock(&all.join(&name).full(), true, false) {
                remove(all, &name);
            }
        }
    }
}

/// Removes a directory that holds files of any id of a container. Failure is a warning: `_clean` tries again.
fn remove(all: &Stored, name: &Path) {
    let removed = all.open().and_then(|root| root.remove_all(name));
    if removed.is_err() {
        if let Err(e) = remove_with_ids(all, name) {
            log::warn!("can't remove {:?}: {e}", all.join(name).full());
        }
    }
}

/// Removes in a child that is root over all ids of the user.
fn remove_with_ids(all: &Stored, name: &Path) -> Result<(), String> {
    let maps = ids::maximal().map_err(|e| e.to_string())?;
    let (read, write) = process::pipe().map_err(|e| e.to_string())?;
    match process::fork(Namespaces::USER).map_err(|e| e.to_string())? {
        Fork::Child => {
            drop(write);
            let mut byte = [0];
            let begun = matches!(io::Read::read(&mut fs::File::from(read), &mut byte), Ok(1));
            let result = match begun {
                true => all.open().and_then(|root| root.remove_all(name)),
                false => Ok(()),
            };
            process::exit_now(result.err().and_then(|e| e.raw_os_error()).unwrap_or(0))
        }
        Fork::Parent(child) => {
            drop(read);
            let mapped = maps.write(child.pid).map_err(|e| e.to_string());
            let begun = match &mapped {
                Ok(()) => io::Write::write(&mut fs::File::from(write), b"x").map_err(|e| e.to_string()),
                Err(_) => {
                    drop(write);
                    Ok(0)
                }
            };
            let waited = process::wait(Some(child.pid), WaitOptions::default());
            mapped?;
            begun?;
            match waited {
                Ok(Some((_, Status::Exited(0)))) => Ok(()),
                Ok(Some((_, Status::Exited(errno)))) => {
                    Err(io::Error::from_raw_os_error(errno.into()).to_string())
                }
                other => Err(format!("{other:?}")),
            }
        }
    }
}

fn fail(path: &Path, e: &io::Error) -> Failure {
    Failure::new(exit::SETUP, format!("Can't make the writable copy {path:?}: {e}"))
}
