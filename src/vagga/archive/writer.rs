//! The confined writer: every entry of every archive format ends here.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{fchown, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{ArchiveError, Summary};
use crate::sys::fs::{Kind, Time};
use crate::sys::path::Root;

/// Bytes copied at once.
const CHUNK: usize = 128 * 1024;
/// Files from this size on are written with holes where they are zero.
const SPARSE_FROM: u64 = 1 << 20;
/// Most names kept in [`Summary::top`].
const TOP: usize = 64;

/// Who owns what is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Everything belongs to root.
    Root,
    /// The ids of the archive.
    Keep,
    /// The ids of the archive where they are mapped, root otherwise (single-id mode).
    KeepWherePossible,
}

/// How to unpack.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who owns the entries.
    pub owners: Owners,
    /// Only this sub-tree, its contents placed directly in the destination; empty or `.` = everything.
    pub subdir: PathBuf,
    /// Paths (as in the archive) that are left out together with everything below them.
    pub skip: Vec<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            owners: Owners::Root,
            subdir: PathBuf::new(),
            skip: Vec::new(),
        }
    }
}

/// Metadata of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits, all twelve.
    pub mode: u32,
    /// User and group id.
    pub owner: (u32, u32),
    /// Modification time in seconds since the epoch; `None` leaves the time of writing.
    pub mtime: Option<i64>,
}

