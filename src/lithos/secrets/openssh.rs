//! Key files of OpenSSH: the line of a `.pub` file (sshd(8), AUTHORIZED_KEYS) and the `openssh-key-v1` format of private
//! keys (PROTOCOL.key in its sources). Only ed25519, only unencrypted; several private keys may follow one another.
//!
//! ```text
//! "openssh-key-v1\0" cipher kdf kdf-options u32:keys public…  private-part
//! private-part = u32:check u32:check  type public(32) private(64 = seed ‖ public) comment  1 2 3 …
//! strings are u32:length bytes, big endian
//! ```

use std::fmt;

use zeroize::Zeroizing;

use super::base64;
use super::key::{PrivateKey, PublicKey};

const TYPE: &str = "ssh-ed25519";
const MAGIC: &[u8] = b"openssh-key-v1\0";
const BEGIN: &str = "-----BEGIN ";
const OPENSSH: &str = "OPENSSH PRIVATE KEY-----";
const END: &str = "-----END ";

/// Why a key file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadKey {
    /// There is nothing that looks like a key.
    NoKey,
    /// Another kind of key, by its name.
    Kind(String),
    /// A password protects it.
    Encrypted,
    /// The text or the bytes are damaged; what is wrong.
    Damaged(&'static str),
    /// The n-th key of the file (from 1) is refused.
    Number(usize, Box<BadKey>),
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadKey::NoKey => write!(f, "no key of OpenSSH in it"),
            BadKey::Kind(kind) => write!(
                f,
                "a {kind} key cannot be used: make one with `ssh-keygen -t ed25519`"
            ),
            BadKey::Encrypted => write!(
                f,
                "a password protects the key: remove it with `ssh-keygen -p -N ''`"
            ),
            BadKey::Damaged(what) => write!(f, "the key is damaged: {what}"),
            BadKey::Number(n, bad) => write!(f, "key {n}: {bad}"),
        }
    }
}

impl std::error::Error for BadKey {}

/// The key of the first line of a `.pub` file.
pub fn public(text: &str) -> Result<PublicKey, BadKey> {
    let mut words = text.lines().next().unwrap_or_default().split_ascii_whitespace();
    let (Some(kind), Some(body)) = (words.next(), words.next()) else {
        return Err(BadKey::NoKey);
    };
    match kind {
        TYPE => public_blob(&base64::decode(body).ok_or(BadKey::Damaged("it is not base64"))?),
        kind if kind.starts_with("ssh-") || kind.contains("sha2") => Err(BadKey::Kind(kind.to_string())),
        _ => Err(BadKey::NoKey),
    }
}

/// All keys of a private key file, at least one.
pub fn private(text: &str) -> Result<Vec<PrivateKey>, BadKey> {
    let blocks = blocks(text)?;
    let several = blocks.len() > 1;
    let key = |(i, block): (usize, &Zeroizing<Vec<u8>>)| {
        private_block(block).map_err(|bad| match several {
            true => BadKey::Number(i + 1, Box::new(bad)),
            false => bad,
        })
    };
    blocks.iter().enumerate().map(key).collect()
}

/// The bytes between the lines BEGIN and END. Text around them is skipped, as PEM allows (RFC 7468 §2).
fn blocks(text: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, BadKey> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(BEGIN) else {
            continue;
        };
        if label != OPENSSH {
            return Err(BadKey::Kind(label.trim_end_matches('-').to_string()));
        }
        let mut body = Zeroizing::new(String::with_capacity(text.len()));
        loop {
            match lines.next() {
                Some(line) if line.starts_with(END) => break,
                Some(line) => body.push_str(line),
                None => return Err(BadKey::Damaged("its END line is missing")),
            }
        }
        found.push(base64::decode(&body).ok_or(BadKey::Damaged("it is not base64"))?);
    }
    match found.is_empty() {
        true => Err(BadKey::NoKey),
        false => Ok(found),
    }
}

