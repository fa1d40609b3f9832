//! The configuration language of vagga: typed values of `vagga.yaml` and of the settings files.
//!
//! The types mirror the tables of the manual one to one: field names are the keys with underscores,
//! defaults are the documented ones.

pub mod command;
pub mod container;
pub mod range;
pub mod settings;
pub mod step;
pub mod volume;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_derive::Serialize;

pub use command::{ChildCommand, CommandInfo, MainCommand, Run, SuperviseInfo};
pub use container::Container;
pub use range::IdRange;
pub use settings::Settings;
pub use step::Step;
pub use volume::Volume;

/// A whole `vagga.yaml` with its mixins and local files already merged in.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Config {
    /// Version demanded by the file, e.g. `v0.8.0`.
    #[serde(default)]
    pub minimum_vagga: Option<String>,
    /// Further configuration files, relative to the directory of the file naming them.
    #[serde(default)]
    pub mixins: Vec<PathBuf>,
    /// Commands by name.
    #[serde(default)]
    pub commands: BTreeMap<String, MainCommand>,
    /// Containers by name.
    #[serde(default)]
    pub containers: BTreeMap<String, Container>,
}
