//! Keys of a container.

use super::step::STEP;
use super::volume::{switchable, VOLUMES};
use super::{ABSOLUTE, ENVIRON, RANGES};
use crate::config::schema::{flag, optional, strings, with, Default, Key, Kind, PathRule, Structure};

/// A container.
pub const CONTAINER: Kind = Kind::Structure(&Structure {
    keys: &[KEYS],
    scalar: None,
});

const KEYS: &[Key] = &[
    with("setup", Kind::List(&STEP), Default::List, "Build steps in order."),
    with(
        "data_dirs",
        Kind::List(&ABSOLUTE),
        Default::List,
        "Keep only these paths after the build.",
    ),
    optional(
        "image_cache_url",
        Kind::Text,
        "Template of the URL of a ready image.",
    ),
    optional(
        "image_cache_keyring",
        Kind::Path(PathRule::Relative),
        "Keys that must have signed the manifest of a ready image.",
    ),
    optional(
        "image_cache_sha256",
        Kind::Text,
        "Digest of the archive of a ready image.",
    ),
    flag(
        "auto_clean",
        "Delete the previous version after a successful build.",
    ),
    with(
        "uids",
        RANGES,
        Default::Ids(65536),
        "User ids that must exist inside.",
    ),
    with(
        "gids",
        RANGES,
        Default::Ids(65536),
        "Group ids that must exist inside.",
    ),
    with(
        "environ",
        ENVIRON,
        Default::Map,
        "Variables of every command in the container.",
    ),
    optional(
        "environ_file",
        Kind::Path(PathRule::Any),
        "File inside the container with `KEY=VALUE` lines.",
    ),
    strings(
        "default_shell",
        "Interpreter of `run` texts, by default `/bin/sh -c TEXT --`.",
    ),
    switchable(
        "resolv_conf_path",
        "/etc/resolv.conf",
        "Where the host's resolv.conf is mounted; null disables.",
    ),
    switchable(
        "hosts_file_path",
        "/etc/hosts",
        "Where the host's hosts file is mounted; null disables.",
    ),
    with(
        "volumes",
        VOLUMES,
        Default::Map,
        "Mounts of every command, by mount point.",
    ),
];
