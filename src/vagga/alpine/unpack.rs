//! Unpacking one package into a root as apk would, and the book of what it owns.
//!
//! Files go through the confined writer of archives. A file of another package is overwritten only when one replaces
//! the other; a configuration file that somebody changed stays, and the package's comes beside it as `.apk-new`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::apk::Apk;
use super::digest::{Checksum, Hasher};
use super::installed::{Directory, Installed, Owned};
use super::Error;
use crate::sys::fs::Kind;
use crate::sys::path::Root;
use crate::vagga::archive::{unpack_tar_with, ArchiveError, Clerk, Meta, Options, Owners, What, Writer};

/// Files that the build provides while it runs; the package's own must not take their place.
const OF_THE_BUILD: [&str; 2] = ["etc/hosts", "etc/resolv.conf"];
/// Suffix of configuration files that were not overwritten.
const ASIDE: &str = ".apk-new";

/// What is known of other packages while one is unpacked.
pub struct Surroundings<'a> {
    pub root: &'a Root,
    /// All installed packages, the older version of this one included.
    pub packages: &'a [Installed],
    pub owners: &'a super::installed::Owners,
    /// Only one id exists.
    pub single_id: bool,
}

/// What unpacking did.
pub struct Unpacked {
    /// The package with its files.
    pub installed: Installed,
    /// Files that belong to it now and to another package before: `(name of that package, path)`.
    pub taken: Vec<(String, String)>,
}

/// Unpacks the data of `apk`, which is to be installed as `package`.
pub fn unpack(around: &Surroundings, apk: &Apk, package: Installed) -> Result<Unpacked, Error> {
    let name = package.package.full_name();
    let bad = |e: &dyn std::fmt::Display| Error::new(format!("package {name} cannot be unpacked: {e}"));
    let options = Options {
        owners: match around.single_id {
            true => Owners::KeepWherePossible,
            false => Owners::Keep,
        },
        ..Options::default()
    };
    let stream = apk.data().map_err(|e| bad(&e))?;
    let writer = Writer::new(around.root, Path::new("/"), &options).map_err(|e| bad(&e))?;
    let mut books = Books::new(around, package);
    unpack_tar_with(stream, writer, &mut books).map_err(|e| bad(&e))?;
    books.close_file();
    books.settle().map_err(|e| bad(&e))
}

/// The clerk that writes down what a package owns.
struct Books<'a> {
    around: &'a Surroundings<'a>,
    installed: Installed,
    /// Places of directories in the list.
    places: HashMap<String, usize>,
    /// Files so far: an archive may have one twice.
    seen: HashSet<String>,
    taken: Vec<(String, String)>,
    /// The file being written: its place in the lists, and its checksum so far.
    open: Option<(usize, usize, Hasher)>,
    /// Configuration files put aside, with the checksum of what is there.
    aside: Vec<(String, Checksum)>,
}

