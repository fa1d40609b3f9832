//! The bytes of one file: shared, copied inside the kernel, or read and written; holes stay holes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;

use nix::fcntl::OFlag;

use crate::sys::fs::Stat;
use crate::sys::path::Root;

/// Fills the empty file `to`. `try_share` is cleared when the file systems cannot share blocks; true when shared.
pub fn copy(from: &mut File, to: &mut File, stat: &Stat, try_share: &mut bool) -> io::Result<bool> {
    if stat.size == 0 {
        return Ok(false);
    }
    if *try_share {
        match clone(from, to) {
            Ok(()) => return Ok(true),
            Err(e) if e.raw_os_error() == Some(libc::ENOSPC) => return Err(e),
            Err(_) => *try_share = false,
        }
    }
    match stat.blocks.saturating_mul(512) < stat.size {
        true => copy_sparse(from, to, stat.size)?,
        // copy_file_range(2), sendfile(2), or a loop of our own: the library finds out which works.
        false => drop(io::copy(from, to)?),
    }
    Ok(false)
}

/// Copies the parts with data only. Where the file system does not know them everything counts as data.
fn copy_sparse(from: &mut File, to: &mut File, size: u64) -> io::Result<()> {
    let mut at = 0;
    while at < size {
        let Some(start) = seek(from, at, libc::SEEK_DATA)? else {
            break;
        };
        let end = seek(from, start, libc::SEEK_HOLE)?.unwrap_or(size).max(start);
        from.seek(SeekFrom::Start(start))?;
        to.seek(SeekFrom::Start(start))?;
        let copied = io::copy(&mut Read::by_ref(from).take(end - start), to)?;
        if copied == 0 {
            break;
        }
        at = start + copied;
    }
    if to.metadata()?.len() < size {
        to.set_len(size)?;
    }
    Ok(())
}

/// Next offset of data or of a hole at or after `at`; `None` behind the last data.
fn seek(file: &File, at: u64, whence: libc::c_int) -> io::Result<Option<u64>> {
    let at = libc::off64_t::try_from(at).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
    // SAFETY: a descriptor we own and numbers.
    let n = unsafe { libc::lseek64(file.as_raw_fd(), at, whence) };
    match u64::try_from(n) {
        Ok(n) => Ok(Some(n)),
        Err(_) => match io::Error::last_os_error() {
            e if e.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            e => Err(e),
        },
    }
}

/// Tries it with two files that have no name.
pub fn can_share(dir: &Root) -> io::Result<bool> {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR;
    let mut one = File::from(dir.open_with(".", flags, 0o600)?);
    let two = File::from(dir.open_with(".", flags, 0o600)?);
    one.write_all(&[0; 4096])?;
    Ok(clone(&one, &two).is_ok())
}

/// Makes `to` share all blocks of `from`.
fn clone(from: &File, to: &File) -> io::Result<()> {
    // SAFETY: FICLONE takes a descriptor as its argument and touches no memory of ours.
    let n = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE as _, from.as_raw_fd()) };
    match n {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
