//! The project vagga was started in: where it is, what its configuration and the user's settings say.

use std::path::PathBuf;

use super::config::{Config, Origins, Settings};

/// A loaded project. Immutable for the rest of the invocation.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Directory holding `vagga.yaml` or `.vagga/`; absolute.
    pub root: PathBuf,
    /// Current directory relative to [`Project::root`]; empty at the top.
    pub work_dir: PathBuf,
    /// The merged configuration (main file, mixins, local files).
    pub config: Config,
    /// The files that commands and containers come from.
    pub origins: Origins,
    /// The merged settings (user, environment, project).
    pub settings: Settings,
}
