//! One file of an image replaced by a hard link to the same file of another image.
//!
//! Images are read-only, so sharing an inode shows nothing of one in the other. Persistent volumes, caches and
//! unfinished builds never come here. Files are linked only when everything a program could see is alike: content,
//! mode, owner, time, extended attributes. What an index says about content is checked against the bytes first.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use super::digest::{HashKind, DIGEST};
use super::scan::{attributes_of, digests, open};
use crate::sys::at;
use crate::sys::fs::{Kind, Moment, Stat, Visit};
use crate::sys::path::{Place, Root};

/// An image that takes part.
#[derive(Debug)]
pub struct Side {
    /// Its directory.
    pub dir: Root,
    /// Its file system.
    pub root: Root,
}

impl Side {
    /// Opens the image `version` in the directory of images.
    pub fn open(roots: &Root, version: impl AsRef<Path>) -> io::Result<Side> {
        let dir = roots.sub(version)?;
        let root = dir.sub("root")?;
        Ok(Side { dir, root })
    }
}

/// What an index says of a file's content.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Function of the digests.
    pub hash: HashKind,
    /// Bytes that one digest is for.
    pub block_size: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Its digests, one after the other.
    pub digests: &'a [u8],
}

/// What became of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The file is a link now.
    Linked,
    /// It was one before.
    Shared,
    /// They differ in something, or the file system does not link them.
    Unlike,
}

/// Links files and counts.
#[derive(Debug, Default)]
pub struct Linker {
    /// Files that were replaced by links.
    pub files: u64,
    /// Bytes of the files they are links to, each counted once.
    pub bytes: u64,
    counted: HashSet<(u64, u64)>,
    /// Whether the content of an inode is what its index says.
    checked: HashMap<(u64, u64), bool>,
}

impl Linker {
    /// Replaces `path` in `target` by a link to `path` in `source`. `check_target`: nor is the target's index believed.
    ///
    /// Errors: of the file system; what vanished meanwhile is [`Outcome::Unlike`].
    pub fn link(
        &mut self,
        path: &Path,
        content: Content<'_>,
        source: &Side,
        target: &Side,
        check_target: bool,
    ) -> io::Result<Outcome> {
        let result = self.try_link(path, content, source, target, check_target);
        match &result {
            Err(e) if is_passing(e) => Ok(Outcome::Unlike),
            _ => result,
        }
    }

    fn try_link(
        &mut self,
        path: &Path,
        content: Content<'_>,
        source: &Side,
        target: &Side,
        check_target: bool,
    ) -> io::Result<Outcome> {
        let (from, to) = (source.root.place(path)?, target.root.place(path)?);
        let (old, new) = (at::stat(from.dir(), from.name)?, at::stat(to.dir(), to.name)?);
        if old.same_file(&new) {
            return Ok(Outcome::Shared);
        }
        let like = alike(&old, &new)
            && old.size == content.size
            && attributes_of(&open(&visit(&from, path, old))?)?
                == attributes_of(&open(&visit(&to, path, new))?)?;
        if !like
            || !self.is_intact(&from, path, old, content)?
            || (check_target && !self.is_intact(&to, path, new, content)?)
        {
            return Ok(Outcome::Unlike);
        }
        if !swap(&from, old, &to, target)? {
            return Ok(Outcome::Unlike);
        }
        self.files += 1;
        if self.counted.insert((old.dev, old.ino)) {
            self.bytes += old.size;
        }
        Ok(Outcome::Linked)
    }

    /// Compares the content with the index, once for each inode.
    fn is_intact(
        &mut self,
        place: &Place<'_>,
        path: &Path,
        stat: Stat,
        content: Content<'_>,
    ) -> io::Result<bool> {
        let key = (stat.dev, stat.ino);
        if let Some(known) = self.checked.get(&key) {
            return Ok(*known);
        }
        let file = open(&visit(place, path, stat))?;
        let mut block = vec![0; usize::try_from(content.block_size).map_err(io::Error::other)?];
        let found = digests(file, stat.size, content.hash, &mut block)?;
        let intact = found.iter().eq(content.digests.chunks(DIGEST));
        if !intact {
            log::warn!(
                "Mismatch file hash: {path:?} is not what the index of its image says, it is not linked"
            );
        }
        self.checked.insert(key, intact);
        Ok(intact)
    }
}

fn visit<'a>(place: &'a Place<'_>, path: &'a Path, stat: Stat) -> Visit<'a> {
    Visit {
        moment: Moment::Entry,
        dir: place.dir(),
        name: place.name,
        path,
        stat,
    }
}

/// Nothing but the names tells them apart, as far as `stat(2)` knows.
fn alike(a: &Stat, b: &Stat) -> bool {
    let seen = |s: &Stat| (s.mode, s.uid, s.gid, s.size, s.mtime.sec, s.dev);
    a.kind() == Kind::File && seen(a) == seen(b)
}

