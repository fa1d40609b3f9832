//! Where the project is: the nearest directory upwards that holds a configuration.

use std::path::{Path, PathBuf};

use crate::vagga::failure::{exit, Failure};

/// Main files in the order of preference; the first one that exists replaces the other.
const MAIN: [&str; 2] = [".vagga/vagga.yaml", "vagga.yaml"];
/// Files for one checkout only, strongest first.
const LOCAL: [&str; 3] = [".vagga/local.yaml", ".vagga.local.yaml", "vagga.local.yaml"];
/// Probably misspelt main files.
const TYPOS: [&str; 2] = [".vagga/vagga.yml", "vagga.yml"];

/// The files of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The project directory.
    pub root: PathBuf,
    /// The main file; without one there is at least one local file.
    pub main: Option<PathBuf>,
    /// Local files that exist, strongest first.
    pub local: Vec<PathBuf>,
}

/// Searches from `cwd` upwards.
///
/// Errors: exit 126 when no directory holds a configuration.
pub fn find(cwd: &Path) -> Result<Found, Failure> {
    for dir in cwd.ancestors() {
        for name in TYPOS.iter().filter(|name| dir.join(name).exists()) {
            let path = dir.join(name);
            let right = path.with_extension("yaml");
            if !right.exists() {
                log::warn!(
                    "There is a file {path:?}, probably a typo: the configuration must be named {:?}",
                    right.file_name().unwrap_or_default()
                );
            }
        }
        let existing = |name: &&str| Some(dir.join(name)).filter(|path| path.exists());
        let main = MAIN.iter().find_map(existing);
        let local: Vec<PathBuf> = LOCAL.iter().filter_map(existing).collect();
        if main.is_some() || !local.is_empty() {
            return Ok(Found {
                root: dir.to_path_buf(),
                main,
                local,
            });
        }
    }
    let message = format!("Config not found in path {cwd:?}");
    Err(Failure::new(exit::CONFIG, message)
        .with_hint("change the directory to a project that has a vagga.yaml, or create this file"))
}
