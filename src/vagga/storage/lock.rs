//! The lock of a build: one build of a container at a time.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{fail, Failure, Storage};
use crate::sys::fs::{lock, lock_waiting, Lock};

/// Seconds of waiting after which the wait is worth a line.
const LONG_WAIT: u64 = 5;

impl Storage {
    /// Takes the build lock of a build directory (`<dir>.lock` beside it). With `wait` it blocks while another
    /// process builds, else that is an error.
    pub fn lock_build(&self, dir: &Path, wait: bool) -> Result<Lock, Failure> {
        let path = lock_path(dir);
        let locked = |e: io::Error| fail(format!("Can't lock container build {path:?}: {e}"));
        if !wait {
            return lock(&path, true, false).map_err(locked)?.ok_or_else(|| {
                fail(format!(
                    "Can't lock container build {path:?}: other process is doing a build. Aborting..."
                ))
                .with_hint("try again when it is done, or set build-lock-wait: true in the settings")
            });
        }
        let start = Instant::now();
        let held = lock_waiting(&path, || {
            eprintln!("Other process is doing a build ({}). Waiting...", dir.display());
        })
        .map_err(locked)?;
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
}
