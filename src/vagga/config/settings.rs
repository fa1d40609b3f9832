//! Settings of the user, of the environment and of the project.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_derive::Deserialize;

/// Default of [`Settings::source_date_epoch`]: 2026-01-01. Late, so that what packages say of their files mostly stays,
/// but fixed, so that images built at any time are alike.
pub const SOURCE_DATE_EPOCH: i64 = 1_767_225_600;

/// Ready images without digest and signature are taken from…
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[allow(non_camel_case_types)]
pub enum Unsigned {
    /// Nowhere.
    never,
    /// This host, and servers that show a certificate which this host trusts.
    #[default]
    https,
    /// Anywhere.
    always,
}

/// The merged settings that apply to one project.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Directory holding the images of many projects.
    pub storage_dir: Option<PathBuf>,
    /// Variable naming this project's subdirectory of [`Settings::storage_dir`].
    pub storage_subdir_from_env_var: Option<String>,
    /// Shared cache directory; already `None` when the project opted out with `shared-cache: false`.
    pub cache_dir: Option<PathBuf>,
    /// `false`: behave like `--no-version-check`.
    pub version_check: bool,
    /// Forward proxy variables to builds and commands.
    pub proxy_env_vars: bool,
    /// Patterns of caller's variables to pass to commands.
    pub propagate_environ: Vec<String>,
    /// Variables for every command.
    pub environ: BTreeMap<String, String>,
    /// Name below `/volumes` → absolute host path.
    pub external_volumes: BTreeMap<PathBuf, PathBuf>,
    /// Keys that sign the manifests of ready images.
    pub image_cache_keyring: Option<PathBuf>,
    /// Where ready images may come from that nothing vouches for.
    pub image_cache_unsigned: Unsigned,
    /// Script of `_push_image`.
    pub push_image_script: Option<String>,
    /// Raise sysctls through sudo.
    pub auto_apply_sysctl: bool,
    /// Treat invocation by another name as a command.
    pub run_symlinks_as_commands: bool,
    /// Ignore `auto-clean` of containers.
    pub disable_auto_clean: bool,
    /// Wait for a concurrent build instead of failing.
    pub build_lock_wait: bool,
    /// Put the version into the name of the build directory.
    pub versioned_build_dir: bool,
    /// No file of an image is younger than this, seconds since 1970; `SOURCE_DATE_EPOCH` of builds.
    pub source_date_epoch: i64,
    /// Most bytes that one archive or image may unpack to.
    pub max_unpacked_size: u64,
    /// Index files after each build.
    pub index_all_images: bool,
    /// Hard-link identical files of new images.
    pub hard_link_identical_files: bool,
    /// The same across projects.
    pub hard_link_between_projects: bool,
    /// Keep what every step of a build changes, so that the next build begins behind the last equal step.
    pub layers: bool,
    /// Show how the children of a group are in the lowest lines of the terminal.
    pub status_block: bool,
    /// Mirror of `!Debian`; `None` = the host's apt configuration, else the built-in default.
    pub debian_mirror: Option<String>,
    /// Mirror of `!Ubuntu`.
    pub ubuntu_mirror: Option<String>,
    /// Do not lock apt's archive directory.
    pub ubuntu_skip_locking: bool,
    /// Registry of images whose names have no host (`!FromImage`).
    pub image_registry: Option<String>,
    /// Mirror of `!Alpine`.
    pub alpine_mirror: Option<String>,
    /// File or directory with public keys (`*.pub`) of Alpine repositories, relative to the project.
    pub alpine_keys: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            storage_dir: None,
            storage_subdir_from_env_var: None,
            cache_dir: None,
            version_check: true,
            proxy_env_vars: true,
            propagate_environ: Vec::new(),
            environ: BTreeMap::new(),
            external_volumes: BTreeMap::new(),
            image_cache_keyring: None,
            image_cache_unsigned: Unsigned::default(),
            push_image_script: None,
            auto_apply_sysctl: false,
            run_symlinks_as_commands: true,
            disable_auto_clean: false,
            build_lock_wait: false,
            versioned_build_dir: false,
            source_date_epoch: SOURCE_DATE_EPOCH,
            max_unpacked_size: crate::vagga::archive::UNPACKED_LIMIT,
            index_all_images: false,
            hard_link_identical_files: false,
            hard_link_between_projects: false,
            layers: true,
            status_block: true,
            debian_mirror: None,
            ubuntu_mirror: None,
            ubuntu_skip_locking: false,
            image_registry: None,
            alpine_mirror: None,
            alpine_keys: None,
        }
    }
}
