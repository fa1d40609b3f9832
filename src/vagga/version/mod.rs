//! The version hash of a container: BLAKE2b-512 over the encoded steps and the files they read.
//!
//! The byte encoding is fixed (it is what makes images portable between implementations):
//! `COMMAND ␀ name ␀`, then per field `title ␀ value ␀`; lists are `title ␀ element ␀ …`; files are raw contents.
//! Everything here runs in the launcher without any namespace: the owner of a file is translated to the id that it
//! has inside the container by the id map.

mod composer;
mod content;
mod describe;
mod encode;
mod node;
mod python;
mod ruby;
mod sink;
mod step;
mod tree;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod vector_tests;

use std::fmt;
use std::io;

use rustc_serialize::hex::ToHex;

use super::config::Step;
use super::failure::{exit, Failure};
use super::ids::IdMaps;
use super::project::Project;
use super::storage::Storage;

pub use content::load_steps;
pub use describe::describe;
pub use encode::Encoder;
pub use node::{entries as npm_entries, groups as npm_groups, lock_files as npm_lock};
pub use ruby::lock_file as gem_lock;
pub use sink::{Digest, Dump, Listing, Sink, Stepwise};

/// Number of hex digits of the hash in the name of an image directory.
pub const SHORT: usize = 8;

/// A version hash, BLAKE2b with 64 bytes of output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Version(pub [u8; 64]);

impl Version {
    /// All 128 lower-case hex digits.
    pub fn hex(&self) -> String {
        self.0.to_hex()
    }

    /// The first 8 hex digits, as in the name of the image directory.
    pub fn short(&self) -> String {
        let mut hex = self.hex();
        hex.truncate(SHORT);
        hex
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// Why there is no version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionError {
    /// It can be known only after a build; says what is missing.
    NotReady(String),
    /// It cannot be known: bad JSON, a missing requirements file, trouble with git…
    Failed(Failure),
}

impl VersionError {
    /// A hard error of the step being encoded.
    pub fn failed(message: impl Into<String>) -> VersionError {
        VersionError::Failed(Failure::new(exit::SETUP, message))
    }

    /// For what cannot be read: missing means "not ready", everything else is an error.
    pub fn missing_or_failed(what: impl fmt::Display, e: &io::Error) -> VersionError {
        match e.kind() {
            io::ErrorKind::NotFound => VersionError::NotReady(format!("{what} does not exist")),
            _ => VersionError::failed(format!("can't read {what}: {e}")),
        }
    }
}

/// Computes the version of a container of the project.
///
/// Errors: an unknown container is a failure with exit 121; trouble with a step has exit 124 (`_version_hash`) and
/// names the step.
pub fn version(
    project: &Project,
    storage: &Storage,
    ids: &IdMaps,
    container: &str,
) -> Result<Version, VersionError> {
    let mut digest = Digest::new();
    encode_container(project, storage, ids, container, &mut digest)?;
    Ok(digest.finish())
}

/// [`version`], and the state of the digest before every step of the container and after the last one: what layers of
/// builds are named by. Without a version it is the state before every step up to the first one that is not ready.
pub fn version_by_steps(
    project: &Project,
    storage: &Storage,
    ids: &IdMaps,
    container: &str,
) -> (Result<Version, VersionError>, Vec<Digest>) {
    let mut steps = Stepwise::default();
    let encoded = encode_container(project, storage, ids, container, &mut steps);
    let (version, boundaries) = steps.finish();
    (encoded.map(|()| version), boundaries)
}

/// The digest after one more step, as its files are now.
pub fn extended(
    project: &Project,
    storage: &Storage,
    ids: &IdMaps,
    before: &Digest,
    step: &Step,
) -> Result<Digest, VersionError> {
    let mut digest = before.clone();
    let mut encoder = Encoder::new(project, storage, ids, &mut digest)?;
    step::encode_all(&mut encoder, std::slice::from_ref(step))?;
    Ok(digest)
}

/// Feeds the encoded container to any sink; [`version`] with a [`Dump`] or a [`Listing`].
pub fn encode_container(
    project: &Project,
    storage: &Storage,
    ids: &IdMaps,
    container: &str,
    sink: &mut dyn Sink,
) -> Result<(), VersionError> {
    let config = project.config.containers.get(container).ok_or_else(|| {
        VersionError::Failed(Failure::new(
            exit::LAUNCHER,
            format!("Container {container:?} not found"),
        ))
    })?;
    let mut encoder = Encoder::new(project, storage, ids, sink)?;
    encoder.ranges("uids", &config.uids);
    encoder.ranges("gids", &config.gids);
    encoder.boundary();
    for step in &config.setup {
        step::encode_all(&mut encoder, std::slice::from_ref(step))?;
        encoder.boundary();
    }
    if !config.data_dirs.is_empty() {
        encoder.list("data_dirs", &config.data_dirs);
    }
    Ok(())
}

/// What `_version_hash` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrintOptions {
    /// `--short`: only 8 digits.
    pub short: bool,
    /// `--debug-versioning`: list the hashed items first.
    pub debug: bool,
    /// `--dump-version-data`: write the hashed bytes themselves instead of the digest.
    pub dump: bool,
}

/// `vagga _version_hash`: prints the version to `out` and returns the exit code (0, or 29 when it is not ready).
pub fn print(
    project: &Project,
    storage: &Storage,
    ids: &IdMaps,
    container: &str,
    options: PrintOptions,
    out: &mut dyn io::Write,
) -> Result<u8, Failure> {
    let mut listing = Listing::default();
    let mut dump = Dump::default();
    let result = match options {
        PrintOptions { dump: true, .. } => encode_container(project, storage, ids, container, &mut dump),
        PrintOptions { debug: true, .. } => encode_container(project, storage, ids, container, &mut listing),
        _ => version(project, storage, ids, container).map(|v| listing.digest = Some(v)),
    };
    let written = match result {
        Ok(()) if options.dump => out.write_all(&dump.0),
        Ok(()) => out.write_all(listing.text(options.short).as_bytes()),
        Err(VersionError::NotReady(why)) => {
            log::info!("version of container {container:?} is not known before it is built: {why}");
            return Ok(exit::NOT_READY);
        }
        Err(VersionError::Failed(failure)) => return Err(failure),
    };
    written
        .and_then(|()| out.flush())
        .map_err(|e| Failure::new(exit::LAUNCHER, format!("Can't write to stdout: {e}")))?;
    Ok(0)
}