/// Links under a name outside of the root first, so that whoever is killed leaves the root whole. False when the
/// source was replaced since it was checked.
fn swap(from: &Place<'_>, checked: Stat, to: &Place<'_>, target: &Side) -> io::Result<bool> {
    let temporary = std::ffi::OsString::from(format!(".link.{}", std::process::id()));
    let dir = target.dir.as_fd();
    match at::unlink(dir, &temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => at::hard_link(from.dir(), from.name, dir, &temporary)?,
    }
    if !at::stat(dir, &temporary)?.same_file(&checked) {
        return at::unlink(dir, &temporary).map(|()| false);
    }
    // The new name must not show in the time of the directory: images are compared by it.
    let parent = at::fstat(to.dir())?;
    let done = at::rename(dir, &temporary, to.dir(), to.name)
        .and_then(|()| at::set_times(to.dir(), std::ffi::OsStr::new("."), parent.atime, parent.mtime));
    if done.is_err() {
        let _ = at::unlink(dir, &temporary);
    }
    done.map(|()| true)
}

/// Somebody removed it, the file has all the names it can have, or linking is not allowed here.
fn is_passing(e: &io::Error) -> bool {
    let refused = [
        libc::EMLINK,
        libc::EXDEV,
        libc::EPERM,
        libc::ENOENT,
        libc::ENOTDIR,
        libc::ELOOP,
    ];
    e.raw_os_error().is_some_and(|errno| refused.contains(&errno))
}

/// Bytes in powers of 1000, with one decimal below 10: `12B`, `1.5MB`, `120KB`.
pub fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KB", "MB", "GB", "TB"] {
        if value < 9.95 && unit != "B" {
            return format!("{value:.1}{unit}");
        }
        if value < 999.5 {
            return format!("{value:.0}{unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1}PB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::storage::tests::Temp;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::time::{Duration, SystemTime};

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0B"),
            (12, "12B"),
            (999, "999B"),
            (1000, "1.0KB"),
            (1_500_000, "1.5MB"),
            (9_960, "10KB"),
            (120_000, "120KB"),
            (999_700, "1.0MB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }

    fn image(t: &Temp, name: &str, content: &str) -> Side {
        let root = t.0.join(name).join("root/etc");
        fs::create_dir_all(&root).unwrap();
        let file = fs::File::create(root.join("f")).unwrap();
        io::Write::write_all(&mut &file, content.as_bytes()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(7))
            .unwrap();
        fs::File::open(&root)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        Side::open(&Root::open(&t.0).unwrap(), name).unwrap()
    }

    fn link(t: &Temp, source: &Side, target: &Side, text: &[u8]) -> Outcome {
        let digests = HashKind::Sha512.of(text);
        let content = Content {
            hash: HashKind::Sha512,
            block_size: 1024,
            size: text.len() as u64,
            digests: &digests,
        };
        let mut linker = Linker::default();
        let outcome = linker
            .link(Path::new("/etc/f"), content, source, target, true)
            .unwrap();
        assert_eq!(linker.files, u64::from(outcome == Outcome::Linked));
        for name in ["a", "b"] {
            assert_eq!(
                fs::read_dir(t.0.join(name)).unwrap().count(),
                1,
                "nothing is left"
            );
        }
        outcome
    }

    #[test]
    fn alike_files_are_linked_and_the_directory_keeps_its_time() {
        let t = Temp::new("linker");
        let (a, b) = (image(&t, "a", "text"), image(&t, "b", "text"));
        assert_eq!(link(&t, &a, &b, b"text"), Outcome::Linked);
        let dir = fs::metadata(t.0.join("b/root/etc")).unwrap();
        assert_eq!((dir.mtime(), dir.mtime_nsec()), (0, 0));
        assert_eq!(fs::metadata(t.0.join("a/root/etc/f")).unwrap().nlink(), 2);
        assert_eq!(link(&t, &a, &b, b"text"), Outcome::Shared);
    }

    #[test]
    fn files_that_differ_in_anything_stay_apart() {
        let t = Temp::new("linker");
        let (a, b) = (image(&t, "a", "text"), image(&t, "b", "text"));
        let f = t.0.join("b/root/etc/f");
        assert_eq!(link(&t, &a, &b, b"tent"), Outcome::Unlike);
        fs::set_permissions(&f, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(link(&t, &a, &b, b"text"), Outcome::Unlike);
        fs::set_permissions(&f, fs::Permissions::from_mode(0o644)).unwrap();
        fs::File::open(&f)
            .unwrap()
            .set_modified(SystemTime::now())
            .unwrap();
        assert_eq!(link(&t, &a, &b, b"text"), Outcome::Unlike);
        fs::remove_file(&f).unwrap();
        assert_eq!(link(&t, &a, &b, b"text"), Outcome::Unlike);
        std::os::unix::fs::symlink("/etc/passwd", &f).unwrap();
        assert_eq!(link(&t, &a, &b, b"text"), Outcome::Unlike);
    }
}
