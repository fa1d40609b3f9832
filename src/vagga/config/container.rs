//! `containers:` — how a container is built and what every command in it gets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_derive::{Deserialize, Serialize};

use super::range::IdRange;
use super::step::Step;
use super::volume::Volume;

/// One container of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// Build steps in order.
    pub setup: Vec<Step>,
    /// Absolute paths to keep after the build; not empty makes this a *data container*.
    pub data_dirs: Vec<PathBuf>,
    /// Template of the URL of a ready image.
    pub image_cache_url: Option<String>,
    /// File with the keys that sign the manifests of ready images, relative to the project.
    pub image_cache_keyring: Option<PathBuf>,
    /// SHA-256 of the archive of the ready image, in hex.
    pub image_cache_sha256: Option<String>,
    /// Delete the previous version after a successful build.
    pub auto_clean: bool,
    /// User ids that must exist inside; part of the version hash.
    pub uids: Vec<IdRange>,
    /// Group ids that must exist inside; part of the version hash.
    pub gids: Vec<IdRange>,
    /// Run-time environment.
    pub environ: BTreeMap<String, String>,
    /// File inside the container with `KEY=VALUE` lines.
    pub environ_file: Option<PathBuf>,
    /// Interpreter of string `run:`; empty means `/bin/sh -c TEXT --`.
    pub default_shell: Vec<String>,
    /// Where the host's `resolv.conf` is mounted; `None` disables.
    pub resolv_conf_path: Option<PathBuf>,
    /// Where the host's `hosts` is mounted; `None` disables.
    pub hosts_file_path: Option<PathBuf>,
    /// Run-time mounts by absolute mount point.
    pub volumes: BTreeMap<PathBuf, Volume>,
}

impl Container {
    /// True when only parts of the image are kept, so that commands normally cannot run in it.
    pub fn is_data_container(&self) -> bool {
        !self.data_dirs.is_empty()
    }
}
