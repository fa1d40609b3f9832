//! Paths that cannot leave a directory: images, archives, volumes and guests are only reached through a [`Root`].
//!
//! Resolution is by descriptor: `openat2(2)` with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`, or, where the kernel or
//! an outer sandbox lacks it, our own walk of components. Nothing is decided from the text of a path, so that a link
//! somebody swaps in meanwhile cannot lead out.

mod walk;

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::Mode;

use super::at;
pub use super::at::DirEntry;
use super::fs::{Kind, Stat, Time};

/// Bytes of a path with the closing NUL that the kernel accepts in one call.
const PATH_MAX: usize = 4096;
/// How often a resolution disturbed by renames elsewhere (`EAGAIN`) is repeated before we walk ourselves.
const RETRIES: u32 = 32;

/// A directory that is `/` for every path given: `/x` and `x` are alike, `..` stays inside, absolute links start here.
///
/// Modes given at creation are subject to the process's umask; [`Root::chmod`] sets them exactly. Unless said
/// otherwise links in the last component are not followed, links above it are (inside the root).
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
}

/// Where an entry is: its directory and its name there (`.` when the path ends in no name).
pub struct Place<'a> {
    dir: Dir<'a>,
    /// Last component of the path.
    pub name: &'a OsStr,
}

enum Dir<'a> {
    Root(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl Place<'_> {
    /// The directory holding the entry.
    pub fn dir(&self) -> BorrowedFd<'_> {
        match &self.dir {
            Dir::Root(fd) => *fd,
            Dir::Below(fd) => fd.as_fd(),
        }
    }
}

