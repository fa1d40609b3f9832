//! Digests of what is fetched, as hexadecimal digits in lower case.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustc_serialize::hex::ToHex;
use sha2::{Digest, Sha256};

/// Bytes read at once.
const CHUNK: usize = 128 * 1024;

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.to_hex()
}

/// SHA-256 of the file at `path`.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    sha256_of_open(&mut File::open(path)?)
}

/// SHA-256 of what is left to read of an open file.
pub fn sha256_of_open(file: &mut File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(chunk.get(..n).unwrap_or_default()),
        }
    }
}

/// Hash of a list of texts, each ended by a zero byte, so that no two lists are alike.
pub fn of_texts<'a, D: Digest>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = D::new();
    for text in texts {
        hash.update(text);
        hash.update(b"\0");
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_lists_of_texts() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_of(Path::new("/dev/null")).unwrap(), empty);
        assert_eq!(of_texts::<Sha256>([]), empty);
        assert_ne!(of_texts::<Sha256>(["ab", ""]), of_texts::<Sha256>(["a", "b"]));
        assert_eq!(hex(&[0xAB, 1]), "ab01");
    }
}
