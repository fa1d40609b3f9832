//! The content of a file as it is written: large ones with holes where they are zero.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use nix::sys::statvfs::fstatvfs;

/// Bytes copied at once.
pub const CHUNK: usize = 128 * 1024;
/// Files from this size on are written with holes where they are zero.
const SPARSE_FROM: u64 = 1 << 20;

/// Copies `data`, which announced `size` bytes, through `buffer`; large files get holes where they are zero, so that
/// zeros cost no disk. At most `limit` bytes are written; returns how many were.
///
/// Errors: `QuotaExceeded` when there would be more.
pub fn copy(
    data: &mut dyn Read,
    file: &mut File,
    size: u64,
    buffer: &mut [u8],
    limit: u64,
) -> io::Result<u64> {
    let (mut length, mut written) = (0u64, 0u64);
    let mut hole = false;
    if size >= SPARSE_FROM {
        fits(file, size)?;
    }
    loop {
        let n = read_full(data, buffer)?;
        let Some(chunk) = buffer.get(..n).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        hole = size >= SPARSE_FROM && chunk.iter().all(|byte| *byte == 0);
        if hole {
            file.seek(SeekFrom::Current(n as i64))?;
        } else {
            written += n as u64;
            if written > limit {
                return Err(too_much());
            }
            file.write_all(chunk)?;
        }
        length += n as u64;
    }
    if hole {
        file.set_len(length)?;
    }
    Ok(written)
}

/// What is unpacked has no end in sight, or none that we should wait for.
fn too_much() -> io::Error {
    io::Error::new(
        ErrorKind::QuotaExceeded,
        "what is unpacked is larger than the setting `max-unpacked-size` allows",
    )
}

/// Refuses a file that its file system can never hold, at once and not after years of zeros: holes take no space in an
/// archive, and not every file system has a limit of its own that stops them (tmpfs has none).
fn fits(file: &mut File, size: u64) -> io::Result<()> {
    file.set_len(size)?;
    file.set_len(0)?;
    let system = fstatvfs(&*file)?;
    let capacity = system.blocks().saturating_mul(system.fragment_size());
    if size <= capacity {
        return Ok(());
    }
    Err(io::Error::new(
        ErrorKind::FileTooLarge,
        format!("its {size} bytes are more than the whole file system holds"),
    ))
}

/// Fills the buffer as far as the data goes.
fn read_full(data: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match data.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
