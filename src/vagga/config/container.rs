//! `containers:` — how a container is built and what every command in it gets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_derive::Serialize;

use super::range::IdRange;
use super::step::Step;
use super::volume::Volume;

/// One container of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Container {
    /// Build steps in order.
    #[serde(default)]
    pub setup: Vec<Step>,
    /// Absolute paths to keep after the build; not empty makes this a *data container*.
    #[serde(default)]
    pub data_dirs: Vec<PathBuf>,
    /// Template of the URL of a ready image.
    #[serde(default)]
    pub image_cache_url: Option<String>,
    /// Delete the previous version after a successful build.
    #[serde(default)]
    pub auto_clean: bool,
    /// User ids that must exist inside; part of the version hash.
    #[serde(default = "default_ranges")]
    pub uids: Vec<IdRange>,
    /// Group ids that must exist inside; part of the version hash.
    #[serde(default = "default_ranges")]
    pub gids: Vec<IdRange>,
    /// Run-time environment.
    #[serde(default)]
    pub environ: BTreeMap<String, String>,
    /// File inside the container with `KEY=VALUE` lines.
    #[serde(default)]
    pub environ_file: Option<PathBuf>,
    /// Interpreter of string `run:`; empty means `/bin/sh -c TEXT --`.
    #[serde(default)]
    pub default_shell: Vec<String>,
    /// Where the host's `resolv.conf` is mounted; `None` disables.
    #[serde(default = "default_resolv_conf")]
    pub resolv_conf_path: Option<PathBuf>,
    /// Where the host's `hosts` is mounted; `None` disables.
    #[serde(default = "default_hosts")]
    pub hosts_file_path: Option<PathBuf>,
    /// Run-time mounts by absolute mount point.
    #[serde(default)]
    pub volumes: BTreeMap<PathBuf, Volume>,
}

impl Container {
    /// True when only parts of the image are kept, so that commands normally cannot run in it.
    pub fn is_data_container(&self) -> bool {
        !self.data_dirs.is_empty()
    }
}

fn default_resolv_conf() -> Option<PathBuf> {
    Some("/etc/resolv.conf".into())
}

fn default_hosts() -> Option<PathBuf> {
    Some("/etc/hosts".into())
}
