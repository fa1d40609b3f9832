//! Keys of the settings. Which file may hold which key is a matter of trust: project files come with the
//! repository, so they may not reach outside of the project.

use super::{ENVIRON, PATH, SIZE, STRINGS};
use crate::config::schema::{optional, Key, KeyRule, Kind, PathRule, Structure};

/// Files of the user and `VAGGA_SETTINGS`.
pub const USER_SETTINGS: Kind = Kind::Structure(&Structure {
    keys: &[GENERAL, OUTSIDE, SITES],
    scalar: None,
});

/// `site-settings` of one project in a file of the user.
pub const SITE_SETTINGS: Kind = Kind::Structure(&Structure {
    keys: &[GENERAL, OUTSIDE],
    scalar: None,
});

/// Files of the project.
pub const PROJECT_SETTINGS: Kind = Kind::Structure(&Structure {
    keys: &[GENERAL, PROJECT],
    scalar: None,
});

/// Allowed everywhere.
const GENERAL: &[Key] = &[
    optional(
        "version_check",
        Kind::Bool,
        "`false`: use any container that is already built.",
    ),
    optional("environ", ENVIRON, "Variables of every command."),
    optional(
        "run_symlinks_as_commands",
        Kind::Bool,
        "Called by another name, run the command of that name.",
    ),
    optional(
        "disable_auto_clean",
        Kind::Bool,
        "Ignore `auto-clean` of containers.",
    ),
    optional(
        "build_lock_wait",
        Kind::Bool,
        "Wait for a concurrent build instead of failing.",
    ),
    optional(
        "versioned_build_dir",
        Kind::Bool,
        "Name build directories by version.",
    ),
    optional(
        "layers",
        Kind::Bool,
        "`false`: build without keeping or using layers.",
    ),
    optional(
        "status_block",
        Kind::Bool,
        "`false`: no lines at the bottom of the terminal about the children of a group.",
    ),
    optional(
        "source_date_epoch",
        // Times of files have 32 bits in some formats.
        Kind::Number {
            min: 0,
            max: u32::MAX as i64,
        },
        "No file of an image is younger than this (seconds since 1970).",
    ),
    optional("debian_mirror", Kind::Text, "Mirror of `!Debian`."),
    optional("ubuntu_mirror", Kind::Text, "Mirror of `!Ubuntu`."),
    optional(
        "ubuntu_skip_locking",
        Kind::Bool,
        "Do not lock apt's archive directory.",
    ),
    optional("alpine_mirror", Kind::Text, "Mirror of `!Alpine`."),
    optional(
        "alpine_keys",
        Kind::Text,
        "File or directory with public keys of Alpine repositories.",
    ),
    optional(
        "image_registry",
        Kind::Text,
        "Registry of images whose names have no host (`!FromImage`).",
    ),
];

/// Reach outside of the project.
pub const OUTSIDE: &[Key] = &[
    optional("storage_dir", PATH, "Directory of the images of many projects."),
    optional(
        "storage_subdir_from_env_var",
        Kind::Text,
        "Variable naming the subdirectory of `storage-dir`.",
    ),
    optional("cache_dir", PATH, "Cache shared by projects."),
    optional("proxy_env_vars", Kind::Bool, "Forward proxy variables."),
    optional(
        "propagate_environ",
        STRINGS,
        "Patterns of variables to pass on to commands.",
    ),
    optional(
        "external_volumes",
        Kind::Map(KeyRule::Path(PathRule::Relative), &Kind::Path(PathRule::Home)),
        "Name below /volumes to directory of the host.",
    ),
    optional(
        "image_cache_keyring",
        PATH,
        "Keys that must have signed the manifests of ready images.",
    ),
    optional(
        "image_cache_unsigned",
        Kind::Choice(&["never", "https", "always"]),
        "Where ready images may come from that are neither signed nor of known digest.",
    ),
    optional("push_image_script", Kind::Text, "Script of `_push_image`."),
    optional("auto_apply_sysctl", Kind::Bool, "Raise sysctls through sudo."),
    optional(
        "max_unpacked_size",
        SIZE,
        "Most bytes that one archive or image may unpack to.",
    ),
    optional("index_all_images", Kind::Bool, "Index files after each build."),
    optional(
        "hard_link_identical_files",
        Kind::Bool,
        "Hard-link identical files of new images.",
    ),
    optional(
        "hard_link_between_projects",
        Kind::Bool,
        "The same across projects.",
    ),
];

const SITES: &[Key] = &[optional(
    "site_settings",
    Kind::Map(KeyRule::Path(PathRule::Home), &SITE_SETTINGS),
    "Settings by absolute directory of the project.",
)];

const PROJECT: &[Key] = &[optional(
    "shared_cache",
    Kind::Bool,
    "`false`: use a private cache in this project.",
)];
