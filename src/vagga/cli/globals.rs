//! Options that stand before the command.

/// How far vagga may go to bring a container up to date. The last option given wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BuildMode {
    /// Build or pull whatever is missing.
    #[default]
    Normal,
    /// `--no-image-download`: never consult `image-cache-url`.
    NoImageDownload,
    /// `--no-build`: compute the hash; exit 29 when the image is missing.
    NoBuild,
    /// `--no-version-check`: take what `.vagga/NAME` points to, hash and build nothing.
    NoVersionCheck,
}

/// Resolved global options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Globals {
    /// `-E NAME=VALUE` (`Some`) and `-E NAME` (`None`), in the order given.
    pub environ: Vec<(String, Option<String>)>,
    /// `-e NAME`.
    pub use_env: Vec<String>,
    /// Skip the check of the project's owner.
    pub ignore_owner_check: bool,
    /// Run only the named commands.
    pub no_prerequisites: bool,
    /// Build what is needed, run nothing.
    pub containers_only: bool,
    /// Run everything with only a loopback interface.
    pub isolate_network: bool,
    /// How far to go for up-to-date containers.
    pub build_mode: BuildMode,
}
