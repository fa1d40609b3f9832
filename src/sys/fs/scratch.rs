//! Directories for temporary files in a place that several processes share: everyone has its own, and one that was
//! killed leaves nothing for long.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{lock_file, remove_tree, Lock};
use crate::sys::random;

/// Names tried before we believe that somebody takes them on purpose.
const ATTEMPTS: u32 = 100;

/// A directory of this process, mode 0700, with a random name: process ids would not do, as every build is process 1 of a
/// PID namespace. It is locked (flock(2)) while it is used and removed when the value is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _lock: Lock,
}

impl Scratch {
    /// Makes `PARENT/PREFIX.RANDOM`. Those of the same prefix that nobody holds any more are removed first, as far as
    /// this user may.
    pub fn new(parent: &Path, prefix: &str) -> io::Result<Scratch> {
        sweep(parent, prefix)?;
        for _ in 0..ATTEMPTS {
            let random = u64::from_ne_bytes(random::bytes()?);
            let path = parent.join(format!("{prefix}.{random:016x}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            // Until it is locked somebody else's sweep may take it.
            if let Some(lock) = hold(&path)? {
                return Ok(Scratch { path, _lock: lock });
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "every temporary name is taken",
        ))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(e) = remove_tree(&self.path) {
            log::warn!("cannot remove {}: {e}", self.path.display());
        }
    }
}

/// Locks a directory unless somebody else has; `None` also if it is gone or another one by now.
fn hold(path: &Path) -> io::Result<Option<Lock>> {
    let absent = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => Ok(None),
        _ => Err(e),
    };
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let opened: File = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(e) => return absent(e),
    };
    let Some(lock) = lock_file(opened, true)? else {
        return Ok(None);
    };
    let held = lock.file().metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(now) => Ok(((now.dev(), now.ino()) == (held.dev(), held.ino())).then_some(lock)),
        Err(e) => absent(e),
    }
}

/// Removes the directories `PREFIX.*` whose holders are gone. What cannot be removed is another user's.
fn sweep(parent: &Path, prefix: &str) -> io::Result<()> {
    let ours = |name: &OsStr| {
        let rest = name.as_bytes().strip_prefix(prefix.as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"."))
    };
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        if !ours(&entry.file_name()) {
            continue;
        }
        if let Ok(Some(_lock)) = hold(&entry.path()) {
            let _ = remove_tree(&entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;
    use std::fs;

    #[test]
    fn everyone_has_its_own_and_nothing_remains() {
        let t = Temp::new();
        let (one, two) = (
            Scratch::new(&t.0, "build").unwrap(),
            Scratch::new(&t.0, "build").unwrap(),
        );
        assert_ne!(one.path(), two.path());
        fs::create_dir(one.path().join("a")).unwrap();
        fs::write(one.path().join("a/b"), "x").unwrap();
        let third = Scratch::new(&t.0, "build").unwrap();
        assert!(one.path().join("a/b").exists(), "still held");
        drop((one, two, third));
        assert_eq!(fs::read_dir(&t.0).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_goes_with_the_next() {
        let t = Temp::new();
        let left = t.0.join("build.0123456789abcdef");
        fs::create_dir_all(left.join("deep/er")).unwrap();
        for other in ["builds.1", "other.1", "build"] {
            fs::create_dir(t.0.join(other)).unwrap();
        }
        std::os::unix::fs::symlink("/", t.0.join("build.link")).unwrap();
        let scratch = Scratch::new(&t.0, "build").unwrap();
        assert!(!left.exists() && scratch.path().exists());
        for other in ["builds.1", "other.1", "build", "build.link"] {
            assert!(t.0.join(other).symlink_metadata().is_ok(), "{other}");
        }
    }

    #[test]
    fn sweeps_never_take_what_is_in_use() {
        let t = Temp::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..200 {
                        let scratch = Scratch::new(&t.0, "build").unwrap();
                        let file = scratch.path().join("file");
                        fs::write(&file, n.to_string()).unwrap();
                        assert_eq!(fs::read_to_string(&file).unwrap(), n.to_string());
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(&t.0).unwrap().count(), 0);
    }
}
