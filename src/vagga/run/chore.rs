//! Work on the storage that needs the ids of a container: done by its first process before anything is mounted.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{renameat2, RenameFlags};

use crate::sys::path::Root;
use crate::vagga::failure::{exit, Failure};

use super::stored::Stored;

/// One piece of work. Ids are ids of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chore {
    /// Create an empty volume unless it exists by now.
    CreateVolume {
        /// Directory of the volumes.
        volumes: Stored,
        /// Name there; made under a temporary one, then renamed.
        name: PathBuf,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// Make an empty directory, whatever was there before.
    EmptyVolume {
        /// Directory of the volumes.
        volumes: Stored,
        /// Name there.
        name: PathBuf,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// Give a directory mode and owner of another one.
    Resemble {
        /// To be changed.
        dir: Stored,
        /// The model.
        like: Stored,
    },
}

impl Chore {
    /// Does it. Errors: exit 124 with the path.
    pub fn run(&self) -> Result<(), Failure> {
        let (path, result) = match self {
            Chore::CreateVolume {
                volumes,
                name,
                uid,
                gid,
            } => (volumes.join(name), create(volumes, name, *uid, *gid)),
            Chore::EmptyVolume {
                volumes,
                name,
                uid,
                gid,
            } => (
                volumes.join(name),
                volumes.open().and_then(|root| empty(&root, name, *uid, *gid)),
            ),
            Chore::Resemble { dir, like } => (dir.clone(), resemble(dir, like)),
        };
        result.map_err(|e| Failure::new(exit::SETUP, format!("Can't prepare {:?}: {e}", path.full())))
    }
}

fn create(volumes: &Stored, name: &PathBuf, uid: u32, gid: u32) -> io::Result<()> {
    let root = volumes.open()?;
    let temporary = PathBuf::from(format!(".tmp.{}.new", name.display()));
    empty(&root, &temporary, uid, gid)?;
    match renameat2(&root, &temporary, &root, name, RenameFlags::RENAME_NOREPLACE) {
        // Another process was faster.
        Err(Errno::EEXIST) => root.rmdir(&temporary),
        // A file system without this flag.
        Err(Errno::EINVAL) => root.rename(&temporary, name),
        result => Ok(result?),
    }
}

fn empty(root: &Root, name: &PathBuf, uid: u32, gid: u32) -> io::Result<()> {
    root.remove_all(name)?;
    root.mkdir(name, 0o755)?;
    give(root, name, uid, gid)
}

fn resemble(dir: &Stored, like: &Stored) -> io::Result<()> {
    let model = like.open()?.stat("/")?;
    let root = dir.open()?;
    let mine = root.stat("/")?;
    if (mine.uid, mine.gid) != (model.uid, model.gid) {
        give(&root, &PathBuf::from("/"), model.uid, model.gid)?;
    }
    if mine.mode != model.mode {
        root.chmod("/", model.mode & 0o7777)?;
    }
    Ok(())
}

/// chown(2); with a single id there are no others, and the file stays the user's.
fn give(root: &Root, name: &PathBuf, uid: u32, gid: u32) -> io::Result<()> {
    if (uid, gid) == (0, 0) {
        return Ok(());
    }
    match root.chown(name, uid, gid) {
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            log::warn!("the owner {uid}:{gid} of {name:?} does not exist in this container");
            Ok(())
        }
        result => result,
    }
}
