//! A reader of tar streams that refuses oversized extension headers before they are read into memory.
//!
//! The tar crate reads long names and pax records whole; an archive of a few kilobytes can announce gigabytes of them.
//! The guard follows the stream block by block (POSIX pax, GNU tar) and ends it with an error in that case.

use std::io::{self, Read};

const BLOCK: usize = 512;
/// Largest long name or set of pax records accepted.
const LIMIT: u64 = 1 << 20;
/// Most blocks of a sparse map accepted: 21 pieces of a file each.
const MAP_LIMIT: u32 = 1 << 14;

/// What the next bytes of the stream are.
enum At {
    /// A header block, so far collected.
    Header,
    /// A further block of a GNU sparse map, the n-th.
    SparseMap(u32),
    /// Content and padding; `pax` when it is kept because a size may be among the records.
    Data { left: u64, pax: bool },
}

/// Passes a tar stream through.
pub struct Guard<R> {
    inner: R,
    at: At,
    block: Vec<u8>,
    pax: Vec<u8>,
    /// Size that a pax record gives to the next file.
    size: Option<u64>,
    /// Content that follows the sparse map.
    after_map: u64,
}

impl<R: Read> Guard<R> {
    /// Watches `inner` from its first byte.
    pub fn new(inner: R) -> Guard<R> {
        Guard {
            inner,
            at: At::Header,
            block: Vec::with_capacity(BLOCK),
            pax: Vec::new(),
            size: None,
            after_map: 0,
        }
    }

    fn watch(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let want = match self.at {
                At::Data { left, .. } => usize::try_from(left).unwrap_or(usize::MAX),
                At::Header | At::SparseMap(_) => BLOCK - self.block.len(),
            };
            let (now, later) = bytes.split_at(want.min(bytes.len()));
            bytes = later;
            self.take(now)?;
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.at {
            At::Data { left, pax } => {
                if *pax {
                    self.pax.extend_from_slice(bytes);
                }
                *left -= bytes.len() as u64;
                if *left == 0 {
                    if *pax {
                        self.size = pax_size(&self.pax);
                    }
                    self.at = At::Header;
                }
            }
            At::Header | At::SparseMap(_) => {
                self.block.extend_from_slice(bytes);
                if self.block.len() == BLOCK {
                    self.block_complete()?;
                    self.block.clear();
                }
            }
        }
        Ok(())
    }

    fn block_complete(&mut self) -> io::Result<()> {
        let byte = |at: usize| self.block.get(at).copied().unwrap_or(0);
        if let At::SparseMap(nth) = self.at {
            if nth >= MAP_LIMIT {
                return Err(too_large("a sparse file has too many pieces"));
            }
            self.at = match byte(504) {
                1 => At::SparseMap(nth + 1),
                _ => data(self.after_map, false),
            };
            return Ok(());
        }
        let kind = byte(156);
        let announced = number(self.block.get(124..136).unwrap_or_default());
        if matches!(kind, b'L' | b'K' | b'x' | b'g') {
            if announced > LIMIT {
                let text = format!("an extension header of {announced} bytes is too large");
                return Err(too_large(&text));
            }
            self.pax.clear();
            self.at = data(announced, kind == b'x');
            return Ok(());
        }
        let size = self.size.take().unwrap_or(announced);
        if kind == b'S' && byte(482) == 1 {
            self.after_map = size;
            self.at = At::SparseMap(0);
        } else {
            self.at = data(size, false);
        }
        Ok(())
    }
}

fn too_large(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Content of `size` bytes with its padding.
fn data(size: u64, pax: bool) -> At {
    match size.checked_next_multiple_of(BLOCK as u64) {
        Some(0) => At::Header,
        Some(left) => At::Data { left, pax },
        None => At::Data {
            left: u64::MAX,
            pax: false,
        },
    }
}

/// A size field: octal digits, or base 256 when the first bit is set (GNU tar).
fn number(field: &[u8]) -> u64 {
    match field.first() {
        Some(first) if first & 0x80 != 0 => field
            .iter()
            .skip(field.len().saturating_sub(8))
            .fold(0, |n, byte| (n << 8) | u64::from(*byte)),
        _ => field
            .iter()
            .skip_while(|c| **c == b' ')
            .take_while(|c| (b'0'..=b'7').contains(*c))
            .fold(0u64, |n, c| n.wrapping_mul(8).wrapping_add(u64::from(c - b'0'))),
    }
}

/// The `size` among pax records (`LENGTH KEY=VALUE\n`) as the tar crate sees it: the first one counts, and nothing
/// after a broken record.
fn pax_size(records: &[u8]) -> Option<u64> {
    let mut records = ::tar::PaxExtensions::new(records).map_while(Result::ok);
    let size = records.find(|r| r.key_bytes() == b"size")?;
    size.value().ok()?.parse().ok()
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.watch(buf.get(..n).unwrap_or_default())?;
        Ok(n)
    }
}
