//! The walk over a tree that is copied: two chains of directories, one in the original and one in the copy.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::entry::Writer;
use super::{attributes, CopyOptions, CopyStats, Select, Verdict};
use crate::sys::at;
use crate::sys::fs::descent::Descent;
use crate::sys::fs::{explain, Kind, Stat};
use crate::sys::path::{Place, Root};

/// One call of `copy_selected`.
pub struct Copier<'a> {
    to: &'a Root,
    target: &'a Path,
    writer: Writer<'a>,
    /// Path of the current entry relative to the top.
    path: PathBuf,
    /// Directories of the original from the top to here.
    source: Descent,
    /// The same in the copy, as far down as they were made.
    copy: Descent,
    levels: Vec<Level>,
    /// Device and inode of the copy's top: when we meet it in the original, the copy would contain itself.
    copy_id: Option<(u64, u64)>,
}

/// A directory of the original we are in.
struct Level {
    name: OsString,
    stat: Stat,
    /// Entries to come, the next one last.
    rest: Vec<OsString>,
    /// Its copy gets the attributes when it is complete.
    finish: bool,
}

impl<'a> Copier<'a> {
    pub fn new(to: &'a Root, target: &'a Path, options: &'a CopyOptions) -> Copier<'a> {
        Copier {
            to,
            target,
            writer: Writer::new(to, target, options),
            path: PathBuf::new(),
            source: Descent::default(),
            copy: Descent::default(),
            levels: Vec::new(),
            copy_id: None,
        }
    }

    pub fn run(mut self, from: &Root, source: &Path, select: Select<'_>) -> io::Result<CopyStats> {
        let place = from.place(source)?;
        let stat = at::stat(place.dir(), place.name)?;
        let target = self.to.place(self.target)?;
        if stat.kind() != Kind::Dir {
            self.writer.entry(
                (place.dir(), place.name),
                (target.dir(), target.name),
                &stat,
                Path::new(""),
            )?;
            return Ok(self.writer.stats);
        }
        let fd = at::open_dir(place.dir(), place.name)?;
        self.enter(fd, place.name, stat)?;
        self.make_directories(&target)?;
        while let Some(level) = self.levels.last_mut() {
            match level.rest.pop() {
                Some(name) => {
                    self.path.push(&name);
                    if !self.visit(&name, &target, select)? {
                        self.path.pop();
                    }
                }
                None => self.leave(&target)?,
            }
        }
        Ok(self.writer.stats)
    }

    /// One entry of the current directory. True when it is a directory that was entered.
    fn visit(&mut self, name: &OsStr, target: &Place<'_>, select: &mut SelectFn<'_>) -> io::Result<bool> {
        let stat = at::stat(self.source.here()?, name).map_err(|e| explain(e, "read", &self.path))?;
        let verdict = select(&self.path, &stat)?;
        if stat.kind() == Kind::Dir {
            return self.directory(name, stat, verdict, target);
        }
        if verdict.select {
            self.make_directories(target)?;
            let from = (self.source.here()?, name);
            let to = (self.copy.here()?, name);
            let done = self.writer.entry(from, to, &stat, &self.path);
            done.map_err(|e| explain(e, "copy", &self.path))?;
        }
        Ok(false)
    }

    fn directory(
        &mut self,
        name: &OsStr,
        stat: Stat,
        verdict: Verdict,
        target: &Place<'_>,
    ) -> io::Result<bool> {
        if !verdict.select && !verdict.descend {
            return Ok(false);
        }
        let fd = at::open_dir(self.source.here()?, name).map_err(|e| explain(e, "open", &self.path))?;
        self.enter(fd, name, stat)?;
        if verdict.select {
            self.make_directories(target)?;
        }
        if let (false, Some(level)) = (verdict.descend, self.levels.last_mut()) {
            level.rest.clear();
        }
        Ok(true)
    }

    fn enter(&mut self, fd: OwnedFd, name: &OsStr, stat: Stat) -> io::Result<()> {
        if self.copy_id == Some((stat.dev, stat.ino)) {
            return Err(contains_itself());
        }
        let entries = at::list(fd.as_fd()).map_err(|e| explain(e, "list", &self.path))?;
        let mut rest: Vec<OsString> = entries.into_iter().map(|entry| entry.name).collect();
        rest.sort_unstable_by(|a, b| b.cmp(a));
        self.source.enter(fd)?;
        self.levels.push(Level {
            name: name.to_os_string(),
            stat,
            rest,
            finish: false,
        });
        Ok(())
    }

    /// Makes (or opens) the copies of all directories we are in, from where they are missing on.
    fn make_directories(&mut self, target: &Place<'_>) -> io::Result<()> {
        while let Some(level) = self.levels.get_mut(self.copy.depth()) {
            let top = self.copy.depth() == 0;
            let (dir, name) = match top {
                true => (target.dir(), target.name),
                false => (self.copy.here()?, level.name.as_os_str()),
            };
            let made = make_directory(dir, name).map_err(|e| explain(e, "create directory", &self.path))?;
            match made {
                Made::New(fd) => {
                    level.finish = true;
                    self.writer.stats.directories += 1;
                    self.copy.enter(fd)?;
                }
                Made::Existing(fd) => {
                    level.finish = self.writer.options.take_over_directories;
                    self.copy.enter(fd)?;
                }
                Made::Link => {
                    let fd = self.linked_directory(self.copy.depth())?;
                    self.copy.enter_elsewhere(fd)?;
                }
            }
            if top {
                let stat = at::fstat(self.copy.here()?)?;
                self.copy_id = Some((stat.dev, stat.ino));
                if self.levels.iter().any(|level| level.stat.same_file(&stat)) {
                    return Err(contains_itself());
                }
            }
        }
        Ok(())
    }

    /// Follows, inside the root, a link that stands where the copy of the directory at `depth` belongs.
    fn linked_directory(&self, depth: usize) -> io::Result<OwnedFd> {
        let below = self.path.components().take(depth);
        let path = self.target.join(below.collect::<PathBuf>());
        let fd = self.to.open_dir(&path);
        fd.map_err(|e| explain(e, "use the link as a directory:", &path))
    }

    fn leave(&mut self, target: &Place<'_>) -> io::Result<()> {
        let Some(level) = self.levels.pop() else {
            return Ok(());
        };
        let made = self.copy.depth() > self.levels.len();
        let xattrs = match made && level.finish {
            true => attributes::xattrs(self.source.here()?, self.writer.options)?,
            false => Vec::new(),
        };
        self.source.leave()?;
        if made {
            self.copy.leave()?;
        }
        if made && level.finish {
            let (dir, name): (BorrowedFd<'_>, _) = match self.levels.is_empty() {
                true => (target.dir(), target.name),
                false => (self.copy.here()?, level.name.as_os_str()),
            };
            let Writer { options, stats, .. } = &mut self.writer;
            attributes::apply(dir, name, &level.stat, &xattrs, options, stats)
                .map_err(|e| explain(e, "set attributes of", &self.path))?;
        }
        self.path.pop();
        Ok(())
    }
}

type SelectFn<'a> = dyn FnMut(&Path, &Stat) -> io::Result<Verdict> + 'a;

/// What stood where a directory of the copy belongs.
enum Made {
    New(OwnedFd),
    Existing(OwnedFd),
    Link,
}

fn make_directory(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Made> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    match at::mkdir(dir, name, 0o700) {
        Ok(()) => return Ok(Made::New(at::open(dir, name, flags, 0)?)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    match at::open(dir, name, flags, 0) {
        Ok(fd) => Ok(Made::Existing(fd)),
        Err(e) => match at::stat(dir, name)?.kind() {
            Kind::Symlink => Ok(Made::Link),
            _ => Err(e),
        },
    }
}

fn contains_itself() -> io::Error {
    let inner = io::Error::from(Errno::ELOOP);
    io::Error::new(inner.kind(), "the copy would lie inside of what is copied")
}
