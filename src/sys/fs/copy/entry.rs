//! Copying one entry that is not a directory.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{attributes, content, CopyOptions, CopyStats, Method};
use crate::sys::at;
use crate::sys::fs::replace::replace_symlink_at;
use crate::sys::fs::{Kind, Stat};
use crate::sys::path::Root;

/// An open directory and the name of an entry in it.
type Entry<'a> = (BorrowedFd<'a>, &'a OsStr);

/// Makes copies of entries and remembers what concerns more than one of them.
pub struct Writer<'a> {
    to: &'a Root,
    target: &'a Path,
    pub options: &'a CopyOptions,
    pub stats: CopyStats,
    /// Path, relative to the top, of the first copy of files with several names.
    linked: HashMap<(u64, u64), PathBuf>,
    try_share: bool,
    try_link: bool,
}

impl<'a> Writer<'a> {
    pub fn new(to: &'a Root, target: &'a Path, options: &'a CopyOptions) -> Writer<'a> {
        Writer {
            to,
            target,
            options,
            stats: CopyStats::default(),
            linked: HashMap::new(),
            try_share: true,
            try_link: options.method == Method::HardLink,
        }
    }

    /// Copies one entry over whatever is there, unless that is a directory. `path` is relative to the top.
    pub fn entry(&mut self, from: Entry<'_>, to: Entry<'_>, stat: &Stat, path: &Path) -> io::Result<()> {
        match stat.kind() {
            Kind::File => self.file(from, to, stat, path),
            Kind::Symlink => self.symlink(from, to, stat),
            _ if self.options.refuse_special => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "neither a file nor a directory nor a symbolic link",
            )),
            _ => self.special(from, to, stat),
        }
    }

    fn file(&mut self, from: Entry<'_>, to: Entry<'_>, stat: &Stat, path: &Path) -> io::Result<()> {
        if self.link(from, to, stat)? {
            self.stats.hard_links += 1;
            return Ok(());
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let mut source = File::from(at::open(from.0, from.1, flags, 0)?);
        let stat = at::fstat(source.as_fd())?;
        if stat.kind() != Kind::File {
            return Err(io::Error::other("it was replaced while it was copied"));
        }
        let mut copy = File::from(displace(to, || {
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
            at::open(to.0, to.1, flags, 0o600)
        })?);
        if content::copy(&mut source, &mut copy, &stat, &mut self.try_share)? {
            self.stats.shared += 1;
        }
        self.stats.files += 1;
        self.stats.bytes += stat.size;
        let xattrs = attributes::xattrs(source.as_fd(), self.options)?;
        attributes::apply(to.0, to.1, &stat, &xattrs, self.options, &mut self.stats)?;
        if stat.nlink > 1 {
            self.linked.insert((stat.dev, stat.ino), path.to_path_buf());
        }
        Ok(())
    }

    /// Links to an earlier copy of the same file, or to the original if that is wanted; false when it must be copied.
    fn link(&mut self, from: Entry<'_>, to: Entry<'_>, stat: &Stat) -> io::Result<bool> {
        if self.try_link {
            match displace(to, || at::hard_link(from.0, from.1, to.0, to.1)) {
                Err(e) if e.raw_os_error() == Some(libc::EXDEV) => self.try_link = false,
                Err(e) if is_link_refused(&e) => {}
                done => return done.map(|()| true),
            }
        }
        let Some(first) = self.linked.get(&(stat.dev, stat.ino)) else {
            return Ok(false);
        };
        let first = self.target.join(first);
        let first = self.to.place(&first)?;
        match displace(to, || at::hard_link(first.dir(), first.name, to.0, to.1)) {
            Err(e) if is_link_refused(&e) => Ok(false),
            done => done.map(|()| true),
        }
    }

    fn symlink(&mut self, from: Entry<'_>, to: Entry<'_>, stat: &Stat) -> io::Result<()> {
        let text = at::read_link(from.0, from.1)?;
        match at::symlink(&text, to.0, to.1) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => replace_symlink_at(to.0, to.1, &text)?,
            done => done?,
        }
        self.stats.symlinks += 1;
        let xattrs = self.xattrs_of(from)?;
        attributes::apply(to.0, to.1, stat, &xattrs, self.options, &mut self.stats)
    }

    fn special(&mut self, from: Entry<'_>, to: Entry<'_>, stat: &Stat) -> io::Result<()> {
        let mode = (stat.mode & libc::S_IFMT) | 0o600;
        let is_device = matches!(stat.kind(), Kind::CharDevice | Kind::BlockDevice);
        match displace(to, || at::mknod(to.0, to.1, mode, stat.rdev)) {
            Err(e) if is_device && e.raw_os_error() == Some(libc::EPERM) => {
                self.stats.skipped_devices += 1;
                return Ok(());
            }
            done => done?,
        }
        if is_device && at::stat(to.0, to.1).is_err() {
            // A system call filter only pretends that devices can be made.
            self.stats.skipped_devices += 1;
            return Ok(());
        }
        self.stats.special += 1;
        let xattrs = self.xattrs_of(from)?;
        attributes::apply(to.0, to.1, stat, &xattrs, self.options, &mut self.stats)
    }

    /// Attributes of what cannot be opened for reading.
    fn xattrs_of(&self, from: Entry<'_>) -> io::Result<attributes::Xattrs> {
        if self.options.without_xattrs {
            return Ok(Vec::new());
        }
        let handle = at::open(from.0, from.1, OFlag::O_PATH, 0)?;
        attributes::xattrs(handle.as_fd(), self.options)
    }
}

/// Creates an entry; something other than a directory that stands in its place is removed first. A file that is there
/// is never written to: it may have other names, in other images.
fn displace<T>(to: Entry<'_>, create: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match create() {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        done => return done,
    }
    if at::stat(to.0, to.1)?.kind() == Kind::Dir {
        return Err(Errno::EISDIR.into());
    }
    at::unlink(to.0, to.1)?;
    create()
}

/// The kernel protects the file from links, or it has too many of them.
fn is_link_refused(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPERM | libc::EMLINK | libc::EXDEV)
    )
}
