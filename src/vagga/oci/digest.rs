//! Digests as OCI writes them: `sha256:` and 64 lower-case hexadecimal digits.

use std::fmt;
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::OciError;
use crate::vagga::fetch::digest::{hex, sha256_of};

const ALGORITHM: &str = "sha256:";
const DIGITS: usize = 64;

/// A SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Reads `sha256:HEX`. Errors: another algorithm, or digits that are not right.
    pub fn parse(text: &str) -> Result<Digest, OciError> {
        let digits = text.strip_prefix(ALGORITHM).ok_or_else(|| {
            OciError::new(format!(
                "digest {text:?} is not of the only kind known here, sha256:…"
            ))
        })?;
        let sound = digits.len() == DIGITS && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        match sound {
            true => Ok(Digest(digits.to_owned())),
            false => Err(OciError::new(format!(
                "digest {text:?} does not have 64 lower-case hexadecimal digits"
            ))),
        }
    }

    /// Digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(hex(&Sha256::digest(bytes)))
    }

    /// Digest of a file.
    pub fn of_file(path: &Path) -> io::Result<Digest> {
        sha256_of(path).map(Digest)
    }

    /// A digest that has been computed.
    pub fn from_hash(hash: Sha256) -> Digest {
        Digest(hex(&hash.finalize()))
    }

    /// The 64 digits alone.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// Compares what was expected with what is there; `what` for the message.
    pub fn check(&self, actual: &Digest, what: &str) -> Result<(), OciError> {
        match self == actual {
            true => Ok(()),
            false => Err(OciError::new(format!(
                "{what}: digest mismatch: expected {self} but was {actual}"
            ))),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_digests_of_one_kind() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(Digest::parse(&good).unwrap().to_string(), good);
        for bad in [
            "",
            "sha256:",
            "0a",
            &good[..70],
            &good.to_uppercase(),
            &good.replace("0a", "zz"),
            "sha512:00",
            "sha256:../../../../etc/passwd",
        ] {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mismatch_names_both() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert!(a.check(&a, "x").is_ok());
        let error = a.check(&b, "layer 1").unwrap_err().message;
        assert!(error.contains("layer 1") && error.contains(a.hex()) && error.contains(b.hex()));
    }
}
