//! Packages and indexes of apk v2 are gzip streams one after another; here they are taken apart within limits.
//!
//! The digests and signatures of the format are over the compressed bytes, so the borders matter to the byte.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::vagga::archive::Guard;

/// Most content of a signature or control part, in bytes.
pub const MAX_CONTROL: u64 = 16 << 20;

/// A small file of a tar archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    /// Modification time, seconds since the epoch.
    pub mtime: u64,
    pub bytes: Vec<u8>,
}

/// A reader that knows how far it is.
pub struct Counter<R> {
    inner: R,
    /// Bytes taken so far.
    pub position: u64,
}

impl<R: BufRead> Counter<R> {
    pub fn new(inner: R) -> Counter<R> {
        Counter { inner, position: 0 }
    }
}

impl<R: BufRead> Read for Counter<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.position += n as u64;
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counter<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
        self.position += amount as u64;
    }
}

/// Decompresses exactly one gzip stream and leaves `input` behind its last byte.
///
/// Errors: broken streams, more content than `limit`, the newer package format.
pub fn one<R: BufRead>(input: &mut Counter<R>, limit: u64) -> io::Result<Vec<u8>> {
    check_format(input.fill_buf()?)?;
    let mut plain = Vec::new();
    GzDecoder::new(input).take(limit + 1).read_to_end(&mut plain)?;
    match plain.len() as u64 > limit {
        true => Err(invalid(&format!("a part holds more than {limit} bytes"))),
        false => Ok(plain),
    }
}

/// True when the content of the first gzip stream begins with `prefix`.
pub fn begins(file: &[u8], prefix: &[u8]) -> io::Result<bool> {
    check_format(file)?;
    let mut start = Vec::new();
    GzDecoder::new(file)
        .take(prefix.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start == prefix)
}

fn check_format(start: &[u8]) -> io::Result<()> {
    match start.starts_with(b"ADB") {
        true => Err(invalid(
            "this is the format of apk v3 (ADB), which is not supported: use a repository with v2 packages and \
             APKINDEX.tar.gz",
        )),
        false => Ok(()),
    }
}

/// The regular files of a small tar archive, with or without end marker.
pub fn files(tar: &[u8]) -> io::Result<Vec<Member>> {
    let mut members = Vec::new();
    for entry in tar::Archive::new(Guard::new(tar)).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mtime = entry.header().mtime().unwrap_or(0);
        // Not `with_capacity(size)`: a header may promise anything.
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        members.push(Member { name, mtime, bytes });
    }
    Ok(members)
}

/// An error about content.
pub fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::Write;

    /// A gzip stream of a tar archive without end marker, as abuild makes signature and control parts.
    pub fn part(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_path(name).unwrap();
            header.set_mode(0o755);
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            tar.extend_from_slice(header.as_bytes());
            tar.extend_from_slice(bytes);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&tar).unwrap();
        gz.finish().unwrap()
    }

    #[test]
    fn streams_are_taken_apart() {
        let (a, b) = (part(&[(".SIGN.RSA.k", b"s")]), part(&[("b", b"x"), ("c", b"y")]));
        let both = [a.clone(), b].concat();
        let mut input = Counter::new(&both[..]);
        let first = files(&one(&mut input, 4096).unwrap()).unwrap();
        assert_eq!(
            (first[0].name.as_str(), first[0].bytes.as_slice()),
            (".SIGN.RSA.k", &b"s"[..])
        );
        assert!(begins(&both, b".SIGN.").unwrap() && !begins(&both[a.len()..], b".SIGN.").unwrap());
        assert_eq!(input.position, a.len() as u64);
        let second = files(&one(&mut input, 4096).unwrap()).unwrap();
        assert_eq!(second.len(), 2);
        assert_eq!(input.position, both.len() as u64);
    }

    #[test]
    fn limits_and_broken_streams() {
        let a = part(&[("b", &[0; 3000])]);
        assert!(one(&mut Counter::new(&a[..]), 1000).is_err());
        assert!(one(&mut Counter::new(&a[..a.len() - 2]), 1 << 20).is_err());
        assert!(one(&mut Counter::new(&b"ADBd...."[..]), 1000)
            .unwrap_err()
            .to_string()
            .contains("apk v3"));
        assert!(one(&mut Counter::new(&b""[..]), 1000).is_err());
    }
}
