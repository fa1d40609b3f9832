//! Whiteouts of OCI layers: entries whose names say that something of a lower layer is gone.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{tar, ArchiveError};
use crate::sys::fs::Kind;
use crate::sys::path::Root;

/// Beginning of the names of whiteouts.
const PREFIX: &[u8] = b".wh.";
/// Name of the whiteout that hides everything in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Most whiteouts of a layer.
const MAX: usize = 1 << 20;

/// True for names that are not files: whiteouts, and what AUFS kept for itself (`.wh..wh.plnk`…).
pub fn is_whiteout(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str().as_bytes().starts_with(PREFIX))
}

/// What a layer hides of the layers below it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Whiteouts {
    gone: HashSet<PathBuf>,
    emptied: HashSet<PathBuf>,
}

impl Whiteouts {
    /// Reads a tar stream to its end for the names alone.
    pub fn read(stream: impl Read) -> Result<Whiteouts, ArchiveError> {
        let mut found = Whiteouts::default();
        tar::names(stream, |name| found.add(name))?;
        Ok(found)
    }

    fn add(&mut self, name: &Path) -> Result<(), ArchiveError> {
        let bytes = name.file_name().map(OsStr::as_bytes).unwrap_or_default();
        let dir = name.parent().unwrap_or(Path::new(""));
        if bytes == OPAQUE {
            self.emptied.insert(dir.to_owned());
        } else if let Some(hidden) = bytes.strip_prefix(PREFIX) {
            match hidden {
                b"" | b"." | b".." => {
                    return Err(ArchiveError::new(format!("{name:?}: a whiteout of nothing")))
                }
                // AUFS's own.
                hidden if hidden.starts_with(PREFIX) => {}
                hidden => drop(self.gone.insert(dir.join(OsStr::from_bytes(hidden)))),
            }
        }
        match self.gone.len() + self.emptied.len() > MAX {
            true => Err(ArchiveError::new("the layer has too many whiteouts")),
            false => Ok(()),
        }
    }

    /// Removes what is hidden. What is not there is fine, links are not followed at the end of a path and not out of
    /// the root before it. Other file systems that are mounted in the root are out of reach.
    pub fn apply(&self, root: &Root) -> Result<(), ArchiveError> {
        let root = super::writer::without_mounts(root).map_err(|e| ArchiveError::io(root.path(), &e))?;
        for path in &self.gone {
            tolerant(root.remove_all(path)).map_err(|e| ArchiveError::io(path, &e))?;
        }
        for dir in &self.emptied {
            tolerant(empty(&root, dir)).map_err(|e| ArchiveError::io(dir, &e))?;
        }
        Ok(())
    }
}

fn empty(root: &Root, dir: &Path) -> io::Result<()> {
    if root.lstat(dir)?.kind() != Kind::Dir {
        return Ok(());
    }
    for entry in root.read_dir(dir)? {
        root.remove_all(dir.join(entry.name))?;
    }
    Ok(())
}

/// A parent that is missing, or is no directory, holds nothing that could be hidden.
fn tolerant(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str]) -> Result<Whiteouts, ArchiveError> {
        let mut found = Whiteouts::default();
        names.iter().try_for_each(|n| found.add(Path::new(n)))?;
        Ok(found)
    }

    #[test]
    fn names() {
        let found = read(&["a/.wh.b", "a/c", ".wh.top", "d/.wh..wh..opq", ".wh..wh.plnk"]).unwrap();
        assert_eq!(found.gone, HashSet::from(["a/b".into(), "top".into()]));
        assert_eq!(found.emptied, HashSet::from(["d".into()]));
        for bad in ["x/.wh.", "x/.wh..", "x/.wh..."] {
            assert!(read(&[bad]).is_err(), "{bad}");
        }
        assert!(is_whiteout(Path::new("a/.wh.x/y")) && !is_whiteout(Path::new("a/wh.x")));
    }
}
