//! Which directories go: pure functions over the entries of one directory.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Hex digits of the hash in the name of a version.
const SHORT: usize = 8;

/// An entry of a directory of vagga's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its path.
    pub path: PathBuf,
    /// A real directory (no link to one).
    pub is_dir: bool,
}

impl Entry {
    /// The name; empty when it is not UTF-8, which matches nothing of vagga's.
    fn name(&self) -> &str {
        self.path.file_name().and_then(|n| n.to_str()).unwrap_or_default()
    }
}

/// Something to remove, and what protects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What to remove.
    pub path: PathBuf,
    /// Lock files that must not be held by anybody, if they exist; removed as well.
    pub locks: Vec<PathBuf>,
    /// A version or a copy: the lock of its users counts too.
    pub has_users: bool,
}

/// Entries of a directory in order of their names; a missing directory has none.
///
/// Errors: NotADirectory for a link in the place of the directory.
pub fn entries(dir: &Path) -> io::Result<Vec<Entry>> {
    match fs::symlink_metadata(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
        Ok(m) if !m.is_dir() => {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                "must be a directory; unlink it",
            ));
        }
        Ok(_) => {}
    }
    let mut out = fs::read_dir(dir)?
        .map(|entry| {
            let entry = entry?;
            Ok(Entry {
                path: entry.path(),
                is_dir: entry.file_type()?.is_dir(),
            })
        })
        .collect::<io::Result<Vec<_>>>()?;
    out.sort_unstable();
    Ok(out)
}

/// `.tmp.NAME`, `.tmp.NAME.old` and the lock files that stand alone.
pub fn temporary(entries: &[Entry]) -> Vec<Candidate> {
    let is_lock = |e: &Entry| !e.is_dir && e.name().ends_with(".lock");
    let dirs: BTreeSet<&Path> = entries
        .iter()
        .filter(|e| !is_lock(e))
        .map(|e| e.path.as_path())
        .collect();
    let of_dir = |e: &Entry| dirs.contains(e.path.with_extension("").as_path());
    entries
        .iter()
        .filter(|e| e.name().starts_with(".tmp") && !(is_lock(e) && of_dir(e)))
        .map(|e| match is_lock(e) {
            true => Candidate {
                path: e.path.clone(),
                locks: vec![e.path.clone()],
                has_users: false,
            },
            false => locked(e, e.name()),
        })
        .collect()
}

/// A directory protected by `NAME.lock` beside it, and by that of the build that replaces it.
fn locked(entry: &Entry, name: &str) -> Candidate {
    let mut locks = vec![entry.path.with_file_name(format!("{name}.lock"))];
    if let Some(building) = name.strip_suffix(".old") {
        locks.push(entry.path.with_file_name(format!("{building}.lock")));
    }
    Candidate {
        path: entry.path.clone(),
        locks,
        has_users: false,
    }
}

/// Directories of versions, with the container's name and the short hash.
fn images(entries: &[Entry]) -> impl Iterator<Item = (&Entry, &str, &str)> {
    entries.iter().filter(|e| e.is_dir).filter_map(|e| {
        let (name, short) = e.name().rsplit_once('.')?;
        let is_hash = short.len() == SHORT && short.bytes().all(|b| b.is_ascii_hexdigit());
        (is_hash && !name.is_empty() && !name.starts_with(".tmp")).then_some((e, name, short))
    })
}

/// Something that running commands lock.
fn in_use(entry: &Entry) -> Candidate {
    Candidate {
        has_users: true,
        ..locked(entry, entry.name())
    }
}

/// Versions that no link names.
pub fn old(entries: &[Entry], linked: &BTreeSet<OsString>) -> Vec<Candidate> {
    images(entries)
        .filter(|(e, _, _)| !e.path.file_name().is_some_and(|name| linked.contains(name)))
        .map(|(e, _, _)| in_use(e))
        .collect()
}

/// What is known about the version of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Its short hash.
    Version(String),
    /// It cannot be known now, so that every version must stay.
    Unknown,
}

/// Versions of containers that the configuration does not have, or has with another hash.
pub fn unused(entries: &[Entry], wanted: &BTreeMap<String, Wanted>) -> Vec<Candidate> {
    images(entries)
        .filter(|(_, name, short)| match wanted.get(*name) {
            Some(Wanted::Unknown) => false,
            Some(Wanted::Version(version)) => version != short,
            None => true,
        })
        .map(|(e, _, _)| in_use(e))
        .collect()
}

/// Versions whose last use (as `since` tells) is at least `age` ago. What `since` does not know stays.
pub fn aged(entries: &[Entry], age: Duration, since: &dyn Fn(&Path) -> Option<Duration>) -> Vec<Candidate> {
    images(entries)
        .filter(|(e, _, _)| since(&e.path).is_some_and(|idle| idle >= age))
        .map(|(e, _, _)| in_use(e))
        .collect()
}

/// Copies `NAME.HASH.PID` whose process is gone. A name without a process id stays.
pub fn transient(entries: &[Entry], is_running: &dyn Fn(i32) -> bool) -> Vec<Candidate> {
    entries
        .iter()
        .filter(|e| {
            let pid = e.name().rsplit_once('.').and_then(|(_, pid)| pid.parse().ok());
            e.is_dir && pid.is_some_and(|pid| pid > 0 && !is_running(pid))
        })
        .map(in_use)
        .collect()
}

/// Volumes that are not kept, and what an interrupted initialisation left of them.
pub fn volumes(entries: &[Entry], keep: &dyn Fn(&str) -> bool) -> Vec<Candidate> {
    entries
        .iter()
        .filter(|e| e.is_dir && !keep(e.name().strip_prefix(".tmp.").unwrap_or(e.name())))
        .map(|e| {
            let name = e.name();
            let mut candidate = locked(e, name);
            if !name.starts_with(".tmp.") {
                candidate
                    .locks
                    .push(e.path.with_file_name(format!(".tmp.{name}.lock")));
            }
            candidate
        })
        .collect()
}
