//! Debian and Ubuntu archives: signatures, indexes, dependency resolution, bootstrap.
//!
//! A release is bootstrapped without debootstrap and without root: `InRelease` is fetched and verified, `Packages`
//! read, the packages of a variant chosen, fetched, unpacked by our own confined writer and configured by dpkg in
//! the container. From the pure to the practical: [`deb822`], [`version`], [`relation`], [`release`], [`packages`],
//! [`resolve`], [`sources`], [`mirror`], [`verify`],
//! [`store`], [`acquire`], [`deb`], [`unpack`], [`install`].
//! What follows is done by apt in the container; [`apt_files`] has its configuration, [`fingerprint`] checks keys.

pub mod acquire;
pub mod apt_conf;
pub mod apt_files;
pub mod bootstrap;
pub mod choice;
pub mod deb;
pub mod deb822;
pub mod features;
pub mod fingerprint;
pub mod install;
pub mod keys;
pub mod lists;
pub mod local;
pub mod mirror;
pub mod packages;
pub mod relation;
pub mod release;
pub mod resolve;
pub mod sources;
pub mod store;
pub mod system;
pub mod unpack;
pub mod variant;
pub mod verify;
pub mod version;

use std::path::Path;

/// Why a bootstrap fails: one line and, if there is one, a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub message: String,
    pub hint: Option<String>,
}

impl Error {
    /// An error without a remedy.
    pub fn new(message: impl Into<String>) -> Error {
        Error {
            message: message.into(),
            hint: None,
        }
    }

    /// `what PATH: why`.
    pub fn io(what: &str, path: &Path, why: &std::io::Error) -> Error {
        Error::new(format!("{what} {}: {why}", path.display()))
    }

    /// The same with a remedy for the user.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// The same with what it is about in front.
    pub fn context(mut self, what: &str) -> Error {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
