//! One secret as text, `v2:KEYHASH:NSHASH:SECRETHASH:PAYLOAD`, made and opened.
//!
//! Each hash is BLAKE2b with an output of 6 bytes; the payload is a sealed box of libsodium (`crypto_box_seal`):
//!
//! ```text
//! ephemeral public key (32) ‖ Poly1305 tag (16) ‖ XSalsa20 of NAMESPACE ":" SECRET
//! nonce = BLAKE2b-24(ephemeral public ‖ recipient's public on curve25519)
//! ```

use std::fmt;
use std::io;

use blake2::digest::consts::{U24, U6};
use blake2::digest::Digest;
use blake2::Blake2b;
use crypto_box::aead::Aead;
use crypto_box::SalsaBox;
use zeroize::Zeroizing;

use super::base64;
use super::key::{PrivateKey, PublicKey};
use crate::sys::random;

const VERSION: &str = "v2";

/// Why a secret cannot be opened with a key. Never shows what is inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Not five fields.
    Form,
    /// Another version.
    Version(String),
    /// The payload is not base64.
    Base64,
    /// The payload is shorter than an empty secret's.
    Short,
    /// Encrypted for the key with this hash.
    OtherKey(String),
    /// The payload does not fit the key: changed on the way.
    Tampered,
    /// What is inside has no namespace.
    NoNamespace,
    /// A hash does not fit what is inside: of the namespace, or of the secret.
    Hash(&'static str),
    /// The namespace of the secret is not among those allowed.
    Namespace(String),
    /// There is a zero byte in it, or it is not UTF-8.
    Text,
    /// There is no key to try, or no value.
    Nothing,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Form => write!(f, "not of the form v2:KEYHASH:NSHASH:SECRETHASH:PAYLOAD"),
            Reason::Version(version) => {
                write!(f, "version {version:?} of the format is not supported, only v2")
            }
            Reason::Base64 => write!(f, "the payload is not base64"),
            Reason::Short => write!(f, "the payload is too short"),
            Reason::OtherKey(hash) => write!(f, "it is encrypted for another key, {hash}"),
            Reason::Tampered => write!(f, "the payload cannot be decrypted: it was changed"),
            Reason::NoNamespace => write!(f, "there is no namespace inside"),
            Reason::Hash(of) => write!(f, "the hash of the {of} does not fit"),
            Reason::Namespace(name) => write!(f, "its namespace {name:?} is not allowed here"),
            Reason::Text => write!(f, "it holds a zero byte or is not UTF-8"),
            Reason::Nothing => write!(f, "there is no value or no key to try"),
        }
    }
}

impl std::error::Error for Reason {}

/// An opened secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// Namespace it was encrypted for.
    pub namespace: String,
    /// The secret itself.
    pub secret: Zeroizing<String>,
}

/// The fields of the text. Nothing is decrypted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    key_hash: &'a str,
    namespace_hash: &'a str,
    secret_hash: &'a str,
    payload: &'a str,
}

impl<'a> Sealed<'a> {
    /// Splits the text.
    pub fn parse(text: &'a str) -> Result<Sealed<'a>, Reason> {
        let mut fields = text.split(':');
        let version = fields.next().unwrap_or_default();
        let parts = [
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ];
        match parts {
            _ if version != VERSION && parts.iter().any(Option::is_some) => {
                Err(Reason::Version(version.to_string()))
            }
            [Some(key_hash), Some(namespace_hash), Some(secret_hash), Some(payload), None] => Ok(Sealed {
                key_hash,
                namespace_hash,
                secret_hash,
                payload,
            }),
            _ => Err(Reason::Form),
        }
    }

    /// True when it says that it was encrypted with this key.
    pub fn is_for(&self, key: &PublicKey) -> bool {
        self.key_hash == hash(key.ed25519())
    }

    /// Decrypts and compares all hashes.
    pub fn open(&self, key: &PrivateKey) -> Result<Opened, Reason> {
        if !self.is_for(key.public()) {
            return Err(Reason::OtherKey(self.key_hash.to_string()));
        }
        let payload = base64::decode(self.payload).ok_or(Reason::Base64)?;
        let plain = unseal(key, &payload)?;
        let colon = plain.iter().position(|b| *b == b':').ok_or(Reason::NoNamespace)?;
        let (namespace, rest) = plain.split_at(colon);
        let secret = rest.strip_prefix(b":").unwrap_or_default();
        if hash(namespace) != self.namespace_hash {
            return Err(Reason::Hash("namespace"));
        }
        if hash(secret) != self.secret_hash {
            return Err(Reason::Hash("secret"));
        }
        Ok(Opened {
            namespace: text(namespace)?,
            secret: Zeroizing::new(text(secret)?),
        })
    }
}

/// What can be put into an environment.
fn text(bytes: &[u8]) -> Result<String, Reason> {
    let text = std::str::from_utf8(bytes).map_err(|_| Reason::Text)?;
    match text.contains('\0') {
        true => Err(Reason::Text),
        false => Ok(text.to_string()),
    }
}

/// Encrypts a secret for the owner of a key. The namespace may not hold a colon.
///
/// Errors: the kernel gives no random bytes.
pub fn seal(key: &PublicKey, namespace: &str, secret: &str) -> io::Result<String> {
    let ephemeral = Zeroizing::new(random::bytes()?);
    seal_with(&ephemeral, key, namespace, secret)
}

fn seal_with(ephemeral: &[u8; 32], key: &PublicKey, namespace: &str, secret: &str) -> io::Result<String> {
    let plain = Zeroizing::new([namespace, ":", secret].concat());
    let ephemeral = crypto_box::SecretKey::from_bytes(*ephemeral);
    let sender = ephemeral.public_key();
    let recipient = key.montgomery();
    let nonce = nonce(&sender, &recipient);
    let boxed = SalsaBox::new(&recipient, &ephemeral).encrypt(&nonce, plain.as_bytes());
    let boxed = boxed.map_err(|_| io::Error::other("the secret is too long"))?;
    let payload = [sender.as_bytes(), boxed.as_slice()].concat();
    let hashes = [
        hash(key.ed25519()),
        hash(namespace.as_bytes()),
        hash(secret.as_bytes()),
    ];
    Ok(format!(
        "{VERSION}:{}:{}",
        hashes.join(":"),
        base64::encode(&payload)
    ))
}

fn unseal(key: &PrivateKey, payload: &[u8]) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let (sender, boxed) = payload.split_first_chunk::<32>().ok_or(Reason::Short)?;
    if boxed.len() < 16 {
        return Err(Reason::Short);
    }
    let sender = crypto_box::PublicKey::from(*sender);
    let secret = key.montgomery();
    let nonce = nonce(&sender, &key.public().montgomery());
    let plain = SalsaBox::new(&sender, &secret).decrypt(&nonce, boxed);
    plain.map(Zeroizing::new).map_err(|_| Reason::Tampered)
}

