//! `master.yaml`: what holds for the whole machine.

use std::path::{Path, PathBuf};

use serde_derive::Deserialize;

use super::Level;
use crate::config::schema::{optional, strings, with, Default, Key, Kind, PathRule, Structure};

/// Where the file is when no option says otherwise.
pub const DEFAULT_PATH: &str = "/etc/lithos/master.yaml";

const PATH: Kind = Kind::Path(PathRule::Any);
const ABSOLUTE: Kind = Kind::Path(PathRule::Absolute);

const KEYS: &[Key] = &[
    with(
        "sandboxes_dir",
        PATH,
        Default::Text("./sandboxes"),
        "Directory of the sandbox files.",
    ),
    with(
        "processes_dir",
        PATH,
        Default::Text("./processes"),
        "Directory of the processes files.",
    ),
    with(
        "runtime_dir",
        ABSOLUTE,
        Default::Text("/run/lithos"),
        "Pid file, metrics, base of state and mount directory.",
    ),
    with(
        "state_dir",
        PATH,
        Default::Text("state"),
        "Base of the state directories of containers.",
    ),
    with(
        "mount_dir",
        PATH,
        Default::Text("mnt"),
        "Empty directory on which roots are assembled.",
    ),
    with(
        "devfs_dir",
        PATH,
        Default::Text("/var/lib/lithos/dev"),
        "Devices that every container sees at /dev.",
    ),
    with(
        "cgroup_name",
        Kind::Text,
        Default::TextOrNull("lithos.slice"),
        "Control group of all containers; null for none.",
    ),
    strings(
        "cgroup_controllers",
        "Hierarchies of version 1 to use; empty for the usual ones.",
    ),
    with(
        "default_log_dir",
        PATH,
        Default::Text("/var/log/lithos"),
        "Directory of the supervisors' logs.",
    ),
    with(
        "config_log_dir",
        PATH,
        Default::TextOrNull("/var/log/lithos/config"),
        "History of configurations; null for none.",
    ),
    with(
        "stdio_log_dir",
        PATH,
        Default::Text("/var/log/lithos/stderr"),
        "Directory of the processes' output.",
    ),
    with("log_file", PATH, Default::Text("master.log"), "Log of the tree."),
    with(
        "log_level",
        Kind::Text,
        Default::Text("warn"),
        "error, warn, info, debug or trace.",
    ),
    optional(
        "syslog_facility",
        Kind::Text,
        "Log to syslog with this facility instead of files.",
    ),
    with(
        "syslog_app_name",
        Kind::Text,
        Default::Text("lithos"),
        "Name in syslog.",
    )
    .also("syslog_name"),
];

/// The checked file. Paths are as written: see the methods for what they mean.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Master {
    /// Directory of the sandbox files, relative to the master file.
    pub sandboxes_dir: PathBuf,
    /// Directory of the processes files, relative to the master file.
    pub processes_dir: PathBuf,
    /// Base of what lives as long as the machine runs.
    pub runtime_dir: PathBuf,
    /// State directories, relative to `runtime_dir`.
    pub state_dir: PathBuf,
    /// Mount point, relative to `runtime_dir`.
    pub mount_dir: PathBuf,
    /// Devices of containers.
    pub devfs_dir: PathBuf,
    /// Control group of all containers; `None` = control groups are not used.
    #[serde(default)]
    pub cgroup_name: Option<String>,
    /// Hierarchies of version 1; empty = the usual ones, see [`Master::controllers`].
    pub cgroup_controllers: Vec<String>,
    /// Directory of logs.
    pub default_log_dir: PathBuf,
    /// History of configurations; `None` = none is kept.
    #[serde(default)]
    pub config_log_dir: Option<PathBuf>,
    /// Directory of output logs.
    pub stdio_log_dir: PathBuf,
    /// Log of the tree, relative to `default_log_dir`.
    pub log_file: PathBuf,
    /// Level as written; unknown words mean `warn`.
    pub log_level: String,
    /// Facility of syslog, as written.
    #[serde(default)]
    pub syslog_facility: Option<String>,
    /// Name in syslog.
    pub syslog_app_name: String,
}

impl Level for Master {
    const KIND: Kind = Kind::Structure(&Structure {
        keys: &[KEYS],
        scalar: None,
    });
    const APART: &'static [&'static str] = &[
        "sandboxes-dir",
        "processes-dir",
        "config-log-dir",
        "log-file",
        "log-level",
    ];
    const IF_MISSING: &'static str = "; an empty file there means the defaults";
}

impl Master {
    /// Where state directories are: `…/SB/PROC.N`.
    pub fn state_dir(&self) -> PathBuf {
        self.runtime_dir.join(&self.state_dir)
    }

    /// Where roots are assembled.
    pub fn mount_dir(&self) -> PathBuf {
        self.runtime_dir.join(&self.mount_dir)
    }

    /// Log of the tree.
    pub fn log_file(&self) -> PathBuf {
        self.default_log_dir.join(&self.log_file)
    }

    /// Directory of sandbox files of the master file at `master`.
    pub fn sandboxes_dir(&self, master: &Path) -> PathBuf {
        beside(master).join(&self.sandboxes_dir)
    }

    /// Directory of processes files of the master file at `master`.
    pub fn processes_dir(&self, master: &Path) -> PathBuf {
        beside(master).join(&self.processes_dir)
    }

    /// The hierarchies of version 1 to use.
    pub fn controllers(&self) -> Vec<&str> {
        match self.cgroup_controllers.as_slice() {
            [] => vec!["name", "cpu", "cpuacct", "memory", "blkio"],
            given => given.iter().map(String::as_str).collect(),
        }
    }
}

/// The directory that holds a file.
fn beside(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