fn private_block(bytes: &[u8]) -> Result<PrivateKey, BadKey> {
    let mut reader = Reader(
        bytes
            .strip_prefix(MAGIC)
            .ok_or(BadKey::Damaged("not openssh-key-v1"))?,
    );
    let (cipher, kdf, _options) = (reader.string()?, reader.string()?, reader.string()?);
    if cipher != b"none" || kdf != b"none" {
        return Err(BadKey::Encrypted);
    }
    if reader.number()? != 1 {
        return Err(BadKey::Damaged("it does not hold one key"));
    }
    reader.string()?;
    let mut private = Reader(reader.string()?);
    if private.number()? != private.number()? {
        return Err(BadKey::Damaged("its check numbers differ"));
    }
    kind(private.string()?)?;
    let public: [u8; 32] = sized(private.string()?)?;
    let both = Zeroizing::new(sized::<64>(private.string()?)?);
    let mut seed = Zeroizing::new([0; 32]);
    seed.iter_mut()
        .zip(both.iter())
        .for_each(|(to, from)| *to = *from);
    let key = PrivateKey::from_seed(&seed).ok_or(BadKey::Damaged("it is no point of the curve"))?;
    match key.public().ed25519() == &public && both.ends_with(&public) {
        true => Ok(key),
        false => Err(BadKey::Damaged("its halves do not belong together")),
    }
}

fn public_blob(bytes: &[u8]) -> Result<PublicKey, BadKey> {
    let mut reader = Reader(bytes);
    kind(reader.string()?)?;
    let key = sized(reader.string()?)?;
    if !reader.0.is_empty() {
        return Err(BadKey::Damaged("something follows it"));
    }
    PublicKey::new(key).ok_or(BadKey::Damaged("it is no point of the curve"))
}

fn kind(name: &[u8]) -> Result<(), BadKey> {
    match name == TYPE.as_bytes() {
        true => Ok(()),
        false => Err(BadKey::Kind(String::from_utf8_lossy(name).into_owned())),
    }
}

fn sized<const N: usize>(bytes: &[u8]) -> Result<[u8; N], BadKey> {
    bytes
        .try_into()
        .map_err(|_| BadKey::Damaged("its length is wrong"))
}

const SHORT: BadKey = BadKey::Damaged("it ends too early");

/// What remains of the bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], BadKey> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self) -> Result<u32, BadKey> {
        sized(self.take(4)?).map(u32::from_be_bytes)
    }

    fn string(&mut self) -> Result<&'a [u8], BadKey> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| SHORT)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{seed, OTHER_PRIVATE, PRIVATE, PUBLIC};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_of_ssh_keygen() {
        let expected = PrivateKey::from_seed(&seed()).unwrap();
        assert_eq!(public(PUBLIC).unwrap(), *expected.public());
        let keys = private(PRIVATE).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].public(), expected.public());
    }

    #[test]
    fn all_keys_of_a_file_are_read() {
        let text = format!("# first\n{OTHER_PRIVATE}\n\n{PRIVATE}");
        let keys = private(&text).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(*keys[1].public(), public(PUBLIC).unwrap());
        let cut = text.replace("QyNTUxOQAAACADoQe", "QyNTUxOQAAACADoQf");
        assert!(
            matches!(private(&cut), Err(BadKey::Number(2, _))),
            "{:?}",
            private(&cut)
        );
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        for (text, part) in [
            ("", "no key"),
            ("ssh-rsa AAAAB3NzaC1yc2E x", "ssh-rsa key cannot"),
            ("ecdsa-sha2-nistp256 AAAA x", "cannot be used"),
            ("ssh-ed25519 AAAA!", "not base64"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "too early"),
            ("hello world", "no key"),
        ] {
            let error = public(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        for (text, part) in [
            ("", "no key"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
                "RSA PRIVATE KEY key cannot",
            ),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", "END line"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END X-----",
                "openssh-key-v1",
            ),
        ] {
            let error = private(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_named() {
        let mut bytes = MAGIC.to_vec();
        for part in [&b"aes256-ctr"[..], b"bcrypt", b""] {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(part);
        }
        assert_eq!(private_block(&bytes).unwrap_err(), BadKey::Encrypted);
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(cut in 0usize..300, at in 0usize..300, value: u8) {
            let mut bytes = blocks(PRIVATE).unwrap().remove(0).to_vec();
            if let Some(byte) = bytes.get_mut(at) { *byte = value; }
            bytes.truncate(cut);
            let _ = private_block(&bytes);
            let _ = public_blob(&bytes);
        }
    }
}