fn nonce(sender: &crypto_box::PublicKey, recipient: &crypto_box::PublicKey) -> crypto_box::Nonce {
    let digest = Blake2b::<U24>::new_with_prefix(sender.as_bytes());
    digest.chain_update(recipient.as_bytes()).finalize()
}

/// The 8 characters for these bytes.
pub fn hash(bytes: &[u8]) -> String {
    base64::encode(&Blake2b::<U6>::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{seed, SECRET};
    use super::*;
    use proptest::prelude::*;

    fn key() -> PrivateKey {
        PrivateKey::from_seed(&seed()).unwrap()
    }

    fn open(text: &str) -> Result<String, Reason> {
        let opened = Sealed::parse(text)?.open(&key())?;
        Ok(format!("{}:{}", opened.namespace, *opened.secret))
    }

    #[test]
    fn the_vector_of_the_format() {
        assert_eq!(
            seal_with(&[0x42; 32], key().public(), "myapp", "the_secret").unwrap(),
            SECRET
        );
        assert_eq!(open(SECRET).unwrap(), "myapp:the_secret");
        let sender = crypto_box::SecretKey::from_bytes([0x42; 32]).public_key();
        let nonce = nonce(&sender, &key().public().montgomery());
        assert_eq!(
            super::super::samples::hex(&nonce),
            "90fd3d52e98cea51013361e8a592b875f7571ba78ffbe7d3"
        );
    }

    #[test]
    fn hashes_of_the_format() {
        for (text, expected) in [
            ("", "3dnEB2f5"),
            ("secret", "sqwiyZzP"),
            ("project1.web", "+bugJAOV"),
            ("hunter2", "k1kWrosK"),
        ] {
            assert_eq!(hash(text.as_bytes()), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let fields: Vec<&str> = SECRET.split(':').collect();
        let with = |at: usize, text: &str| {
            let mut fields = fields.clone();
            fields[at] = text;
            open(&fields.join(":")).unwrap_err()
        };
        assert_eq!(with(0, "v1"), Reason::Version("v1".into()));
        assert_eq!(with(1, "AAAAAAAA"), Reason::OtherKey("AAAAAAAA".into()));
        assert_eq!(with(2, "AAAAAAAA"), Reason::Hash("namespace"));
        assert_eq!(with(3, "AAAAAAAA"), Reason::Hash("secret"));
        assert_eq!(with(4, "AAAA"), Reason::Short);
        assert_eq!(with(4, "A"), Reason::Base64);
        assert_eq!(with(4, &base64::encode(&[7; 60])), Reason::Tampered);
        assert_eq!(open(&fields[..4].join(":")).unwrap_err(), Reason::Form);
        assert_eq!(open(&format!("{SECRET}:x")).unwrap_err(), Reason::Form);
        assert_eq!(open("").unwrap_err(), Reason::Form);
    }

    #[test]
    fn secrets_that_no_environment_can_hold_are_refused() {
        let text = seal_with(&[1; 32], key().public(), "a", "b\0c").unwrap();
        assert_eq!(open(&text).unwrap_err(), Reason::Text);
    }

    #[test]
    fn a_secret_may_hold_colons() {
        let text = seal(key().public(), "", "a:b").unwrap();
        assert_eq!(open(&text).unwrap(), ":a:b");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_changed_payload_never_opens(at in 0usize..91, bit in 0u8..8) {
            let fields: Vec<&str> = SECRET.split(':').collect();
            let mut payload = base64::decode(fields[4]).unwrap().to_vec();
            let at = at % payload.len();
            payload[at] ^= 1 << bit;
            let text = [&fields[..4].join(":"), ":", &base64::encode(&payload)].concat();
            // The highest bit of a curve25519 key does not count (RFC 7748 §5), but it does in the nonce.
            prop_assert_eq!(open(&text).unwrap_err(), Reason::Tampered);
        }

        #[test]
        fn never_panics(text in "(v2:)?[a-zA-Z0-9+/=:]{0,90}") {
            let _ = open(&text);
        }
    }
}
