//! Locks between processes: `flock(2)` on a file made for the purpose. The kernel drops them when the holder dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A lock held until the value is dropped (or every copy of its descriptor in forked children is closed).
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// The locked file.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Locks `path`, creating the file (mode 0644) if it is missing. `None`: somebody else holds it and `wait` is false.
///
/// A lock on a file that was removed or replaced while we waited protects nothing, so it is taken again on the new
/// one. A symbolic link in place of the file is an error (`ELOOP`).
pub fn lock(path: &Path, exclusive: bool, wait: bool) -> io::Result<Option<Lock>> {
    loop {
        let file = open(path)?;
        if !flock(&file, exclusive, wait)? {
            return Ok(None);
        }
        let held = file.metadata()?;
        match std::fs::symlink_metadata(path) {
            Ok(now) if (now.dev(), now.ino()) == (held.dev(), held.ino()) => {
                return Ok(Some(Lock { file }));
            }
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
}

/// Locks a file that is open already, exclusively or shared, without waiting. `None`: somebody else holds it.
pub fn lock_file(file: File, exclusive: bool) -> io::Result<Option<Lock>> {
    Ok(flock(&file, exclusive, false)?.then_some(Lock { file }))
}

/// Locks `path` exclusively as [`lock`] does; calls `say` before it has to wait for another holder.
pub fn lock_waiting(path: &Path, say: impl FnOnce()) -> io::Result<Lock> {
    if let Some(held) = lock(path, true, false)? {
        return Ok(held);
    }
    say();
    lock(path, true, true)?.ok_or_else(|| io::Error::from_raw_os_error(libc::EWOULDBLOCK))
}

/// A reader's lock may also be taken on a file we must not write.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    match options.clone().write(true).create(true).mode(0o644).open(path) {
        Err(e) if matches!(e.raw_os_error(), Some(libc::EACCES | libc::EROFS | libc::EISDIR)) => {
            options.open(path).map_err(|_| e)
        }
        done => done,
    }
}

fn flock(file: &File, exclusive: bool, wait: bool) -> io::Result<bool> {
    let kind = if exclusive { libc::LOCK_EX } else { libc::LOCK_SH };
    let operation = if wait { kind } else { kind | libc::LOCK_NB };
    loop {
        // SAFETY: takes a descriptor we own and an integer.
        if unsafe { libc::flock(file.as_raw_fd(), operation) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EWOULDBLOCK) => return Ok(false),
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;

    #[test]
    fn one_writer_or_many_readers() {
        let t = Temp::new();
        let path = t.0.join("lock");
        let writer = lock(&path, true, false).unwrap();
        assert!(writer.is_some());
        assert!(lock(&path, true, false).unwrap().is_none());
        assert!(lock(&path, false, false).unwrap().is_none());
        drop(writer);
        let readers = (
            lock(&path, false, false).unwrap(),
            lock(&path, false, false).unwrap(),
        );
        assert!(readers.0.is_some() && readers.1.is_some());
        assert!(lock(&path, true, false).unwrap().is_none());
    }

    #[test]
    fn replaced_file_is_locked_anew() {
        let t = Temp::new();
        let path = t.0.join("lock");
        let old = lock(&path, true, false).unwrap().unwrap();
        let waiter = std::thread::spawn({
            let path = path.clone();
            move || lock(&path, true, true).unwrap().unwrap()
        });
        std::thread::sleep(std::time::Duration::from_millis(30));
        std::fs::remove_file(&path).unwrap();
        drop(old);
        let new = waiter.join().unwrap();
        let held = new.file().metadata().unwrap().ino();
        assert_eq!(held, std::fs::metadata(&path).unwrap().ino());
        assert!(lock(&path, true, false).unwrap().is_none());
    }

    #[test]
    fn waiting_is_announced_once_and_only_when_needed() {
        let t = Temp::new();
        let path = t.0.join("lock");
        let held = lock_waiting(&path, || panic!("nobody holds it")).unwrap();
        assert!(lock_file(File::open(&path).unwrap(), false).unwrap().is_none());
        let said = std::cell::Cell::new(0);
        let held = std::cell::Cell::new(Some(held));
        lock_waiting(&path, || {
            said.set(said.get() + 1);
            drop(held.take());
        })
        .unwrap();
        assert_eq!(said.get(), 1);
        let reader = lock_file(File::open(&path).unwrap(), false).unwrap();
        assert!(reader.is_some() && lock(&path, true, false).unwrap().is_none());
    }

    #[test]
    fn directory_can_be_locked_and_link_not() {
        let t = Temp::new();
        assert!(lock(&t.0, true, false).unwrap().is_some());
        std::os::unix::fs::symlink("elsewhere", t.0.join("link")).unwrap();
        assert!(lock(&t.0.join("link"), true, false).is_err());
        assert!(!t.0.join("elsewhere").exists());
    }
}