/// Writes entries beneath a directory. Call [`Writer::finish`] at the end.
pub struct Writer<'a> {
    dest: Root,
    options: &'a Options,
    /// Directory of the last entries, since archives list files of a directory together.
    parent: Option<(PathBuf, Root)>,
    /// Directories that did not exist before.
    made: HashSet<PathBuf>,
    hard_links: Vec<(PathBuf, PathBuf)>,
    dir_times: Vec<(PathBuf, i64)>,
    top: HashSet<OsString>,
    summary: Summary,
    buffer: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A writer into `path` of `root`, which is created if missing (parents with mode 755).
    pub fn new(root: &Root, path: &Path, options: &'a Options) -> Result<Writer<'a>, ArchiveError> {
        let open = || -> io::Result<Root> {
            root.mkdir_all(path, 0o755)?;
            root.sub(path)
        };
        Ok(Writer {
            dest: open().map_err(|e| ArchiveError::io(path, &e))?,
            options,
            parent: None,
            made: HashSet::new(),
            hard_links: Vec::new(),
            dir_times: Vec::new(),
            top: HashSet::new(),
            summary: Summary::default(),
            buffer: vec![0; CHUNK],
        })
    }

    /// Where the entry `name` of the archive goes, relative to the destination; `None` when it is not wanted or is the
    /// destination itself.
    ///
    /// Errors: a name with `..`.
    pub fn locate(&self, name: &Path) -> Result<Option<PathBuf>, ArchiveError> {
        let path = normalize(name)?;
        if self.options.skip.iter().any(|skip| path.starts_with(skip)) {
            return Ok(None);
        }
        let Ok(path) = path.strip_prefix(normalize(&self.options.subdir)?) else {
            return Ok(None);
        };
        Ok(Some(path.to_owned()))
    }

    fn count(&mut self, path: &Path) {
        self.summary.entries += 1;
        if let Some(Component::Normal(first)) = path.components().next() {
            if self.top.len() < TOP && !self.top.contains(first) {
                self.top.insert(first.to_owned());
            }
        }
    }

    /// The directory that holds `path`, and the last component of `path`.
    fn parent_of<'p>(&mut self, path: &'p Path) -> io::Result<(&Root, &'p OsStr)> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        let dir = path.parent().unwrap_or(Path::new(""));
        if self.parent.as_ref().is_none_or(|(known, _)| known != dir) {
            self.parent = None;
            self.parent = Some((dir.to_owned(), self.open_dir(dir)?));
        }
        match &self.parent {
            Some((_, root)) => Ok((root, name)),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn open_dir(&mut self, dir: &Path) -> io::Result<Root> {
        if dir.as_os_str().is_empty() {
            return self.dest.try_clone();
        }
        match self.dest.sub(dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let missing = dir
                    .ancestors()
                    .take_while(|d| !d.as_os_str().is_empty() && !self.dest.exists(d));
                self.made.extend(missing.map(Path::to_owned));
                self.dest.mkdir_all(dir, 0o755)?;
                self.dest.sub(dir)
            }
            result => result,
        }
    }

    /// A directory. One that existed before keeps its mode and owner; a link to a directory counts as one. Anything
    /// else that has the name is replaced.
    pub fn dir(&mut self, path: &Path, meta: Meta) -> Result<(), ArchiveError> {
        self.count(path);
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        self.try_dir(path, meta).map_err(|e| ArchiveError::io(path, &e))
    }

    fn try_dir(&mut self, path: &Path, meta: Meta) -> io::Result<()> {
        let owners = self.options.owners;
        let (parent, name) = self.parent_of(path)?;
        let make = || parent.mkdir(name, meta.mode & 0o777);
        let fresh = match make() {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                let is_dir = parent.stat(name).is_ok_and(|stat| stat.kind() == Kind::Dir);
                if !is_dir {
                    parent.unlink(name)?;
                    make()?;
                }
                !is_dir
            }
            result => result.map(|()| true)?,
        };
        if !fresh && !self.made.contains(path) {
            return Ok(());
        }
        let (parent, name) = self.parent_of(path)?;
        set_owner(owners, meta.owner, |uid, gid| parent.chown(name, uid, gid))?;
        parent.chmod(name, meta.mode & 0o7777)?;
        self.made.insert(path.to_owned());
        if let Some(mtime) = meta.mtime {
            self.dir_times.push((path.to_owned(), mtime));
        }
        Ok(())
    }

    /// A regular file with the content of `data`. Whatever had the name before, but for a directory, is replaced.
    pub fn file(
        &mut self,
        path: &Path,
        meta: Meta,
        size: u64,
        data: &mut dyn Read,
    ) -> Result<(), ArchiveError> {
        self.count(path);
        self.try_file(path, meta, size, data)
            .map_err(|e| ArchiveError::io(path, &e))
    }

    fn try_file(&mut self, path: &Path, meta: Meta, size: u64, data: &mut dyn Read) -> io::Result<()> {
        let owners = self.options.owners;
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = (|| {
            let (parent, name) = self.parent_of(path)?;
            let mut file = replacing(parent, name, || parent.create_new(name, 0o600))?;
            copy(data, &mut file, size, &mut buffer)?;
            set_owner(owners, meta.owner, |uid, gid| fchown(&file, Some(uid), Some(gid)))?;
            file.set_permissions(Permissions::from_mode(meta.mode & 0o7777))?;
            match meta.mtime.map(time) {
                Some(time) => file.set_times(FileTimes::new().set_accessed(time).set_modified(time)),
                None => Ok(()),
            }
        })();
        self.buffer = buffer;
        result
    }

    /// A symbolic link with the text `target`, which is never followed outside of the destination by this writer.
    pub fn symlink(&mut self, path: &Path, target: &Path, meta: Meta) -> Result<(), ArchiveError> {
        self.count(path);
        let owners = self.options.owners;
        let mut make = || -> io::Result<()> {
            let (parent, name) = self.parent_of(path)?;
            replacing(parent, name, || parent.symlink(target, name))?;
            set_owner(owners, meta.owner, |uid, gid| parent.chown(name, uid, gid))?;
            match meta.mtime.map(|sec| Time { sec, nsec: 0 }) {
                Some(time) => parent.set_times(name, time, time),
                None => Ok(()),
            }
        };
        make().map_err(|e| ArchiveError::io(path, &e))
    }

    /// Gives an entry, already written, an extended attribute. One that the file system or our rights do not allow is
    /// left out, as by other unpackers.
    pub fn attribute(&mut self, path: &Path, name: &OsStr, value: &[u8]) -> Result<(), ArchiveError> {
        let mut set = || {
            let (parent, last) = self.parent_of(path)?;
            parent.set_xattr(last, name, value)
        };
        match set() {
            Err(e) if !matches!(e.raw_os_error(), Some(libc::EPERM | libc::EOPNOTSUPP)) => {
                Err(ArchiveError::io(path, &e))
            }
            _ => Ok(()),
        }
    }

    /// Another name of the entry `target` of the archive; made at the end, when everything else is there.
    pub fn hard_link(&mut self, path: &Path, target: &Path) -> Result<(), ArchiveError> {
        self.count(path);
        match self.locate(target)? {
            Some(target) if !target.as_os_str().is_empty() => {
                self.hard_links.push((path.to_owned(), target));
                Ok(())
            }
            _ => Err(ArchiveError::entry(
                path,
                &format!("hard link to {target:?}, which is not unpacked"),
            )),
        }
    }

    /// A named pipe.
    pub fn fifo(&mut self, path: &Path, meta: Meta) -> Result<(), ArchiveError> {
        self.count(path);
        let owners = self.options.owners;
        let mut make = || -> io::Result<()> {
            let (parent, name) = self.parent_of(path)?;
            replacing(parent, name, || {
                parent.mknod(name, libc::S_IFIFO | (meta.mode & 0o777), 0)
            })?;
            set_owner(owners, meta.owner, |uid, gid| parent.chown(name, uid, gid))?;
            parent.chmod(name, meta.mode & 0o7777)
        };
        make().map_err(|e| ArchiveError::io(path, &e))
    }

    /// Counts a device node, which is left out.
    pub fn device(&mut self) {
        self.summary.devices += 1;
    }

    /// Makes the hard links and sets the times of directories.
    ///
    /// Errors: also when a `subdir` was asked for that the archive does not have.
    pub fn finish(mut self) -> Result<Summary, ArchiveError> {
        let subdir = &self.options.subdir;
        if self.summary.entries == 0 && !normalize(subdir)?.as_os_str().is_empty() {
            return Err(ArchiveError::new(format!("{subdir:?} is not found in archive")));
        }
        for (path, target) in std::mem::take(&mut self.hard_links) {
            let dest = self.dest.try_clone()?;
            let mut make = || -> io::Result<()> {
                if path == target {
                    return Ok(());
                }
                dest.lstat(&target)?;
                let (parent, name) = self.parent_of(&path)?;
                match parent.unlink(name) {
                    Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
                    _ => dest.hard_link(&target, &path),
                }
            };
            make().map_err(|e| ArchiveError::entry(&path, &format!("hard link to {target:?}: {e}")))?;
        }
        for (path, mtime) in self.dir_times.iter().rev() {
            // A later entry may have replaced the directory: its time does not matter then.
            let time = Time { sec: *mtime, nsec: 0 };
            let _ = self.dest.set_times(path, time, time);
        }
        let mut top: Vec<PathBuf> = self.top.into_iter().map(PathBuf::from).collect();
        top.sort();
        Ok(Summary { top, ..self.summary })
    }
}

