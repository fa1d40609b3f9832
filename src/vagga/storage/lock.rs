//! Advisory locks: one build of a container at a time, and images in use.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::{fail, Failure, Storage};

/// Seconds of waiting after which the wait is worth a line.
const LONG_WAIT: u64 = 5;

/// A held lock; released when dropped (and by the kernel when the process ends).
#[derive(Debug)]
pub struct Held(#[allow(dead_code)] Flock<File>);

/// Locks `path`, creating the file; `None` when somebody else holds it and `wait` is false.
///
/// The file may be removed by its previous holder while we wait: the lock counts only if the path still leads to
/// the locked inode.
pub fn exclusive(path: &Path, wait: bool) -> io::Result<Option<Held>> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)?;
        let Some(held) = flock(
            file,
            if wait {
                FlockArg::LockExclusive
            } else {
                FlockArg::LockExclusiveNonblock
            },
        )?
        else {
            return Ok(None);
        };
        let (mine, now) = (held.0.metadata()?, fs::metadata(path));
        if now.is_ok_and(|now| now.ino() == mine.ino() && now.dev() == mine.dev()) {
            return Ok(Some(held));
        }
    }
}

/// `flock(2)`; `None` = busy.
pub(super) fn flock(mut file: File, how: FlockArg) -> io::Result<Option<Held>> {
    loop {
        match Flock::lock(file, how) {
            Ok(held) => return Ok(Some(Held(held))),
            Err((f, Errno::EINTR)) => file = f,
            Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
            Err((_, e)) => return Err(e.into()),
        }
    }
}

impl Storage {
    /// Takes the build lock of a build directory (`<dir>.lock` beside it). With `wait` it blocks while another
    /// process builds, else that is an error.
    pub fn lock_build(&self, dir: &Path, wait: bool) -> Result<Held, Failure> {
        let path = lock_path(dir);
        let locked = |e: io::Error| fail(format!("Can't lock container build {path:?}: {e}"));
        if let Some(held) = exclusive(&path, false).map_err(locked)? {
            return Ok(held);
        }
        if !wait {
            return Err(fail(format!(
                "Can't lock container build {path:?}: other process is doing a build. Aborting..."
            ))
            .with_hint("try again when it is done, or set build-lock-wait: true in the settings"));
        }
        eprintln!("Other process is doing a build ({}). Waiting...", dir.display());
        let start = Instant::now();
        let held = exclusive(&path, true)
            .map_err(locked)?
            .ok_or_else(|| fail(format!("Can't lock container build {path:?}")))?;
        let seconds = start.elapsed().as_secs();
        if seconds > LONG_WAIT {
            eprintln!("Waited {seconds} seconds for the build lock.");
        }
        Ok(held)
    }
}

/// `<dir>.lock`, beside the directory.
pub fn lock_path(dir: &Path) -> PathBuf {
    let mut name = dir.as_os_str().to_os_string();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{project, Temp};
    use super::*;
    use crate::vagga::config::Settings;

    #[test]
    fn second_build_is_refused_until_the_first_ends() {
        let t = Temp::new("lock");
        let s = Storage::open(&project(&t, Settings::default())).unwrap();
        s.create_dir(&s.roots()).unwrap();
        let dir = s.build_dir("x", None);
        let first = s.lock_build(&dir, false).unwrap();
        let e = s.lock_build(&dir, false).unwrap_err();
        assert!(
            e.message.contains("Can't lock container build") && e.message.contains("Aborting"),
            "{e}"
        );
        drop(first);
        s.lock_build(&dir, false).unwrap();
    }

    #[test]
    fn removed_lock_file_is_not_a_lock() {
        let t = Temp::new("lock");
        let path = t.0.join("l.lock");
        let _old = exclusive(&path, false).unwrap().unwrap();
        fs::remove_file(&path).unwrap();
        let _new = exclusive(&path, false).unwrap().unwrap();
        assert!(exclusive(&path, false).unwrap().is_none());
    }
}