impl<'a> Books<'a> {
    fn new(around: &'a Surroundings<'a>, installed: Installed) -> Books<'a> {
        Books {
            around,
            installed,
            places: HashMap::new(),
            seen: HashSet::new(),
            taken: Vec::new(),
            open: None,
            aside: Vec::new(),
        }
    }

    fn directory(&mut self, path: &str) -> usize {
        if let Some(place) = self.places.get(path) {
            return *place;
        }
        let directories = &mut self.installed.directories;
        directories.push(Directory {
            path: path.to_string(),
            ..Directory::default()
        });
        self.places.insert(path.to_string(), directories.len() - 1);
        directories.len() - 1
    }

    /// Writes a file down; returns where.
    fn record(&mut self, path: &str, meta: &Meta, checksum: Option<Checksum>) -> (usize, usize) {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let place = self.directory(dir);
        let access = access(meta, 0o644);
        let name = name.to_string();
        let Some(directory) = self.installed.directories.get_mut(place) else {
            return (place, 0);
        };
        if !self.seen.insert(path.to_string()) {
            directory.files.retain(|f| f.name != name);
        }
        directory.files.push(Owned {
            name,
            access,
            checksum,
        });
        (place, directory.files.len() - 1)
    }

    fn close_file(&mut self) {
        let Some((dir, file, hasher)) = self.open.take() else {
            return;
        };
        let directory = self.installed.directories.get_mut(dir);
        if let Some(owned) = directory.and_then(|d| d.files.get_mut(file)) {
            owned.checksum = Some(hasher.checksum());
        }
    }

    fn checksum_of(&self, path: &str) -> Option<Checksum> {
        self.installed
            .files()
            .find(|(p, _)| p == path)
            .and_then(|(_, f)| f.checksum.clone())
    }

    /// May this package have the path? Notes when it takes it from another. `false`: the other one keeps it.
    fn claim(&mut self, path: &str) -> Result<bool, String> {
        let owner = self.around.owners.of(path);
        let Some(owner) = owner.filter(|owner| *owner != self.installed.package.name) else {
            return Ok(true);
        };
        let Some(other) = self.around.packages.iter().find(|p| p.package.name == owner) else {
            return Ok(true);
        };
        let (own, their) = (&self.installed, &other.package);
        let replaces = |a: &Installed, b: &Installed| {
            let b = &b.package;
            a.replaces()
                .iter()
                .any(|d| d.name == b.name && d.accepts(&b.version, b.checksum.as_str()))
        };
        let (we, they) = (replaces(own, other), replaces(other, own));
        let same_origin = !own.field('o').is_empty() && own.field('o') == other.field('o');
        if they && (!we || other.replaces_priority() > own.replaces_priority()) {
            return Ok(false);
        }
        if !we && !same_origin {
            return Err(format!(
                "the file belongs to package {} already",
                their.full_name()
            ));
        }
        self.taken.push((owner.to_string(), path.to_string()));
        Ok(true)
    }

    /// True when the file must not take the place of the one that is there.
    fn stays(&mut self, path: &str) -> io::Result<bool> {
        if !is_protected(path) {
            return Ok(false);
        }
        let Some(there) = checksum_of_file(self.around.root, path)? else {
            return Ok(false);
        };
        let unchanged = self.around.owners.checksum(path) == Some(&there);
        if !unchanged {
            self.aside.push((path.to_string(), there));
        }
        Ok(!unchanged)
    }

    /// Drops what was put aside for nothing.
    fn settle(self) -> Result<Unpacked, io::Error> {
        for (path, there) in &self.aside {
            if self.checksum_of(path).as_ref() == Some(there) || OF_THE_BUILD.contains(&path.as_str()) {
                self.around.root.remove_all(format!("{path}{ASIDE}"))?;
            }
        }
        Ok(Unpacked {
            installed: self.installed,
            taken: self.taken,
        })
    }

    fn place_file(&mut self, path: &str, what: &What, meta: &Meta) -> Result<Option<PathBuf>, String> {
        if !self.claim(path)? {
            return Ok(None);
        }
        let aside = self.stays(path).map_err(|e| e.to_string())?;
        match what {
            What::Symlink(text) => {
                let text = text.to_str().ok_or("the link is not UTF-8")?;
                self.record(path, meta, Some(Checksum::sha1(text.as_bytes())));
            }
            What::HardLink(target) => {
                let target = target.to_string_lossy();
                let checksum = self.checksum_of(target.trim_start_matches("./").trim_start_matches('/'));
                self.record(path, meta, checksum);
            }
            _ => {
                let (dir, file) = self.record(path, meta, None);
                self.open = Some((dir, file, Hasher::sha1()));
            }
        }
        Ok(Some(PathBuf::from(if aside {
            format!("{path}{ASIDE}")
        } else {
            path.to_string()
        })))
    }
}

