//! Checksums as apk writes them: `Q1` and base64 of a SHA-1, `Q2` and base64 of a SHA-256; in tar headers hex.

use ring::digest::{self, Algorithm, Context};
use rustc_serialize::base64::{FromBase64, ToBase64, STANDARD};
use rustc_serialize::hex::ToHex;

/// SHA-1 is what the format demands for packages and files; it proves nothing against its maker.
static SHA1: &Algorithm = &digest::SHA1_FOR_LEGACY_USE_ONLY;

/// The identity of a package (of its control part) or of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checksum(String);

impl Checksum {
    /// Reads `Q1…` or `Q2…`. `None` when it is neither.
    pub fn parse(text: &str) -> Option<Checksum> {
        let length = match text.get(..2)? {
            "Q1" => 20,
            "Q2" => 32,
            _ => return None,
        };
        let bytes = text.get(2..)?.from_base64().ok()?;
        (bytes.len() == length && written(text.get(..2)?, &bytes) == text).then(|| Checksum(text.to_string()))
    }

    /// The SHA-1 of `bytes`.
    pub fn sha1(bytes: &[u8]) -> Checksum {
        let mut hasher = Hasher::sha1();
        hasher.update(bytes);
        hasher.checksum()
    }

    /// True when `bytes` have this checksum.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        let (prefix, algorithm) = match self.0.starts_with("Q2") {
            true => ("Q2", &digest::SHA256),
            false => ("Q1", SHA1),
        };
        written(prefix, digest::digest(algorithm, bytes).as_ref()) == self.0
    }

    /// As it stands in an index.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight hexadecimal digits, part of the name of a file in apk's cache.
    pub fn short(&self) -> String {
        let bytes = self
            .0
            .get(2..)
            .and_then(|t| t.from_base64().ok())
            .unwrap_or_default();
        bytes.get(..4).unwrap_or_default().to_hex()
    }
}

fn written(prefix: &str, bytes: &[u8]) -> String {
    format!("{prefix}{}", bytes.to_base64(STANDARD))
}

/// Computes a checksum piece by piece.
pub struct Hasher(Context);

impl Hasher {
    /// For files.
    pub fn sha1() -> Hasher {
        Hasher(Context::new(SHA1))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The result as `Q1…`.
    pub fn checksum(self) -> Checksum {
        Checksum(written("Q1", self.0.finish().as_ref()))
    }
}

/// SHA-256 of a whole stream in lower-case hex.
pub fn sha256_hex(mut input: impl std::io::Read) -> std::io::Result<String> {
    let mut context = Context::new(&digest::SHA256);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = input.read(&mut buffer)?;
        if n == 0 {
            return Ok(context.finish().as_ref().to_hex());
        }
        context.update(buffer.get(..n).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_an_empty_file() {
        let sum = Checksum::sha1(b"");
        assert_eq!(sum.as_str(), "Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=");
        assert_eq!(sum.short(), "da39a3ee");
        assert!(sum.fits(b"") && !sum.fits(b"x"));
        assert_eq!(Checksum::parse(sum.as_str()), Some(sum));
        let long = Checksum::parse("Q247DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").unwrap();
        assert!(long.fits(b"") && !long.fits(b"x"));
        assert!(sha256_hex(&b""[..]).unwrap().starts_with("e3b0c442"));
        for bad in [
            "",
            "Q1",
            "Q3xx",
            "Q12jmj7l5rSw0yVb/vlWAYkK/YBwk",
            "Q1ä",
            "Q2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        ] {
            assert_eq!(Checksum::parse(bad), None, "{bad}");
        }
    }
}
