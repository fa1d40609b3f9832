//! Atomic replacement: kill -9 at any instant leaves the old or the new file, never half of one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::OFlag;

use crate::sys::at;
use crate::sys::path::Root;

/// Names tried before we believe that somebody occupies them on purpose.
const ATTEMPTS: u32 = 100;

/// Makes `bytes` the content of the file `path`, mode exactly `mode`; whatever was there (a link too) is replaced.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (dir, name) = super::split(path)?;
    with_temporary(&dir, name, |dir, temporary| {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let mut file = File::from(at::open(dir, temporary, flags, 0o600)?);
        let written = file.write_all(bytes).and_then(|()| {
            nix::sys::stat::fchmod(&file, nix::sys::stat::Mode::from_bits_truncate(mode & 0o7777))?;
            file.sync_all()
        });
        discard_on_error(dir, temporary, written)
    })
}

/// Makes `path` a symbolic link with the text `target`; a file or link that was there is replaced.
pub fn replace_symlink(path: &Path, target: &Path) -> io::Result<()> {
    let (dir, name) = super::split(path)?;
    with_temporary(&dir, name, |dir, temporary| {
        at::symlink(target.as_os_str(), dir, temporary)
    })
}

/// The same for a symbolic link in an open directory, without waiting for the disk.
pub fn replace_symlink_at(dir: BorrowedFd<'_>, name: &OsStr, target: &OsStr) -> io::Result<()> {
    swap_in(dir, name, |dir, temporary| at::symlink(target, dir, temporary))
}

/// Lets `make` create an entry under a temporary name and renames it to `name`, durably.
fn with_temporary(
    dir: &Root,
    name: &OsStr,
    make: impl Fn(BorrowedFd<'_>, &OsStr) -> io::Result<()>,
) -> io::Result<()> {
    let dir = dir.open_with(".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
    swap_in(dir.as_fd(), name, make)?;
    File::from(dir).sync_all()
}

fn swap_in(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    make: impl Fn(BorrowedFd<'_>, &OsStr) -> io::Result<()>,
) -> io::Result<()> {
    for _ in 0..ATTEMPTS {
        let temporary = temporary_name();
        match make(dir, &temporary) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            done => done?,
        }
        let renamed = at::rename(dir, &temporary, dir, name);
        return discard_on_error(dir, &temporary, renamed);
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "every temporary name is taken",
    ))
}

fn discard_on_error(dir: BorrowedFd<'_>, name: &OsStr, result: io::Result<()>) -> io::Result<()> {
    if result.is_err() {
        let _ = at::unlink(dir, name);
    }
    result
}

/// A hidden name that no other call of this or another process uses now: pid and time against other processes (pids
/// of two namespaces may be equal), a counter against ourselves.
fn temporary_name() -> OsString {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |d| d.subsec_nanos());
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    OsString::from(format!(".tmp.{}.{nanos:x}.{n}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn file_is_replaced_with_its_mode_and_nothing_is_left() {
        let t = Temp::new();
        let path = t.0.join("f");
        replace(&path, b"one", 0o600).unwrap();
        replace(&path, b"two", 0o666).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o666);
        assert_eq!(fs::read_dir(&t.0).unwrap().count(), 1);
    }

    #[test]
    fn link_is_replaced_not_followed() {
        let t = Temp::new();
        let path = t.0.join("f");
        replace_symlink(&path, Path::new("victim")).unwrap();
        replace(&path, b"x", 0o644).unwrap();
        assert!(!t.0.join("victim").exists());
        replace_symlink(&path, Path::new("other")).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("other"));
        assert_eq!(fs::read_dir(&t.0).unwrap().count(), 1);
    }

    #[test]
    fn directory_in_the_way_is_an_error_and_nothing_is_left() {
        let t = Temp::new();
        fs::create_dir(t.0.join("d")).unwrap();
        assert!(replace(&t.0.join("d"), b"x", 0o644).is_err());
        assert!(replace_symlink(&t.0.join("d"), Path::new("x")).is_err());
        assert!(replace(&t.0.join("missing/f"), b"x", 0o644).is_err());
        assert_eq!(fs::read_dir(&t.0).unwrap().count(), 1);
    }

    #[test]
    fn relative_path_without_directory() {
        assert!(super::super::split(Path::new("name")).is_ok());
        assert!(super::super::split(Path::new("/")).is_err());
    }
}