impl Clerk for Books<'_> {
    fn place(&mut self, path: PathBuf, what: &What, meta: &Meta) -> Result<Option<PathBuf>, ArchiveError> {
        self.close_file();
        let text = path.to_str().filter(|t| !t.contains('\n'));
        let text = text.ok_or_else(|| {
            ArchiveError::new(format!("{path:?}: the name is not one of UTF-8 on one line"))
        })?;
        // Control files; nothing else begins like that at the top.
        if text.starts_with('.') {
            return Ok(None);
        }
        if *what == What::Dir {
            let place = self.directory(text);
            let access = access(meta, 0o755);
            self.installed
                .directories
                .get_mut(place)
                .into_iter()
                .for_each(|d| d.access = access.clone());
            return Ok(Some(path));
        }
        let placed = self.place_file(text, what, meta);
        placed.map_err(|why| ArchiveError::new(format!("{path:?}: {why}")))
    }

    fn content(&mut self, bytes: &[u8]) {
        if let Some((_, _, hasher)) = &mut self.open {
            hasher.update(bytes);
        }
    }
}

/// Owner and mode as the database has them, unless they are the usual ones.
fn access(meta: &Meta, usual: u32) -> Option<String> {
    let (uid, gid) = meta.owner;
    ((uid, gid, meta.mode) != (0, 0, usual)).then(|| format!("{uid}:{gid}:{:o}", meta.mode))
}

/// Configuration, which people change: `/etc`, but for apk's own and the programs of the init system.
pub fn is_protected(path: &str) -> bool {
    path.starts_with("etc/") && !path.starts_with("etc/init.d/")
}

/// The checksum that a file or link of the root would have in the database; `None` when there is none.
pub fn checksum_of_file(root: &Root, path: &str) -> io::Result<Option<Checksum>> {
    let kind = match root.lstat(path) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None)
        }
        other => other?.kind(),
    };
    match kind {
        Kind::Symlink => {
            let text = root.read_link(path)?;
            Ok(Some(Checksum::sha1(text.to_string_lossy().as_bytes())))
        }
        Kind::File => {
            let mut hasher = Hasher::sha1();
            let mut file = root.open_read(path)?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let n = file.read(&mut buffer)?;
                if n == 0 {
                    return Ok(Some(hasher.checksum()));
                }
                hasher.update(buffer.get(..n).unwrap_or_default());
            }
        }
        _ => Ok(None),
    }
}

/// Removes the files of a package that are nobody's now, then directories that are empty and not in `kept`.
/// Configuration that was changed stays. Returns the directories where something was removed.
pub fn remove_files(
    root: &Root,
    old: &Installed,
    owners: &super::installed::Owners,
    kept: &BTreeSet<&str>,
) -> io::Result<Vec<String>> {
    let mut touched = Vec::new();
    for directory in &old.directories {
        let mut changed = false;
        for file in &directory.files {
            let path = super::installed::join(&directory.path, &file.name);
            if owners.of(&path).is_some() {
                continue;
            }
            let changed_by_user = || -> io::Result<bool> {
                Ok(is_protected(&path) && checksum_of_file(root, &path)? != file.checksum)
            };
            if OF_THE_BUILD.contains(&path.as_str()) || changed_by_user()? {
                continue;
            }
            match root.unlink(&path) {
                Err(e) if !is_gone(&e) => return Err(e),
                _ => changed = true,
            }
        }
        if changed {
            touched.push(directory.path.clone());
        }
    }
    let mut paths: Vec<&str> = old
        .directories
        .iter()
        .map(|d| d.path.as_str())
        .filter(|p| !p.is_empty())
        .collect();
    paths.sort_by_key(|p| std::cmp::Reverse(p.len()));
    for path in paths.into_iter().filter(|p| !kept.contains(p)) {
        // Not empty, a mount point, or a link: it stays.
        let _ = root.rmdir(path);
    }
    Ok(touched)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

#[cfg(test)]
#[path = "tests/unpack.rs"]
mod tests;
