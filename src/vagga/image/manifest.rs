//! The manifest of a packed image: which container and version an archive is, and its digest. Signed by a trusted key
//! it is what makes an archive from elsewhere acceptable. Without the name and the version in it, a good archive could
//! be served in the place of another one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::vagga::debian::verify::{verify, Keyring, Verifier};

/// First line.
const TITLE: &str = "vagga image 1";
/// Bytes of a signed manifest, at most.
pub const MANIFEST_MAX: u64 = 64 << 10;
/// What is appended to the address of an archive for its signed manifest.
pub const SUFFIX: &str = ".asc";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the container.
    pub container: String,
    /// The 8 hex digits of its version.
    pub short_hash: String,
    /// SHA-256 of the archive, 64 lower-case hex digits.
    pub sha256: String,
    /// Bytes of the archive.
    pub size: u64,
}

impl Manifest {
    /// As text.
    pub fn text(&self) -> String {
        format!(
            "{TITLE}\ncontainer: {}\nversion: {}\nsha256: {}\nsize: {}\n",
            self.container, self.short_hash, self.sha256, self.size
        )
    }

    /// Reads the text. Errors: one line.
    pub fn parse(text: &[u8]) -> Result<Manifest, String> {
        let text = std::str::from_utf8(text).map_err(|_| "the manifest is not text")?;
        let mut lines = text.lines().map(str::trim_end);
        if lines.next() != Some(TITLE) {
            return Err(format!("the manifest does not begin with {TITLE:?}"));
        }
        let mut field = |name: &str| {
            let value = lines
                .next()
                .and_then(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value
                .map(String::from)
                .ok_or_else(|| format!("the manifest lacks {name:?}"))
        };
        Ok(Manifest {
            container: field("container")?,
            short_hash: field("version")?,
            sha256: field("sha256")?,
            size: field("size")?
                .parse()
                .map_err(|_| "the manifest has a bad size")?,
        })
    }

    /// The manifest in the signed message `file`, if a key of `keyring` has signed it. `scratch` is a directory for
    /// temporary files.
    pub fn signed(file: &Path, keyring: PathBuf, path: &OsStr, scratch: &Path) -> Result<Manifest, String> {
        let verifier = Verifier::find(path)
            .ok_or("signatures cannot be verified: install gpgv (or sqv) on this host")?;
        if !keyring.is_file() {
            return Err(format!("the keyring {keyring:?} is missing"));
        }
        let text = verify(&verifier, &Keyring::Files(vec![keyring]), file, scratch)
            .map_err(|e| format!("the signed manifest is not accepted: {e}"))?;
        Manifest::parse(&text)
    }

    /// Refuses what is signed, but is not what was asked for.
    pub fn check(&self, container: &str, short_hash: &str) -> Result<(), String> {
        match self.container == container && self.short_hash == short_hash {
            true => Ok(()),
            false => Err(format!(
                "the signed manifest is that of {}.{}, not of {container}.{short_hash}",
                self.container, self.short_hash
            )),
        }
    }
}

/// The address of the signed manifest of an archive: the suffix belongs to the path, not to a query behind it.
pub fn address(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (path, query) = url.split_at_checked(end).unwrap_or((url, ""));
    format!("{path}{SUFFIX}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_come_back_from_their_text() {
        let m = Manifest {
            container: "py 3".into(),
            short_hash: "0123abcd".into(),
            sha256: "ab".repeat(32),
            size: 17,
        };
        assert_eq!(Manifest::parse(m.text().as_bytes()), Ok(m.clone()));
        assert_eq!(
            Manifest::parse(m.text().replace('\n', "\r\n").as_bytes()),
            Ok(m.clone())
        );
        assert_eq!(m.check("py 3", "0123abcd"), Ok(()));
        assert!(m
            .check("py 3", "0123abce")
            .unwrap_err()
            .contains("is that of py 3.0123abcd"));
        for (bad, part) in [
            ("", "does not begin"),
            ("vagga image 1\n", "lacks \"container\""),
            (
                "vagga image 1\ncontainer: a\nversion: b\nsha256: c\nsize: x\n",
                "bad size",
            ),
        ] {
            assert!(
                Manifest::parse(bad.as_bytes()).unwrap_err().contains(part),
                "{bad}"
            );
        }
    }

    #[test]
    fn suffix_goes_before_the_query() {
        for (url, expected) in [
            ("./a.tar", "./a.tar.asc"),
            ("https://h/a.tar?token=1", "https://h/a.tar.asc?token=1"),
        ] {
            assert_eq!(address(url), expected);
        }
    }
}
