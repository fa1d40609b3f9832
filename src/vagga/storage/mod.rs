//! Where images, volumes and caches live on the host.

use std::path::PathBuf;

use super::failure::Failure;
use super::project::Project;

/// The directories of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// `PROJECT/.vagga`.
    pub vagga_dir: PathBuf,
    /// Directory with `.roots`, `.volumes`, `.transient`: [`Storage::vagga_dir`] or a subdirectory of `storage-dir`.
    pub base: PathBuf,
    /// Prefix of the target of `.vagga/NAME` links: empty, or `.lnk` with a storage directory.
    pub link_prefix: PathBuf,
    /// The cache directory: `cache-dir`, else `.cache` below [`Storage::base`].
    pub cache: PathBuf,
}

impl Storage {
    /// Finds and creates the project's directories. Errors: exit 121, with what to repair.
    pub fn open(project: &Project) -> Result<Storage, Failure> {
        let vagga_dir = project.root.join(".vagga");
        Ok(Storage {
            base: vagga_dir.clone(),
            link_prefix: PathBuf::new(),
            cache: project
                .settings
                .cache_dir
                .clone()
                .unwrap_or_else(|| vagga_dir.join(".cache")),
            vagga_dir,
        })
    }
}
