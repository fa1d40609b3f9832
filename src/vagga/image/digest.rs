//! The hash functions of indexes, all with 32 bytes of output.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest as _};
use sha2::Sha512_256;

use super::blake3::Blake3;

/// Bytes of a digest.
pub const DIGEST: usize = 32;

/// A hash function by its name in the header of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// `blake2b/256`, what we write.
    Blake2b,
    /// `sha512/256`.
    Sha512,
    /// `blake3/256`: the original did not begin anew with each block, so digest *k* covers the blocks 1…*k*.
    Blake3,
}

impl HashKind {
    const NAMES: [(HashKind, &'static str); 3] = [
        (HashKind::Blake2b, "blake2b/256"),
        (HashKind::Sha512, "sha512/256"),
        (HashKind::Blake3, "blake3/256"),
    ];

    /// The function of that name.
    pub fn find(name: &str) -> Option<HashKind> {
        let found = HashKind::NAMES.iter().find(|(_, n)| *n == name);
        found.map(|(kind, _)| *kind)
    }

    /// Its name in the header.
    pub fn name(self) -> &'static str {
        let found = HashKind::NAMES.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, name)| name)
    }

    /// Digest of one text.
    pub fn of(self, bytes: &[u8]) -> [u8; DIGEST] {
        Blocks::new(self).add(bytes)
    }
}

/// Digests of the blocks of one file.
#[derive(Debug)]
pub struct Blocks {
    kind: HashKind,
    cumulative: Blake3,
}

impl Blocks {
    /// For a new file.
    pub fn new(kind: HashKind) -> Blocks {
        Blocks {
            kind,
            cumulative: Blake3::new(),
        }
    }

    /// The digest that the index has for the next block.
    pub fn add(&mut self, block: &[u8]) -> [u8; DIGEST] {
        match self.kind {
            HashKind::Blake2b => Blake2b::<U32>::digest(block).into(),
            HashKind::Sha512 => Sha512_256::digest(block).into(),
            HashKind::Blake3 => {
                self.cumulative.update(block);
                self.cumulative.digest()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::fetch::digest::hex;

    #[test]
    fn digests_of_known_texts() {
        let text = b"hello world\n";
        for (kind, digest) in [
            (
                HashKind::Sha512,
                "bf73ee1fb7e8bf8fcdd5da06dd547052cd0f929a88f4aead68b218d3bde91134",
            ),
            (
                HashKind::Blake3,
                "dc5a4edb8240b018124052c330270696f96771a63b45250a5c17d3000e823355",
            ),
        ] {
            assert_eq!(hex(&kind.of(text)), digest);
            assert_eq!(HashKind::find(kind.name()), Some(kind));
        }
        assert_eq!(HashKind::find("md5"), None);
    }

    #[test]
    fn only_blake3_runs_on_from_block_to_block() {
        let (first, second) = (vec![0; 32768], b"x");
        let mut blocks = Blocks::new(HashKind::Blake3);
        assert_eq!(
            hex(&blocks.add(&first)),
            "ac169ead597dac88b2d7223edd85c9895392532cfc7a3c5c29a3fbe3ccba37f2"
        );
        assert_eq!(
            hex(&blocks.add(second)),
            "8e890228f732ca1827d694860ecd0366f13dcaa6f4ebfa421d836356a56382d5"
        );
        assert_eq!(
            hex(&HashKind::Blake3.of(second)),
            "3ae7d805f6789a6402acb70ad4096a85a56bf6804eaf25c0493ac697548d30b5"
        );
        let mut blocks = Blocks::new(HashKind::Sha512);
        blocks.add(&first);
        assert_eq!(blocks.add(second), HashKind::Sha512.of(second));
    }
}
