//! The confined writer: every entry of every archive format ends here.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{FileTimes, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{fchown, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::content::{self, CHUNK};
use super::whiteouts::is_whiteout;
use super::{ArchiveError, Options, Owners, Summary};
use crate::sys::at::fstat;
use crate::sys::fs::{Kind, Time};
use crate::sys::mount::clone_tree;
use crate::sys::path::Root;

/// Most names kept in [`Summary::top`].
const TOP: usize = 64;

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

/// A directory that entries are written to.
struct Parent {
    path: PathBuf,
    root: Root,
    /// What is made in it belongs to its group, not to ours.
    setgid: bool,
}

impl Parent {
    /// Gives an entry to its owner as the policy says. New files belong to root already, unless the directory has the
    /// set-group-id bit.
    fn set_owner(
        &self,
        owners: Owners,
        (uid, gid): (u32, u32),
        chown: impl FnOnce(u32, u32) -> io::Result<()>,
    ) -> io::Result<()> {
        if owners == Owners::Root || (uid, gid) == (0, 0) && !self.setgid {
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
}

/// Writes entries beneath a directory. Call [`Writer::finish`] at the end.
pub struct Writer<'a> {
    dest: Root,
    options: &'a Options,
    /// Directory of the last entries, since archives list files of a directory together.
    parent: Option<Parent>,
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
            without_mounts(&root.sub(path)?)
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
    pub fn locate(&mut self, name: &Path) -> Result<Option<PathBuf>, ArchiveError> {
        let path = normalize(name)?;
        if self.options.package.is_some() {
            self.list(&path)?;
        }
        self.place(path)
    }

    /// Adds a line to dpkg's list of the package's files, which is text.
    fn list(&mut self, path: &Path) -> Result<(), ArchiveError> {
        let line = match path.to_str() {
            Some("") => ".",
            Some(line) if !line.contains('\n') => line,
            _ => return Err(ArchiveError::entry(path, &"the name is not one line of UTF-8")),
        };
        let list = &mut self.summary.list;
        list.extend(["/", line, "\n"]);
        Ok(())
    }

    fn place(&self, path: PathBuf) -> Result<Option<PathBuf>, ArchiveError> {
        if let Some(package) = &self.options.package {
            let conffile = package.conffiles.contains(&path);
            return Ok(Some(if conffile { with_suffix(&path) } else { path }));
        }
        if self.options.layer && is_whiteout(&path) {
            return Ok(None);
        }
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
        if self.options.layer && self.parent.as_ref().is_some_and(|p| p.path.starts_with(path)) {
            // It may be replaced now.
            self.parent = None;
        }
        if let Some(Component::Normal(first)) = path.components().next() {
            if self.top.len() < TOP && !self.top.contains(first) {
                self.top.insert(first.to_owned());
            }
        }
    }

    /// The directory that holds `path`, and the last component of `path`.
    fn parent_of<'p>(&mut self, path: &'p Path) -> io::Result<(&Parent, &'p OsStr)> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        let dir = path.parent().unwrap_or(Path::new(""));
        if self.parent.as_ref().is_none_or(|known| known.path != dir) {
            self.parent = None;
            let root = self.open_dir(dir)?;
            self.parent = Some(Parent {
                path: dir.to_owned(),
                setgid: fstat(root.as_fd())?.mode & libc::S_ISGID != 0,
                root,
            });
        }
        match &self.parent {
            Some(parent) => Ok((parent, name)),
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
            return self.try_top(meta).map_err(|e| ArchiveError::io(path, &e));
        }
        self.try_dir(path, meta).map_err(|e| ArchiveError::io(path, &e))
    }

    fn try_top(&mut self, meta: Meta) -> io::Result<()> {
        if !self.options.top {
            return Ok(());
        }
        let parent = Parent {
            path: PathBuf::new(),
            root: self.dest.try_clone()?,
            // Whatever it is, the owner is set.
            setgid: true,
        };
        parent.set_owner(self.options.owners, meta.owner, |uid, gid| {
            self.dest.chown(".", uid, gid)
        })?;
        self.dest.chmod(".", meta.mode & 0o7777)?;
        self.dir_times
            .extend(meta.mtime.map(|mtime| (PathBuf::from("."), mtime)));
        Ok(())
    }

