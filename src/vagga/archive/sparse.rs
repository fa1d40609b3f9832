//! Sparse files in pax archives, as GNU tar (version 1.0 of the format) and bsdtar write them.
//!
//! Records tell the true name and size. The content begins with a map in decimal lines: the number of pieces, then offset
//! and length of each, padded to a block of 512 bytes; then follow the pieces.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const BLOCK: usize = 512;
/// Most pieces accepted.
const PIECES: u64 = 1 << 18;
/// Most digits of a number of 64 bits.
const DIGITS: usize = 20;

/// What the records say of a sparse file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sparse {
    /// Name in the archive.
    pub name: PathBuf,
    /// Length in bytes with the holes.
    pub size: u64,
}

/// Collects records named `GNU.sparse.*`.
#[derive(Debug, Default)]
pub struct SparseRecords {
    any: bool,
    major: Option<u64>,
    name: Option<PathBuf>,
    size: Option<u64>,
}

impl SparseRecords {
    /// One record; `key` without the prefix.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let number = || std::str::from_utf8(value).ok()?.parse().ok();
        self.any = true;
        match key {
            b"major" => self.major = number(),
            b"name" => self.name = Some(Path::new(OsStr::from_bytes(value)).to_owned()),
            b"realsize" | b"size" => self.size = number(),
            _ => {}
        }
    }

    /// `None` when there were none. Errors: other versions of the format.
    pub fn finish(self) -> io::Result<Option<Sparse>> {
        match (self.major, self.name, self.size) {
            (Some(1), Some(name), Some(size)) => Ok(Some(Sparse { name, size })),
            _ if !self.any => Ok(None),
            _ => Err(invalid(
                "a sparse file in a format that is not supported (make the archive with --sparse-version=1.0)",
            )),
        }
    }
}

/// The content of a sparse file, holes as zeros.
pub struct Expanded<R> {
    inner: R,
    /// Offset and end of the pieces to come, the next one last.
    pieces: Vec<(u64, u64)>,
    at: u64,
    size: u64,
}

impl<R: Read> Expanded<R> {
    /// Reads the map. Errors: pieces that overlap or lie outside of the file.
    pub fn new(mut inner: R, size: u64) -> io::Result<Expanded<R>> {
        let mut map = Map {
            inner: &mut inner,
            block: Vec::new(),
            at: BLOCK,
        };
        let count = map.number()?;
        if count > PIECES {
            return Err(invalid("a sparse file has too many pieces"));
        }
        let (mut pieces, mut last) = (Vec::new(), 0);
        for _ in 0..count {
            let (start, length) = (map.number()?, map.number()?);
            let end = start
                .checked_add(length)
                .filter(|end| *end <= size && start >= last);
            last = end.ok_or_else(|| invalid("a sparse file has pieces in wrong places"))?;
            pieces.push((start, last));
        }
        pieces.reverse();
        Ok(Expanded {
            inner,
            pieces,
            at: 0,
            size,
        })
    }
}

impl<R: Read> Read for Expanded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.pieces.last().is_some_and(|(_, end)| *end <= self.at) {
            self.pieces.pop();
        }
        let (start, end) = self.pieces.last().copied().unwrap_or((self.size, self.size));
        let hole = self.at < start;
        let left = if hole { start - self.at } else { end - self.at };
        let room = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(part) = buf.get_mut(..room).filter(|part| !part.is_empty()) else {
            return Ok(0);
        };
        let n = match hole {
            true => {
                part.fill(0);
                room
            }
            false => match self.inner.read(part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => n,
            },
        };
        self.at += n as u64;
        Ok(n)
    }
}

/// The map at the beginning, read by blocks.
struct Map<'a, R> {
    inner: &'a mut R,
    block: Vec<u8>,
    at: usize,
}

impl<R: Read> Map<'_, R> {
    /// The number on the next line.
    fn number(&mut self) -> io::Result<u64> {
        let mut digits = String::new();
        loop {
            match self.byte()? {
                b'\n' => {
                    return digits
                        .parse()
                        .map_err(|_| invalid("a sparse file has a broken map"))
                }
                digit if digit.is_ascii_digit() && digits.len() < DIGITS => digits.push(char::from(digit)),
                _ => return Err(invalid("a sparse file has a broken map")),
            }
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.at == BLOCK {
            self.block.resize(BLOCK, 0);
            self.inner.read_exact(&mut self.block)?;
            self.at = 0;
        }
        self.at += 1;
        Ok(self.block.get(self.at - 1).copied().unwrap_or(0))
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(map: &str, data: &[u8], size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = map.as_bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes.extend(data);
        let mut content = Vec::new();
        Expanded::new(&bytes[..], size)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn holes_are_zeros() {
        assert_eq!(expand("2\n1\n2\n4\n1\n", b"abc", 6).unwrap(), b"\0ab\0c\0");
        assert_eq!(expand("1\n3\n0\n", b"", 3).unwrap(), b"\0\0\0");
        assert_eq!(expand("0\n", b"", 0).unwrap(), b"");
        assert_eq!(expand("1\n0\n3\n", b"abcrest", 3).unwrap(), b"abc");
    }

    #[test]
    fn broken_maps_are_errors() {
        for (map, data, size) in [
            ("1\n0\n4\n", "abcd", 3),
            ("2\n2\n1\n0\n1\n", "ab", 4),
            ("1\n0\n3\n", "ab", 3),
            ("x\n", "", 3),
            ("1\n18446744073709551615\n2\n", "ab", 3),
            ("99999999\n", "", 3),
            ("", "", 3),
        ] {
            assert!(expand(map, data.as_bytes(), size).is_err(), "{map:?}");
        }
    }
}
