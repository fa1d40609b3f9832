//! Public keys and signatures of repositories: RSA PKCS#1 v1.5 over SHA-1, SHA-256 or SHA-512 of the signed bytes.
//!
//! A signature names its key by file name (`.SIGN.RSA.<key>`, apk-package(5)); only keys that were given, found in the
//! image's `/etc/apk/keys` or shipped with us for the architecture are believed.

use std::collections::BTreeMap;
use std::path::Path;

use ring::signature::{self, RsaParameters, UnparsedPublicKey};
use rustc_serialize::base64::FromBase64;

use super::shipped_keys;

/// Largest key file read, in bytes.
pub const MAX_KEY: u64 = 64 << 10;

/// The keys that are trusted, by the name signatures use.
#[derive(Debug, Default, Clone)]
pub struct Keys(BTreeMap<String, Vec<u8>>);

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    Unsigned,
    /// None by a known key; the names of the keys that signed.
    UnknownKey(Vec<String>),
    /// The signature by this key does not fit the bytes.
    Bad(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Unsigned => f.write_str("it is not signed"),
            Refusal::UnknownKey(names) => {
                write!(f, "it is signed by {}, which is not trusted", names.join(", "))
            }
            Refusal::Bad(name) => write!(f, "the signature by {name} is wrong"),
        }
    }
}

/// One signature file of a signature part: `(name, content)`.
pub type Signature = (String, Vec<u8>);

impl Keys {
    /// The keys of the distribution for an architecture.
    pub fn shipped(arch: &str) -> Keys {
        let mut keys = Keys::default();
        for (name, arches, pem) in shipped_keys::KEYS {
            if arches.contains(&arch) {
                // A test sees to it that all of them can be read.
                let _ = keys.add(name, pem);
            }
        }
        keys
    }

    /// Adds a key in PEM. The name is that of its file, e.g. `me-5f3c.rsa.pub`.
    ///
    /// Errors: no RSA key.
    pub fn add(&mut self, name: &str, pem: &str) -> Result<(), String> {
        let key = from_pem(pem).ok_or_else(|| format!("{name:?} is not an RSA public key in PEM"))?;
        self.0.insert(name.to_string(), key);
        Ok(())
    }

    /// Reads a key file, or all `*.pub` files of a directory; returns their names and contents.
    ///
    /// Errors: a file that cannot be read or is no key, a directory without any.
    pub fn add_path(&mut self, path: &Path) -> Result<Vec<(String, String)>, String> {
        let bad = |e: std::io::Error| format!("cannot read key {}: {e}", path.display());
        let mut files = vec![path.to_path_buf()];
        if path.is_dir() {
            let entries: Result<Vec<_>, _> = std::fs::read_dir(path).map_err(bad)?.collect();
            files = entries.map_err(bad)?.into_iter().map(|e| e.path()).collect();
            files.retain(|f| f.extension().is_some_and(|e| e == "pub"));
            files.sort();
        }
        if files.is_empty() {
            return Err(format!("{} has no file that ends in .pub", path.display()));
        }
        let mut read = Vec::new();
        for file in files {
            let pem = std::fs::read_to_string(&file)
                .map_err(|e| format!("cannot read key {}: {e}", file.display()))?;
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            self.add(&name, &pem)?;
            read.push((name, pem));
        }
        Ok(read)
    }

    /// Adds all keys of `other`.
    pub fn extend(&mut self, other: &Keys) {
        self.0
            .extend(other.0.iter().map(|(name, key)| (name.clone(), key.clone())));
    }

    /// Checks the signatures of `signed`: one by a known key must be there, and none by a known key may be wrong.
    pub fn verify(&self, signatures: &[Signature], signed: &[u8]) -> Result<(), Refusal> {
        let mut unknown = Vec::new();
        let mut good = false;
        for (file, bytes) in signatures {
            let Some((parameters, name)) = parse_name(file) else {
                continue;
            };
            match self.0.get(name) {
                None => unknown.push(name.to_string()),
                Some(key) => {
                    UnparsedPublicKey::new(parameters, key)
                        .verify(signed, bytes)
                        .map_err(|_| Refusal::Bad(name.to_string()))?;
                    good = true;
                }
            }
        }
        match (good, unknown.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => Err(Refusal::Unsigned),
            (false, false) => Err(Refusal::UnknownKey(unknown)),
        }
    }
}