impl Root {
    /// Opens a directory of the host; links in `path` are followed.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Root> {
        let path = path.as_ref();
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Root {
            fd: nix::fcntl::open(path, flags, Mode::empty())?,
            path: path.to_path_buf(),
        })
    }

    /// Takes a directory already open (`O_PATH` is enough); `path` is for messages only.
    pub fn from_fd(fd: OwnedFd, path: PathBuf) -> Root {
        Root { fd, path }
    }

    /// The name under which the root was opened, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A second handle to the same directory.
    pub fn try_clone(&self) -> io::Result<Root> {
        Ok(Root {
            fd: self.fd.try_clone()?,
            path: self.path.clone(),
        })
    }

    /// A directory inside as a root of its own.
    pub fn sub(&self, path: impl AsRef<Path>) -> io::Result<Root> {
        let path = path.as_ref();
        Ok(Root {
            fd: self.open_dir(path)?,
            path: self.path.join(path.strip_prefix("/").unwrap_or(path)),
        })
    }

    /// Opens with `openat(2)` flags; links are followed (inside) unless `O_NOFOLLOW`. `O_CLOEXEC` is added.
    pub fn open_with(&self, path: impl AsRef<Path>, flags: OFlag, mode: u32) -> io::Result<OwnedFd> {
        let path = trim(path.as_ref());
        let flags = flags | OFlag::O_CLOEXEC;
        match self.openat2(path, flags, mode) {
            Some(result) => result,
            None => walk::open(self.fd.as_fd(), path, flags, mode),
        }
    }

    /// Opens a directory as `O_PATH`; links are followed.
    pub fn open_dir(&self, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
        self.open_with(path, OFlag::O_PATH | OFlag::O_DIRECTORY, 0)
    }

    /// Opens a regular file for reading; links are followed. Anything else is refused, and never waited for.
    pub fn open_read(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        regular(self.open_with(path, flags, 0)?)
    }

    /// Opens a regular file for writing and empties it, or creates it; links are followed, even dangling ones.
    pub fn create(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let fd = self
            .open_with(path, flags, mode)
            .map_err(|e| match e.raw_os_error() {
                Some(libc::ENXIO) => not_regular(),
                _ => e,
            })?;
        let file = regular(fd)?;
        file.set_len(0)?;
        Ok(file)
    }

    /// Creates a file that must not exist yet, not even as a dangling link.
    pub fn create_new(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<File> {
        let place = self.place(path.as_ref())?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        Ok(File::from(at::open(place.dir(), place.name, flags, mode)?))
    }

    /// Data about what the path leads to; links are followed.
    pub fn stat(&self, path: impl AsRef<Path>) -> io::Result<Stat> {
        at::fstat(self.open_with(path, OFlag::O_PATH, 0)?.as_fd())
    }

    /// Data about the entry itself.
    pub fn lstat(&self, path: impl AsRef<Path>) -> io::Result<Stat> {
        let place = self.place(path.as_ref())?;
        at::stat(place.dir(), place.name)
    }

    /// True when something is there, be it a dangling link. Errors count as absence.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.lstat(path).is_ok()
    }

    /// Text of a symbolic link.
    pub fn read_link(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let place = self.place(path.as_ref())?;
        Ok(PathBuf::from(at::read_link(place.dir(), place.name)?))
    }

    /// Entries of a directory in the order of the file system; a link to a directory is followed.
    pub fn read_dir(&self, path: impl AsRef<Path>) -> io::Result<Vec<DirEntry>> {
        let dir = self.open_with(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
        at::list(dir.as_fd())
    }

    /// Makes a directory. Errors: `EEXIST` when anything is there.
    pub fn mkdir(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let place = self.place(path.as_ref())?;
        at::mkdir(place.dir(), place.name, mode)
    }

    /// Makes a directory and its parents, all with `mode`; existing directories (and links to them) stay.
    pub fn mkdir_all(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let path = trim(path.as_ref());
        match self.mkdir(path, mode) {
            Ok(()) => return Ok(()),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => {}
            Err(e) => return self.is_dir(path).or(Err(e)),
        }
        let mut prefix = PathBuf::new();
        for part in path.components() {
            prefix.push(part);
            if let Err(e) = self.mkdir(&prefix, mode) {
                self.is_dir(&prefix).or(Err(e))?;
            }
        }
        Ok(())
    }

    /// Makes a symbolic link with the text `target`.
    pub fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> io::Result<()> {
        let place = self.place(path.as_ref())?;
        at::symlink(target.as_ref().as_os_str(), place.dir(), place.name)
    }

    /// Makes `path` a second name of `existing` (of the link itself if it is one).
    pub fn hard_link(&self, existing: impl AsRef<Path>, path: impl AsRef<Path>) -> io::Result<()> {
        let from = self.place(existing.as_ref())?;
        let to = self.place(path.as_ref())?;
        at::hard_link(from.dir(), from.name, to.dir(), to.name)
    }

    /// Renames, replacing what is there as `rename(2)` does.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        let from = self.place(from.as_ref())?;
        let to = self.place(to.as_ref())?;
        at::rename(from.dir(), from.name, to.dir(), to.name)
    }

    /// Renames to a name that must be free. A directory replaces an empty one where the file system has no way to ask.
    pub fn rename_new(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        let from = self.place(from.as_ref())?;
        let to = self.place(to.as_ref())?;
        let flags = nix::fcntl::RenameFlags::RENAME_NOREPLACE;
        match nix::fcntl::renameat2(from.dir(), from.name, to.dir(), to.name, flags) {
            Err(Errno::EINVAL | Errno::ENOSYS) => at::rename(from.dir(), from.name, to.dir(), to.name),
            done => Ok(done?),
        }
    }

    /// Removes an entry that is not a directory.
    pub fn unlink(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let place = self.place(path.as_ref())?;
        at::unlink(place.dir(), place.name)
    }

    /// Removes an empty directory.
    pub fn rmdir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let place = self.place(path.as_ref())?;
        at::rmdir(place.dir(), place.name)
    }

    /// Removes whatever is there with everything below it; never follows a link; nothing there is fine.
    /// Of the root itself only the contents are removed.
    pub fn remove_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        match self.place(path.as_ref()) {
            Ok(place) if place.name == "." => super::fs::remove_contents(place.dir()),
            Ok(place) => super::fs::remove_at(place.dir(), place.name),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Changes the owner; the kernel drops setuid and setgid bits of files, so set the mode afterwards.
    pub fn chown(&self, path: impl AsRef<Path>, uid: u32, gid: u32) -> io::Result<()> {
        let place = self.place(path.as_ref())?;
        at::chown(place.dir(), place.name, Some(uid), Some(gid))
    }

    /// Sets the 12 mode bits exactly. A symbolic link has none: `EOPNOTSUPP`.
    pub fn chmod(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let place = self.place(path.as_ref())?;
        at::chmod(place.dir(), place.name, mode)
    }

    /// Sets access and modification time.
    pub fn set_times(&self, path: impl AsRef<Path>, atime: Time, mtime: Time) -> io::Result<()> {
        let place = self.place(path.as_ref())?;
        at::set_times(place.dir(), place.name, atime, mtime)
    }

    /// Value of an extended attribute, `None` when it is not set.
    pub fn get_xattr(&self, path: impl AsRef<Path>, name: &OsStr) -> io::Result<Option<Vec<u8>>> {
        let place = self.place(path.as_ref())?;
        let file = at::open(place.dir(), place.name, OFlag::O_PATH, 0)?;
        super::fs::xattr::get(file.as_fd(), name)
    }

    /// Sets an extended attribute.
    pub fn set_xattr(&self, path: impl AsRef<Path>, name: &OsStr, value: &[u8]) -> io::Result<()> {
        let place = self.place(path.as_ref())?;
        let file = at::open(place.dir(), place.name, OFlag::O_PATH, 0)?;
        super::fs::xattr::set(file.as_fd(), name, value)
    }

    /// Makes a fifo, socket or device; `mode` with the type bits (`S_IFMT`).
    pub fn mknod(&self, path: impl AsRef<Path>, mode: u32, dev: u64) -> io::Result<()> {
        let place = self.place(path.as_ref())?;
        at::mknod(place.dir(), place.name, mode, dev)
    }

    /// Resolves everything above the last component.
    pub fn place<'a>(&'a self, path: &'a Path) -> io::Result<Place<'a>> {
        let path = trim(path);
        let bytes = path.as_os_str().as_bytes();
        let split = bytes.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
        let (parent, name) = bytes.split_at(split);
        let (parent, name) = match name {
            b"" | b"." | b".." => (bytes, OsStr::new(".")),
            name => (parent, OsStr::from_bytes(name)),
        };
        let dir = match parent {
            b"" | b"." | b"/" => Dir::Root(self.fd.as_fd()),
            parent => Dir::Below(self.open_dir(Path::new(OsStr::from_bytes(parent)))?),
        };
        Ok(Place { dir, name })
    }

    fn is_dir(&self, path: &Path) -> io::Result<()> {
        self.open_dir(path).map(drop)
    }

    /// `None`: the kernel cannot tell, walk.
    fn openat2(&self, path: &Path, flags: OFlag, mode: u32) -> Option<io::Result<OwnedFd>> {
        static MISSING: AtomicBool = AtomicBool::new(false);
        if MISSING.load(Ordering::Relaxed) || path.as_os_str().len() >= PATH_MAX {
            return None;
        }
        let mode = match flags.contains(OFlag::O_CREAT) {
            true => Mode::from_bits_truncate(mode & 0o7777),
            false => Mode::empty(),
        };
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags).mode(mode).resolve(resolve);
        for _ in 0..RETRIES {
            match nix::fcntl::openat2(&self.fd, path, how) {
                Err(Errno::EAGAIN) | Err(Errno::EINTR) => {}
                Err(Errno::ENOSYS) => {
                    MISSING.store(true, Ordering::Relaxed);
                    return None;
                }
                // Old outer sandboxes answer so to calls they do not know; a real refusal comes again.
                Err(Errno::EPERM) => return None,
                done => return Some(done.map_err(io::Error::from)),
            }
        }
        None
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Removes trailing slashes; what is empty is the root.
fn trim(path: &Path) -> &Path {
    let bytes = path.as_os_str().as_bytes();
    let end = bytes.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    match bytes.get(..end) {
        None | Some(b"") => Path::new("."),
        Some(bytes) => Path::new(OsStr::from_bytes(bytes)),
    }
}

fn regular(fd: OwnedFd) -> io::Result<File> {
    match at::fstat(fd.as_fd())?.kind() {
        Kind::File => Ok(File::from(fd)),
        Kind::Dir => Err(Errno::EISDIR.into()),
        _ => Err(not_regular()),
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

#[cfg(test)]
mod tests;
