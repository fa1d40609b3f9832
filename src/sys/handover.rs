//! What a process hands over to the program it becomes: descriptors by number, and a text in a memory file (execve(2),
//! memfd_create(2)).

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::process::check;

/// Says whether a descriptor stays open in the next program.
pub fn keep(fd: BorrowedFd<'_>, keep: bool) -> io::Result<()> {
    let flag = if keep { 0 } else { libc::FD_CLOEXEC };
    // SAFETY: integer arguments only.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, flag) })
}

/// Takes over a descriptor that the former program left open, and makes it close-on-exec again.
///
/// Each number may be claimed once, before this program opens anything under it: what is claimed is closed when the
/// result is dropped. Errors: it is below 3, or not open.
pub fn claim(fd: i32) -> io::Result<OwnedFd> {
    if fd < 3 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: integer arguments; fails on what is not open.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: it is open and, as documented, nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A text in memory that the next program can read; stays open over exec.
pub fn text(name: &CStr, text: &[u8]) -> io::Result<File> {
    // SAFETY: a terminated string.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), 0) };
    check(fd)?;
    // SAFETY: the kernel has just given us this descriptor.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(text)?;
    Ok(file)
}

/// Reads the text of a claimed memory file from its start, at most `most` bytes.
pub fn read_text(fd: OwnedFd, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::from(fd);
    file.seek(SeekFrom::Start(0))?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsFd, IntoRawFd};

    #[test]
    fn text_is_claimed_by_number_and_read_back() {
        let number = text(c"state", b"hello").unwrap().into_raw_fd();
        let fd = claim(number).unwrap();
        keep(fd.as_fd(), true).unwrap();
        assert_eq!(read_text(fd, 3).unwrap(), b"hel");
        for bad in [-1, 0, 2, 1_000_000] {
            assert!(claim(bad).is_err(), "{bad}");
        }
    }
}
