//! `--cache`: packages and downloads in the cache that nothing has used for some time.
//!
//! The last use of a file is the latest of its three times: it came (ctime), or was read (atime, which the kernel
//! notes once a day at least, unless the file system is mounted `noatime`). What is removed is fetched again when a
//! build wants it. Caches of other programs (pip, npm, git clones…) are theirs to clean.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::remove::Remover;
use super::select::Entry;
use super::{failed, list, Failure};
use crate::sys::fs::lock;
use crate::vagga::debian::store;

/// Age without `--at-least`.
pub const AGE: Duration = Duration::from_secs(30 * 86400);

/// Lock of `apt-get` in builds, below the cache.
const APT_LOCK: &str = "apt-cache/apt-get-install.lock";
/// Packages that `apt-get` fetched.
const APT_ARCHIVES: &str = "apt-cache/archives";

/// Removes what was not used for `age` from the cache directory. A part of it that a build uses now stays whole, with
/// a message.
pub fn remove(cache: &Path, age: Duration, remover: &Remover) -> Result<(), Failure> {
    let idle = |entries: Vec<Entry>| -> Vec<PathBuf> {
        let files = entries.into_iter().filter(|e| !e.is_dir);
        files.map(|e| e.path).filter(|path| is_idle(path, age)).collect()
    };
    let debian = cache.join("debian");
    locked(&store::lock_path(&debian), || {
        let mut files = Vec::new();
        for dir in list(&debian.join("sha256"))?.into_iter().filter(|e| e.is_dir) {
            files.extend(idle(list(&dir.path)?));
        }
        for name in ["plans", "releases"] {
            files.extend(idle(list(&debian.join(name))?));
        }
        remover.remove_files(&files)?;
        // Killed builds leave directories too.
        let scratch = list(&debian.join("tmp"))?.into_iter().map(|e| e.path);
        remover.remove_paths(&scratch.filter(|path| is_idle(path, age)).collect::<Vec<_>>())
    })?;
    locked(&cache.join(APT_LOCK), || {
        remover.remove_files(&idle(list(&cache.join(APT_ARCHIVES))?))
    })?;
    downloads(idle(list(&cache.join("downloads"))?), remover)
}

/// Every download has a lock of its own, which goes with it.
fn downloads(files: Vec<PathBuf>, remover: &Remover) -> Result<(), Failure> {
    let (locks, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|f| has_ending(f, "lock"));
    for file in files {
        let target = match has_ending(&file, "part") {
            true => file.with_extension(""),
            false => file.clone(),
        };
        let mut name = target.into_os_string();
        name.push(".lock");
        let lock = PathBuf::from(name);
        locked(&lock, || {
            let with_lock = locks.contains(&lock).then(|| lock.clone());
            remover.remove_files(&[file].into_iter().chain(with_lock).collect::<Vec<_>>())
        })?;
    }
    Ok(())
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e == ending)
}

/// Calls `clean` while nobody holds the lock. A lock that does not exist is not made: nobody can hold it.
fn locked(path: &Path, clean: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    if !path.is_file() || path.is_symlink() {
        return clean();
    }
    match lock(path, true, false).map_err(|e| failed(path, &e))? {
        Some(_held) => clean(),
        None => {
            log::error!("{path:?} is in use by another process, nothing is removed there");
            Ok(())
        }
    }
}

fn is_idle(path: &Path, age: Duration) -> bool {
    let Ok(data) = fs::symlink_metadata(path) else {
        return false;
    };
    let seconds = [data.atime(), data.mtime(), data.ctime()];
    let last = seconds.into_iter().max().and_then(|s| u64::try_from(s).ok());
    let last = last.and_then(|s| UNIX_EPOCH.checked_add(Duration::from_secs(s)));
    last.is_some_and(|last| {
        SystemTime::now()
            .duration_since(last)
            .is_ok_and(|idle| idle >= age)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::storage::tests::Temp;

    #[test]
    fn files_go_with_their_locks_and_busy_parts_stay() {
        let t = Temp::new("cache");
        let cache = t.0.join("cache");
        for name in [
            "debian/lock",
            "debian/sha256/ab/abcd",
            "debian/plans/x",
            "debian/tmp/verify.1/keys",
            "debian/keys/k.asc",
            "apt-cache/archives/a.deb",
            "downloads/x",
            "downloads/x.lock",
            "downloads/y.part",
            "downloads/y.lock",
            "git/clone",
        ] {
            fs::create_dir_all(cache.join(name).parent().unwrap()).unwrap();
            fs::write(cache.join(name), "").unwrap();
        }
        let there = |name: &str| cache.join(name).exists();
        let remover = Remover { dry_run: false };
        remove(&cache, AGE, &remover).unwrap();
        remove(&cache, Duration::ZERO, &Remover { dry_run: true }).unwrap();
        assert!(there("debian/plans/x") && there("downloads/x"));
        let building = lock(&cache.join("debian/lock"), false, false).unwrap();
        let fetching = lock(&cache.join("downloads/y.lock"), true, false).unwrap();
        assert!(building.is_some() && fetching.is_some());
        remove(&cache, Duration::ZERO, &remover).unwrap();
        assert!(there("debian/sha256/ab/abcd") && there("downloads/y.part"));
        assert!(!there("downloads/x") && !there("downloads/x.lock") && !there("apt-cache/archives/a.deb"));
        drop((building, fetching));
        // Processes that other tests fork hold copies of the locks for a moment.
        for _ in 0..100 {
            remove(&cache, Duration::ZERO, &remover).unwrap();
            if !there("debian/plans/x") && !there("downloads/y.part") {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(!there("debian/sha256/ab/abcd") && !there("debian/plans/x") && !there("downloads/y.part"));
        assert!(!there("debian/tmp/verify.1") && there("debian/tmp"));
        assert!(there("debian/lock") && there("debian/keys/k.asc") && there("git/clone"));
        remove(&cache.join("none"), Duration::ZERO, &remover).unwrap();
    }
}
