//! Private writable views of images: `write-mode: transient-hard-link-copy` and `_run -W`.
//!
//! The name of the mode is history: hard links would let a write in place damage the image. Changes go to the upper
//! layer of an overlay where the kernel allows that, else the image is copied (sharing blocks where possible).

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::container::Base;
use crate::sys::fs::{copy_tree, lock, remove_tree, CopyOptions, Lock};
use crate::sys::path::Root;
use crate::sys::process::{self, Fork, Namespaces, Status, WaitOptions};
use crate::vagga::build::Image;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids;
use crate::vagga::storage::Storage;

use super::chore::Chore;

/// A transient directory, removed when dropped.
#[derive(Debug)]
pub struct Transient {
    dir: PathBuf,
    image: PathBuf,
    overlay: bool,
    /// The process that made it: forked children must not remove it.
    owner: u32,
    _lock: Option<Lock>,
}

impl Transient {
    /// Makes `.transient/NAME.HASH8.PID` (`.N.PID` for further ones of this process) and removes those of
    /// processes that are gone.
    pub fn create(storage: &Storage, image: &Image) -> Result<Transient, Failure> {
        let all = storage.base.join(".transient");
        storage.create_dir(&all)?;
        sweep(&all);
        let version = image.dir.file_name().unwrap_or_default().to_string_lossy();
        let pid = std::process::id();
        let mut n = 0;
        let dir = loop {
            let dir = all.join(match n {
                0 => format!("{version}.{pid}"),
                n => format!("{version}.{n}.{pid}"),
            });
            match fs::create_dir(&dir) {
                Ok(()) => break dir,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => n += 1,
                Err(e) => return Err(fail(&dir, &e)),
            }
        };
        let held = lock(&dir, true, false).map_err(|e| fail(&dir, &e))?;
        let mut transient = Transient {
            image: image.root(),
            overlay: true,
            owner: pid,
            _lock: held,
            dir,
        };
        transient.overlay = transient.make_layers().map_err(|e| fail(&transient.dir, &e))?;
        Ok(transient)
    }

    /// The root to mount.
    pub fn base(&self) -> Base {
        match self.overlay {
            true => Base::Overlay {
                lower: self.image.clone(),
                upper: self.upper(),
                work: self.dir.join("work"),
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
            dir: self.copy(),
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
            let (from, to) = (Root::open(&self.image)?, Root::open(self.copy())?);
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
            .map_err(|e| fail(&self.copy(), &e))
            .and_then(|()| {
                Chore::Resemble {
                    dir: self.copy(),
                    like: self.image.clone(),
                }
                .run()
            })
    }

    fn upper(&self) -> PathBuf {
        self.dir.join("upper")
    }

    fn copy(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// Directories of both ways; true when an overlay can keep its records (`user.*` attributes) there.
    fn make_layers(&self) -> io::Result<bool> {
        for dir in [self.upper(), self.dir.join("work"), self.copy()] {
            fs::DirBuilder::new().mode(0o755).create(dir)?;
        }
        let probe = OsStr::new("user.overlay.vagga");
        Ok(Root::open(&self.dir)?.set_xattr("work", probe, b"y").is_ok())
    }
}

impl Drop for Transient {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            remove(&self.dir);
        }
    }
}

/// Removes what processes that were killed have left behind.
fn sweep(all: &Path) {
    let Ok(entries) = fs::read_dir(all) else {
        return;
    };
    for entry in entries.flatten() {
        let dir = entry.path();
        let pid = entry.file_name().to_str().and_then(|name| {
            let (_, pid) = name.rsplit_once('.')?;
            pid.parse::<i32>().ok()
        });
        let alive = pid.is_none_or(|pid| process::kill(pid, 0).is_ok());
        // The lock decides: the process id may be of another PID namespace, or used again.
        if !alive && dir.is_dir() {
            if let Ok(Some(_held)) = lock(&dir, true, false) {
                remove(&dir);
            }
        }
    }
}

/// Removes a directory that holds files of any id of a container. Failure is a warning: `_clean` tries again.
fn remove(dir: &Path) {
    if remove_tree(dir).is_err() {
        if let Err(e) = remove_with_ids(dir) {
            log::warn!("can't remove {dir:?}: {e}");
        }
    }
}

/// Removes in a child that is root over all ids of the user.
fn remove_with_ids(dir: &Path) -> Result<(), String> {
    let maps = ids::maximal().map_err(|e| e.to_string())?;
    let (read, write) = process::pipe().map_err(|e| e.to_string())?;
    match process::fork(Namespaces::USER).map_err(|e| e.to_string())? {
        Fork::Child => {
            drop(write);
            let mut byte = [0];
            let begun = matches!(io::Read::read(&mut fs::File::from(read), &mut byte), Ok(1));
            let result = if begun { remove_tree(dir) } else { Ok(()) };
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
