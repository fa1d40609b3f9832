//! Secrets in configuration files: texts that only the owner of an ed25519 key can open, tied to a namespace.
//!
//! Nothing in this room logs or prints; reasons of failures never show what a secret holds. Keys and plain texts are
//! wiped from memory when dropped; copies that the kernel or an environment holds are not ours.

mod base64;
pub mod file;
pub mod key;
pub mod openssh;
#[cfg(test)]
pub mod samples;
pub mod sealed;

use zeroize::Zeroizing;

pub use key::{PrivateKey, PublicKey};
pub use sealed::{seal, Opened, Reason, Sealed};

/// Opens one value with the first key that fits, if its namespace is among `namespaces` (compared exactly).
///
/// Errors: why no key opens it; when a key fits, what is wrong then.
pub fn open_all(keys: &[PrivateKey], value: &str, namespaces: &[&str]) -> Result<Zeroizing<String>, Reason> {
    let sealed = Sealed::parse(value)?;
    let mut reason = Reason::Nothing;
    for key in keys {
        match sealed.open(key) {
            Ok(opened) if namespaces.contains(&opened.namespace.as_str()) => return Ok(opened.secret),
            Ok(opened) => return Err(Reason::Namespace(opened.namespace)),
            Err(e) if matches!(reason, Reason::Nothing | Reason::OtherKey(_)) => reason = e,
            Err(_) => {}
        }
    }
    Err(reason)
}

/// Opens the first of several values that can be opened: each may be for another key or namespace.
///
/// Errors: the reasons, one for each value, in order.
pub fn open_any(
    keys: &[PrivateKey],
    values: &[&str],
    namespaces: &[&str],
) -> Result<Zeroizing<String>, Vec<Reason>> {
    let mut reasons = Vec::new();
    for value in values {
        match open_all(keys, value, namespaces) {
            Ok(secret) => return Ok(secret),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons)
}

#[cfg(test)]
mod tests {
    use super::samples::{OTHER_PRIVATE, PRIVATE, SECRET};
    use super::*;

    fn keys() -> Vec<PrivateKey> {
        openssh::private(&[OTHER_PRIVATE, PRIVATE].concat()).unwrap()
    }

    #[test]
    fn every_key_is_tried() {
        assert_eq!(
            open_all(&keys(), SECRET, &["", "myapp"]).unwrap().as_str(),
            "the_secret"
        );
        assert!(matches!(
            open_all(&keys()[..1], SECRET, &["myapp"]),
            Err(Reason::OtherKey(_))
        ));
        assert_eq!(open_all(&[], SECRET, &["myapp"]), Err(Reason::Nothing));
    }

    #[test]
    fn the_namespace_must_be_allowed() {
        assert_eq!(
            open_all(&keys(), SECRET, &["", "my"]),
            Err(Reason::Namespace("myapp".into()))
        );
        assert_eq!(
            open_all(&keys(), SECRET, &[]),
            Err(Reason::Namespace("myapp".into()))
        );
    }

    #[test]
    fn the_first_value_that_opens_is_used() {
        let other = seal(keys()[0].public(), "myapp", "old").unwrap();
        let mine = &keys()[1..];
        assert_eq!(
            open_any(mine, &[&other, SECRET], &["myapp"]).unwrap().as_str(),
            "the_secret"
        );
        let reasons = open_any(mine, &[&other, "v1:x"], &["myapp"]).unwrap_err();
        assert!(
            matches!(&reasons[..], [Reason::OtherKey(_), Reason::Version(_)]),
            "{reasons:?}"
        );
        assert_eq!(open_any(mine, &[], &["myapp"]).unwrap_err(), []);
    }
}
