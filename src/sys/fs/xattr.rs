//! Extended attributes of something open, `O_PATH` and symbolic links included.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::sys::at;

/// Names of the attributes we may see; empty where the file system has none.
pub fn list(fd: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let names = match fill(|buffer, size| {
        // SAFETY: the kernel writes at most `size` bytes into `buffer`.
        let n = unsafe { libc::flistxattr(fd.as_raw_fd(), buffer.cast(), size) };
        or_by_path(n, fd, |path| {
            // SAFETY: as above; the path is NUL-terminated and outlives the call.
            unsafe { libc::listxattr(path.as_ptr(), buffer.cast(), size) }
        })
    }) {
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
        names => names?,
    };
    let names = names.split(|b| *b == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| OsString::from_vec(name.to_vec())).collect())
}

/// Value of an attribute, `None` when it is not set.
pub fn get(fd: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<Vec<u8>>> {
    let name = CString::new(name.as_bytes())?;
    let value = fill(|buffer, size| {
        // SAFETY: the kernel writes at most `size` bytes into `buffer`; the name is NUL-terminated.
        let n = unsafe { libc::fgetxattr(fd.as_raw_fd(), name.as_ptr(), buffer.cast(), size) };
        or_by_path(n, fd, |path| {
            // SAFETY: as above; the path is NUL-terminated and outlives the call.
            unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), buffer.cast(), size) }
        })
    });
    match value {
        Err(e) if e.raw_os_error() == Some(libc::ENODATA) => Ok(None),
        value => value.map(Some),
    }
}

/// Sets an attribute, new or not.
pub fn set(fd: BorrowedFd<'_>, name: &OsStr, value: &[u8]) -> io::Result<()> {
    let name = CString::new(name.as_bytes())?;
    let data = value.as_ptr().cast();
    // SAFETY: the name is NUL-terminated, the kernel reads exactly `value.len()` bytes of `value`.
    let n = unsafe { libc::fsetxattr(fd.as_raw_fd(), name.as_ptr(), data, value.len(), 0) };
    or_by_path(n as isize, fd, |path| {
        // SAFETY: as above; the path is NUL-terminated and outlives the call.
        unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), data, value.len(), 0) as isize }
    })
    .map(drop)
}

/// A descriptor opened with `O_PATH` answers `EBADF`; then the way through `/proc` is taken. It ends at the file that
/// is open, even if that is a symbolic link.
fn or_by_path(n: isize, fd: BorrowedFd<'_>, by_path: impl FnOnce(&CString) -> isize) -> io::Result<usize> {
    if let Ok(n) = usize::try_from(n) {
        return Ok(n);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() != Some(libc::EBADF) {
        return Err(error);
    }
    let path = CString::new(at::handle(fd).into_vec())?;
    usize::try_from(by_path(&path)).map_err(|_| io::Error::last_os_error())
}

/// Calls with a growing buffer until the answer fits.
fn fill(call: impl Fn(*mut u8, usize) -> io::Result<usize>) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0u8; 256];
    loop {
        match call(buffer.as_mut_ptr(), buffer.len()) {
            Ok(n) => {
                buffer.truncate(n);
                return Ok(buffer);
            }
            Err(e) if e.raw_os_error() == Some(libc::ERANGE) => {
                let size = call(std::ptr::null_mut(), 0)?;
                buffer.resize(size.max(buffer.len().saturating_mul(2)), 0);
            }
            Err(e) => return Err(e),
        }
    }
}
