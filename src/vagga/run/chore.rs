//! Work on the storage that needs the ids of a container: done by its first process before anything is mounted.

use std::fs;
use std::io;
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{renameat2, RenameFlags, AT_FDCWD};

use crate::sys::fs::remove_tree;
use crate::vagga::failure::{exit, Failure};

/// One piece of work. Paths are paths of the host, ids are ids of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chore {
    /// Create an empty volume unless it exists by now.
    CreateVolume {
        /// Made first, then renamed.
        temporary: PathBuf,
        /// The volume.
        dir: PathBuf,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// Make an empty directory, whatever was there before.
    EmptyVolume {
        /// The directory.
        dir: PathBuf,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// Give a directory mode and owner of another one.
    Resemble {
        /// To be changed.
        dir: PathBuf,
        /// The model.
        like: PathBuf,
    },
}

impl Chore {
    /// Does it. Errors: exit 124 with the path.
    pub fn run(&self) -> Result<(), Failure> {
        let (path, result) = match self {
            Chore::CreateVolume {
                temporary,
                dir,
                uid,
                gid,
            } => (dir, create(temporary, dir, *uid, *gid)),
            Chore::EmptyVolume { dir, uid, gid } => (dir, empty(dir, *uid, *gid)),
            Chore::Resemble { dir, like } => (dir, resemble(dir, like)),
        };
        result.map_err(|e| Failure::new(exit::SETUP, format!("Can't prepare {path:?}: {e}")))
    }
}

fn create(temporary: &Path, dir: &Path, uid: u32, gid: u32) -> io::Result<()> {
    empty(temporary, uid, gid)?;
    match renameat2(AT_FDCWD, temporary, AT_FDCWD, dir, RenameFlags::RENAME_NOREPLACE) {
        // Another process was faster.
        Err(Errno::EEXIST) => fs::remove_dir(temporary),
        // A file system without this flag.
        Err(Errno::EINVAL) => fs::rename(temporary, dir),
        result => Ok(result?),
    }
}

fn empty(dir: &Path, uid: u32, gid: u32) -> io::Result<()> {
    remove_tree(dir)?;
    fs::create_dir(dir)?;
    give(dir, uid, gid)
}

fn resemble(dir: &Path, like: &Path) -> io::Result<()> {
    let model = fs::metadata(like)?;
    let mine = fs::metadata(dir)?;
    if (mine.uid(), mine.gid()) != (model.uid(), model.gid()) {
        give(dir, model.uid(), model.gid())?;
    }
    if mine.mode() != model.mode() {
        fs::set_permissions(dir, fs::Permissions::from_mode(model.mode() & 0o7777))?;
    }
    Ok(())
}

/// chown(2); with a single id there are no others, and the file stays the user's.
fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if (uid, gid) == (0, 0) {
        return Ok(());
    }
    match chown(path, Some(uid), Some(gid)) {
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            log::warn!("the owner {uid}:{gid} of {path:?} does not exist in this container");
            Ok(())
        }
        result => result,
    }
}
