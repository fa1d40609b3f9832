//! The content of a file as it is written: large ones with holes where they are zero.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

/// Bytes copied at once.
pub const CHUNK: usize = 128 * 1024;
/// Files from this size on are written with holes where they are zero.
const SPARSE_FROM: u64 = 1 << 20;

/// Copies `data`, which announced `size` bytes, through `buffer`; large files get holes where they are zero, so that
/// zeros cost no disk.
pub fn copy(data: &mut dyn Read, file: &mut File, size: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut written = 0u64;
    let mut hole = false;
    if size >= SPARSE_FROM {
        // An impossible size is an error at once, not after hours of zeros.
        file.set_len(size)?;
        file.set_len(0)?;
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
            file.write_all(chunk)?;
        }
        written += n as u64;
    }
    if hole {
        file.set_len(written)?;
    }
    Ok(())
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