/// The components of a name without `.` and the leading `/`. Errors: `..`.
pub fn normalize(name: &Path) -> Result<PathBuf, ArchiveError> {
    let mut path = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(ArchiveError::entry(
                    name,
                    &"the name leaves the archive, nothing is unpacked there",
                ))
            }
        }
    }
    Ok(path)
}

/// Does `make`; when the name is taken by anything but a non-empty directory, removes that and does it again.
fn replacing<T>(parent: &Root, name: &OsStr, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            if parent.lstat(name)?.kind() == Kind::Dir {
                parent
                    .rmdir(name)
                    .map_err(|_| io::Error::other("a directory of that name exists"))?;
            } else {
                parent.unlink(name)?;
            }
            make()
        }
        result => result,
    }
}

/// Gives an entry to its owner as the policy says. New files belong to root already (to another group in a directory
/// with the set-group-id bit, hence no short cut when the archive says 0:0).
fn set_owner(
    owners: Owners,
    (uid, gid): (u32, u32),
    chown: impl FnOnce(u32, u32) -> io::Result<()>,
) -> io::Result<()> {
    if owners == Owners::Root {
        return Ok(());
    }
    match chown(uid, gid) {
        Err(e) if owners == Owners::KeepWherePossible && is_unmapped(&e) => Ok(()),
        Err(e) if is_unmapped(&e) => Err(io::Error::other(format!(
            "owner {uid}:{gid} does not exist in this container"
        ))),
        result => result,
    }
}

/// chown(2) to an id outside of the user namespace, or without the right to.
fn is_unmapped(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM))
}

fn time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    if seconds < 0 {
        epoch.checked_sub(distance)
    } else {
        epoch.checked_add(distance)
    }
    .unwrap_or(epoch)
}

/// Copies the content; large files get holes where they are zero, so that zeros cost no disk.
fn copy(data: &mut dyn Read, file: &mut File, size: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut written = 0u64;
    let mut hole = false;
    if size >= SPARSE_FROM {
        // An impossible size is an error at once, not after hours of zeros.
        file.set_len(size)?;
        file.set_len(0)?;
    }
    loop {
        let n = read_full(data, buffer)?;
        let Some(chunk) = buffer.get(..n).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        hole = size >= SPARSE_FROM && chunk.iter().all(|byte| *byte == 0);
        if hole {
            file.seek(SeekFrom::Current(n as i64))?;
        } else {
            file.write_all(chunk)?;
        }
        written += n as u64;
    }
    if hole {
        file.set_len(written)?;
    }
    Ok(())
}

/// Fills the buffer as far as the data goes.
fn read_full(data: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match data.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