/// Algorithm and key of `.SIGN.RSA.<key>`, `.SIGN.RSA256.<key>`, `.SIGN.RSA512.<key>`; others are not for us.
fn parse_name(file: &str) -> Option<(&'static RsaParameters, &str)> {
    let rest = file.strip_prefix(".SIGN.")?;
    let (algorithm, name) = rest.split_once('.')?;
    let parameters = match algorithm {
        "RSA" => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        "RSA256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RSA512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    };
    Some((parameters, name))
}

/// OID 1.2.840.113549.1.1.1 (rsaEncryption) with NULL parameters, as an AlgorithmIdentifier (RFC 3279 §2.3.1).
const RSA_ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// The RSAPublicKey (RFC 8017 A.1.1) inside a `PUBLIC KEY` (RFC 7468 §13) or `RSA PUBLIC KEY`.
fn from_pem(pem: &str) -> Option<Vec<u8>> {
    let (label, rest) = pem.split_once("-----BEGIN ")?.1.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let der = body
        .split_ascii_whitespace()
        .collect::<String>()
        .from_base64()
        .ok()?;
    match label {
        "RSA PUBLIC KEY" => Some(der),
        "PUBLIC KEY" => {
            let (info, _) = der_value(&der, 0x30)?;
            let bits = info.strip_prefix(&RSA_ALGORITHM)?;
            let (key, _) = der_value(bits, 0x03)?;
            // The first byte of a bit string counts unused bits.
            Some(key.strip_prefix(&[0])?.to_vec())
        }
        _ => None,
    }
}

/// Content and rest of a DER element (X.690 §8.1) with this tag.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (_, rest) = der.split_first().filter(|(first, _)| **first == tag)?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |n, b| (n << 8) | usize::from(*b)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustc_serialize::hex::FromHex;

    /// A 1024-bit key and its signatures of `hello`, made with openssl.
    const PEM: &str = include_str!("tests/key.rsa.pub");
    const SHA1: &str = include_str!("tests/hello.sha1.hex");

    #[test]
    fn signatures_are_checked() {
        let mut keys = Keys::default();
        keys.add("k.rsa.pub", PEM).unwrap();
        let good = (".SIGN.RSA.k.rsa.pub".to_string(), SHA1.trim().from_hex().unwrap());
        assert_eq!(keys.verify(std::slice::from_ref(&good), b"hello"), Ok(()));
        assert_eq!(
            keys.verify(std::slice::from_ref(&good), b"hallo"),
            Err(Refusal::Bad("k.rsa.pub".into()))
        );
        let other = (".SIGN.RSA.x".to_string(), good.1.clone());
        assert_eq!(keys.verify(&[other.clone(), good.clone()], b"hello"), Ok(()));
        assert_eq!(
            keys.verify(&[other], b"hello"),
            Err(Refusal::UnknownKey(vec!["x".into()]))
        );
        let wrong = (".SIGN.RSA256.k.rsa.pub".to_string(), good.1.clone());
        assert_eq!(
            keys.verify(&[wrong], b"hello"),
            Err(Refusal::Bad("k.rsa.pub".into()))
        );
        let strange = (".SIGN.DSA.k.rsa.pub".to_string(), good.1);
        assert_eq!(keys.verify(&[strange], b"hello"), Err(Refusal::Unsigned));
        assert_eq!(keys.verify(&[], b"hello"), Err(Refusal::Unsigned));
    }

    #[test]
    fn all_shipped_keys_are_read() {
        for (name, arches, pem) in shipped_keys::KEYS {
            assert!(!arches.is_empty() && from_pem(pem).is_some(), "{name}");
        }
        assert_eq!(Keys::shipped("x86_64").0.len(), 3);
        assert_eq!(Keys::shipped("vax").0.len(), 0);
    }

    #[test]
    fn broken_keys_are_refused() {
        for pem in [
            "",
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nMP8=\n-----END PUBLIC KEY-----",
            "-----BEGIN X-----\nMAA=\n-----END X-----",
        ] {
            assert!(Keys::default().add("k", pem).is_err(), "{pem}");
        }
    }
}
