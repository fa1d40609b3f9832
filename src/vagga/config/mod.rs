//! The configuration language of vagga: typed values of `vagga.yaml` and of the settings files.
//!
//! The types mirror the tables of the manual one to one: field names are the keys with underscores,
//! defaults are the documented ones.

pub mod children;
pub mod command;
pub mod container;
pub mod cross;
pub mod load;
pub mod lookup;
pub mod owner;
pub mod range;
pub mod salvage;
pub mod schema;
pub mod settings;
pub mod settings_files;
pub mod step;
pub mod version;
pub mod volume;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_derive::{Deserialize, Serialize};

pub use command::{ChildCommand, CommandInfo, MainCommand, Run, SuperviseInfo};
pub use container::Container;
pub use load::{load_file, load_project, Origins};
pub use range::IdRange;
pub use settings::Settings;
pub use step::Step;
pub use volume::Volume;

/// A whole `vagga.yaml` with its mixins and local files already merged in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Version demanded by the file, e.g. `v0.8.0`.
    pub minimum_vagga: Option<String>,
    /// Further configuration files, relative to the directory of the file naming them.
    pub mixins: Vec<PathBuf>,
    /// Commands by name.
    pub commands: BTreeMap<String, MainCommand>,
    /// Containers by name.
    pub containers: BTreeMap<String, Container>,
}
