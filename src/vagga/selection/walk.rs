//! Walking a tree with a selection, in the order in which versions hash it.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use nix::fcntl::OFlag;

use super::Selection;
use crate::sys::at;
use crate::sys::fs::{Descent, Kind, Stat};
use crate::sys::path::Root;

/// How directories are opened to be read.
const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW);

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
    let mut walk = Walk {
        source,
        selection,
        visit,
        dirs: Descent::default(),
        frames: Vec::new(),
        relative: String::new(),
        pending: Vec::new(),
    };
    let top = root.open_with(source, DIRECTORY, 0);
    top.and_then(|top| walk.dirs.enter(top))
        .map_err(|e| walk.fail(e))?;
    walk.run()
}

struct Walk<'a, E> {
    source: &'a Path,
    selection: &'a Selection,
    visit: &'a mut dyn FnMut(&Path, &Stat) -> Result<(), E>,
    /// Open directories down to the current one, so that neither depth nor length of paths matters.
    dirs: Descent,
    /// Entries to come of each of these directories, and the length of its path.
    frames: Vec<(usize, vec::IntoIter<(String, bool)>)>,
    /// The current entry.
    relative: String,
    /// Lengths of the paths of parents that have not been visited yet, because nothing in them was selected so far.
    pending: Vec<(usize, Stat)>,
}

impl<E: From<WalkError>> Walk<'_, E> {
    fn run(&mut self) -> Result<(), E> {
        self.list()?;
        while let Some((length, names)) = self.frames.last_mut() {
            self.relative.truncate(*length);
            match names.next() {
                Some((name, is_dir)) => self.entry(&name, is_dir)?,
                None => {
                    self.frames.pop();
                    self.forget();
                    self.dirs.leave().map_err(|e| self.fail(e))?;
                }
            }
        }
        Ok(())
    }

    /// Reads the directory just entered.
    fn list(&mut self) -> Result<(), E> {
        let entries = self.dirs.here().and_then(at::list).map_err(|e| self.fail(e))?;
        let mut names = Vec::with_capacity(entries.len());
        for entry in entries {
            let name = entry.name.into_string().map_err(|name| WalkError {
                path: self.full().join(name),
                error: io::Error::new(io::ErrorKind::InvalidData, "the name is not valid UTF-8"),
            })?;
            names.push((name, entry.kind == Kind::Dir));
        }
        names.sort_unstable();
        self.frames.push((self.relative.len(), names.into_iter()));
        Ok(())
    }

    /// An entry of the current directory.
    fn entry(&mut self, name: &str, is_dir: bool) -> Result<(), E> {
        if !self.relative.is_empty() {
            self.relative.push('/');
        }
        self.relative.push_str(name);
        let decision = self.selection.decide(&self.relative, is_dir);
        if !decision.select && !decision.descend {
            return Ok(());
        }
        let name = OsStr::new(name);
        let stat = self.dirs.here().and_then(|dir| at::stat(dir, name));
        let stat = stat.map_err(|e| self.fail(e))?;
        let descend = decision.descend && stat.kind() == Kind::Dir;
        self.pending.push((self.relative.len(), stat));
        if decision.select {
            self.flush()?;
        }
        if !descend {
            self.forget();
            return Ok(());
        }
        let dir = self.dirs.here().and_then(|dir| at::open(dir, name, DIRECTORY, 0));
        dir.and_then(|dir| self.dirs.enter(dir))
            .map_err(|e| self.fail(e))?;
        self.list()
    }

    /// Visits the current entry, after those of its parents that were not visited yet.
    fn flush(&mut self) -> Result<(), E> {
        for (length, stat) in self.pending.drain(..) {
            let relative = self.relative.get(..length).unwrap_or_default();
            (self.visit)(Path::new(relative), &stat)?;
        }
        Ok(())
    }

    /// Leaves the current entry, which nobody needs to see any more.
    fn forget(&mut self) {
        let length = self.relative.len();
        if self.pending.last().is_some_and(|(last, _)| *last == length) {
            self.pending.pop();
        }
    }

    fn full(&self) -> PathBuf {
        match self.relative.as_str() {
            "" => self.source.to_path_buf(),
            relative => self.source.join(relative),
        }
    }

    fn fail(&self, error: io::Error) -> WalkError {
        WalkError {
            path: self.full(),
            error,
        }
    }
}
