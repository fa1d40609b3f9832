//! Being told when names appear in directories (inotify(7)), instead of looking again and again.
//!
//! Only changes made through this kernel are told: not those of other clients of a network file system.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::process::check;

/// A name appears or moves in, or the directory itself goes.
const EVENTS: u32 =
    libc::IN_CREATE | libc::IN_MOVED_TO | libc::IN_DELETE_SELF | libc::IN_MOVE_SELF | libc::IN_ONLYDIR;
/// Room for a good number of events; what does not fit is read by the next call.
const BUFFER: usize = 16 << 10;

/// Directories that are watched.
#[derive(Debug)]
pub struct Watch {
    fd: OwnedFd,
}

impl Watch {
    /// Of no directory yet. Errors: EMFILE (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Watch> {
        // SAFETY: integer argument only.
        let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        check(fd)?;
        // SAFETY: the kernel has just given us this descriptor.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Watch { fd })
    }

    /// Watches one more directory; links are followed. Errors: ENOENT, ENOTDIR, EACCES, ENOSPC
    /// (`fs.inotify.max_user_watches`).
    pub fn add(&mut self, dir: &Path) -> io::Result<()> {
        let path = CString::new(dir.as_os_str().as_bytes())?;
        // SAFETY: the path is alive and ends in NUL.
        check(unsafe { libc::inotify_add_watch(self.fd.as_raw_fd(), path.as_ptr(), EVENTS) })
    }

    /// Forgets what has been told; never blocks.
    pub fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0u8; BUFFER];
        loop {
            // SAFETY: the buffer is alive and has the length given.
            let n = unsafe { libc::read(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
            let e = match n {
                0 => return Ok(()),
                -1 => io::Error::last_os_error(),
                _ => continue,
            };
            match e.kind() {
                io::ErrorKind::WouldBlock => return Ok(()),
                io::ErrorKind::Interrupted => {}
                _ => return Err(e),
            }
        }
    }
}

/// Readable when something has happened.
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll;
    use std::fs;
    use std::time::Instant;

    #[test]
    fn new_names_are_told_once() {
        let dir = std::env::temp_dir().join(format!("vagga-inotify-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let mut watch = Watch::new().unwrap();
        watch.add(&dir).unwrap();
        let told = |watch: &Watch| poll::wait(&[watch.as_fd()], Some(Instant::now())).unwrap() == [true];
        assert!(!told(&watch));
        fs::write(dir.join("x"), "").unwrap();
        assert!(told(&watch));
        watch.drain().unwrap();
        fs::remove_file(dir.join("x")).unwrap();
        assert!(!told(&watch), "who goes is of no interest");
        fs::remove_dir(&dir).unwrap();
        assert!(told(&watch), "except the directory itself");
        assert_eq!(watch.add(&dir).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
