//! Walking a tree with a selection, in the order in which versions hash it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Selection;
use crate::sys::fs::{Kind, Stat};
use crate::sys::path::Root;

/// What stopped a walk.
#[derive(Debug)]
pub struct WalkError {
    /// The entry, a path of the root.
    pub path: PathBuf,
    /// Why; `InvalidData` for a name that is not UTF-8.
    pub error: io::Error,
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't read {:?}: {}", self.path, self.error)
    }
}

impl std::error::Error for WalkError {}

/// Visits `source` itself, then every selected entry preceded by its parent directories, component-wise in byte order.
/// Each entry is visited once; its path is relative to `source` (empty for `source`). Links are never followed.
///
/// Errors: NotFound with the path `source` when it does not exist.
pub fn walk<E: From<WalkError>>(
    root: &Root,
    source: &Path,
    selection: &Selection,
    visit: &mut dyn FnMut(&Path, &Stat) -> Result<(), E>,
) -> Result<(), E> {
    let stat = root.lstat(source).map_err(|error| WalkError {
        path: source.to_path_buf(),
        error,
    })?;
    visit(Path::new(""), &stat)?;
    if stat.kind() != Kind::Dir {
        return Ok(());
    }
    Walk {
        root,
        source,
        selection,
        visit,
        pending: Vec::new(),
    }
    .directory("")
}

struct Walk<'a, E> {
    root: &'a Root,
    source: &'a Path,
    selection: &'a Selection,
    visit: &'a mut dyn FnMut(&Path, &Stat) -> Result<(), E>,
    /// Parents of the current entry that have not been visited yet, because nothing in them was selected so far.
    pending: Vec<(String, Stat)>,
}

impl<E: From<WalkError>> Walk<'_, E> {
    fn directory(&mut self, relative: &str) -> Result<(), E> {
        let path = self.full(relative);
        let fail = |path: &Path, error| WalkError {
            path: path.to_path_buf(),
            error,
        };
        let mut names = Vec::new();
        for entry in self.root.read_dir(&path).map_err(|e| fail(&path, e))? {
            let name = entry.name.into_string().map_err(|name| {
                let error = io::Error::new(io::ErrorKind::InvalidData, "the name is not valid UTF-8");
                fail(&path.join(name), error)
            })?;
            names.push((name, entry.kind == Kind::Dir));
        }
        names.sort_unstable();
        for (name, is_dir) in names {
            let relative = match relative {
                "" => name,
                parent => format!("{parent}/{name}"),
            };
            let decision = self.selection.decide(&relative, is_dir);
            if !decision.select && !decision.descend {
                continue;
            }
            let path = self.full(&relative);
            let stat = self.root.lstat(&path).map_err(|e| fail(&path, e))?;
            let is_dir = stat.kind() == Kind::Dir;
            self.pending.push((relative.clone(), stat));
            if decision.select {
                self.flush()?;
            }
            if is_dir && decision.descend {
                self.directory(&relative)?;
            }
            if self.pending.last().is_some_and(|(last, _)| *last == relative) {
                self.pending.pop();
            }
        }
        Ok(())
    }

    /// Visits the entry just found, after those of its parents that were not visited yet.
    fn flush(&mut self) -> Result<(), E> {
        for (relative, stat) in self.pending.drain(..) {
            (self.visit)(Path::new(&relative), &stat)?;
        }
        Ok(())
    }

    fn full(&self, relative: &str) -> PathBuf {
        match relative {
            "" => self.source.to_path_buf(),
            relative => self.source.join(relative),
        }
    }
}