    fn try_dir(&mut self, path: &Path, meta: Meta) -> io::Result<()> {
        let (owners, in_package) = (self.options.owners, self.options.package.is_some());
        let (parent, name) = self.parent_of(path)?;
        let fresh = match parent.root.mkdir(name, meta.mode & 0o777) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => self.existing_dir(path, meta)?,
            result => result.map(|()| true)?,
        };
        if !fresh && !self.made.contains(path) {
            return Ok(());
        }
        let (parent, name) = self.parent_of(path)?;
        parent.set_owner(owners, meta.owner, |uid, gid| parent.root.chown(name, uid, gid))?;
        parent.root.chmod(name, meta.mode & 0o7777)?;
        self.made.insert(path.to_owned());
        if let Some(mtime) = meta.mtime.filter(|_| !in_package) {
            self.dir_times.push((path.to_owned(), mtime));
        }
        Ok(())
    }

    /// Sees to it that a name which is taken is a directory; true when it was none before.
    fn existing_dir(&mut self, path: &Path, meta: Meta) -> io::Result<bool> {
        let layer = self.options.layer;
        let (parent, name) = self.parent_of(path)?;
        let is_dir = match parent.root.lstat(name)?.kind() {
            // A layer says what becomes of the directories below it.
            Kind::Dir if layer => return Ok(true),
            Kind::Dir => true,
            // The link may lead above its own directory.
            Kind::Symlink if !layer => self.dest.stat(path).is_ok_and(|stat| stat.kind() == Kind::Dir),
            _ => false,
        };
        if !is_dir {
            let (parent, name) = self.parent_of(path)?;
            parent.root.unlink(name)?;
            parent.root.mkdir(name, meta.mode & 0o777)?;
        }
        Ok(!is_dir)
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
        let (owners, layer) = (self.options.owners, self.options.layer);
        let left = self.options.limit.saturating_sub(self.summary.bytes);
        let mut buffer = std::mem::take(&mut self.buffer);
        let result: io::Result<u64> = (|| {
            let (parent, name) = self.parent_of(path)?;
            let root = &parent.root;
            let mut file = replacing(root, name, layer, || root.create_new(name, 0o600))?;
            let written = content::copy(data, &mut file, size, &mut buffer, left)?;
            parent.set_owner(owners, meta.owner, |uid, gid| fchown(&file, Some(uid), Some(gid)))?;
            file.set_permissions(Permissions::from_mode(meta.mode & 0o7777))?;
            if let Some(time) = meta.mtime.map(time) {
                file.set_times(FileTimes::new().set_accessed(time).set_modified(time))?;
            }
            Ok(written)
        })();
        self.buffer = buffer;
        self.summary.bytes += result?;
        Ok(())
    }

    /// A symbolic link with the text `target`, which is never followed outside of the destination by this writer.
    pub fn symlink(&mut self, path: &Path, target: &Path, meta: Meta) -> Result<(), ArchiveError> {
        self.count(path);
        self.try_symlink(path, target, meta)
            .map_err(|e| ArchiveError::io(path, &e))
    }

    fn try_symlink(&mut self, path: &Path, target: &Path, meta: Meta) -> io::Result<()> {
        let (owners, in_package) = (self.options.owners, self.options.package.is_some());
        let layer = self.options.layer;
        let (parent, name) = self.parent_of(path)?;
        let root = &parent.root;
        if in_package && root.lstat(name).is_ok_and(|there| there.kind() == Kind::Dir) {
            return Ok(());
        }
        replacing(root, name, layer, || root.symlink(target, name))?;
        parent.set_owner(owners, meta.owner, |uid, gid| root.chown(name, uid, gid))?;
        match meta.mtime.map(|sec| Time { sec, nsec: 0 }) {
            Some(time) => root.set_times(name, time, time),
            None => Ok(()),
        }
    }

    /// Gives an entry, already written, an extended attribute. One that the file system or our rights do not allow is
    /// left out, as by other unpackers.
    pub fn attribute(&mut self, path: &Path, name: &OsStr, value: &[u8]) -> Result<(), ArchiveError> {
        let mut set = || {
            if path.as_os_str().is_empty() {
                return match self.options.top {
                    true => self.dest.set_xattr(".", name, value),
                    false => Ok(()),
                };
            }
            let (parent, last) = self.parent_of(path)?;
            parent.root.set_xattr(last, name, value)
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
        match self.place(normalize(target)?)? {
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
        self.refuse_in_package(path)?;
        let (owners, layer) = (self.options.owners, self.options.layer);
        let mut make = || -> io::Result<()> {
            let (parent, name) = self.parent_of(path)?;
            let root = &parent.root;
            replacing(root, name, layer, || {
                root.mknod(name, libc::S_IFIFO | (meta.mode & 0o777), 0)
            })?;
            parent.set_owner(owners, meta.owner, |uid, gid| root.chown(name, uid, gid))?;
            root.chmod(name, meta.mode & 0o7777)
        };
        make().map_err(|e| ArchiveError::io(path, &e))
    }

    /// Counts a device node, which is left out.
    pub fn device(&mut self, path: &Path) -> Result<(), ArchiveError> {
        self.refuse_in_package(path)?;
        self.summary.devices += 1;
        Ok(())
    }

    fn refuse_in_package(&self, path: &Path) -> Result<(), ArchiveError> {
        match self.options.package {
            Some(_) => Err(ArchiveError::entry(
                path,
                &"device nodes and pipes in packages are not supported",
            )),
            None => Ok(()),
        }
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
            let layer = self.options.layer;
            let mut make = || -> io::Result<()> {
                if path == target {
                    return Ok(());
                }
                dest.lstat(&target)?;
                let (parent, name) = self.parent_of(&path)?;
                let removed = match layer {
                    true => parent.root.remove_all(name),
                    false => parent.root.unlink(name),
                };
                match removed {
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

/// dpkg's name of a configuration file that is not configured yet.
fn with_suffix(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".dpkg-new");
    PathBuf::from(name)
}

/// The directory without what is mounted below it: nothing that is written through it ends in the project or in a cache.
pub(super) fn without_mounts(dir: &Root) -> io::Result<Root> {
    match clone_tree(dir.as_fd()) {
        Ok(Some(fd)) => Ok(Root::from_fd(fd, dir.path().to_owned())),
        // We may not mount, so we have not mounted anything there either.
        Ok(None) => dir.try_clone(),
        // Mounts that came from outside of our user namespace cannot be taken away.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => dir.try_clone(),
        Err(e) => Err(e),
    }
}

/// Does `make`; when the name is taken by anything but a non-empty directory, removes that and does it again. `whole`:
/// directories are removed with what is in them.
fn replacing<T>(parent: &Root, name: &OsStr, whole: bool, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            if whole {
                parent.remove_all(name)?;
            } else if parent.lstat(name)?.kind() == Kind::Dir {
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
