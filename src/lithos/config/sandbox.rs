//! `sandboxes/SB.yaml`: what the containers of one application may use of the host.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_derive::Deserialize;

use super::ids::{ID, MAPS, RANGES};
use super::io::{IoCeilings, RATES};
use super::network::BRIDGED;
use super::{BridgedNetwork, IdMap, IdRange, Level, Master};
use crate::config::schema::{
    flag, optional, strings, with, Default, Key, KeyRule, Kind, PathRule, Structure,
};

const PATH: Kind = Kind::Path(PathRule::Any);
const VIRTUAL: Kind = Kind::Map(KeyRule::Path(PathRule::Absolute), &Kind::Path(PathRule::Absolute));
/// A ceiling in bytes or pieces.
const CEILING: Kind = Kind::Integer {
    min: 1,
    max: i64::MAX,
};

const KEYS: &[Key] = &[
    optional("config_file", PATH, "Processes file, relative to processes-dir."),
    with(
        "image_dir",
        PATH,
        Default::Text("/var/lib/lithos/containers"),
        "Parent directory of the images.",
    ),
    with(
        "image_dir_levels",
        Kind::Integer { min: 1, max: 16 },
        Default::Number(1),
        "Components of an image's name.",
    ),
    optional(
        "log_file",
        PATH,
        "Log of the supervisors, relative to default-log-dir.",
    ),
    optional("log_level", Kind::Text, "Level of that log."),
    with(
        "readonly_paths",
        VIRTUAL,
        Default::Map,
        "What !Readonly volumes may refer to.",
    ),
    with(
        "writable_paths",
        VIRTUAL,
        Default::Map,
        "What !Persistent volumes may refer to.",
    ),
    with(
        "allow_users",
        RANGES,
        Default::List,
        "User ids that processes may have.",
    ),
    optional("default_user", ID, "User id when the container file has none."),
    with(
        "allow_groups",
        RANGES,
        Default::List,
        "Group ids that processes may have.",
    ),
    with(
        "default_group",
        ID,
        Default::Number(0),
        "Group id when the container file has none.",
    ),
    with(
        "allow_tcp_ports",
        RANGES,
        Default::List,
        "Ports of the host that containers may ask for.",
    ),
    with(
        "additional_hosts",
        Kind::Map(KeyRule::Any, &Kind::IpAddress),
        Default::Map,
        "Lines for /etc/hosts.",
    ),
    with(
        "uid_map",
        MAPS,
        Default::List,
        "User namespace of all containers: user ids.",
    ),
    with(
        "gid_map",
        MAPS,
        Default::List,
        "User namespace of all containers: group ids.",
    ),
    optional(
        "used_images_list",
        PATH,
        "File of image names that cleaning keeps.",
    ),
    with(
        "auto_clean",
        Kind::Bool,
        Default::Bool(true),
        "Let lithos_clean delete unused images.",
    ),
    with(
        "resolv_conf",
        PATH,
        Default::Text("/etc/resolv.conf"),
        "File copied for containers.",
    ),
    with(
        "hosts_file",
        PATH,
        Default::Text("/etc/hosts"),
        "File copied for containers.",
    ),
    optional(
        "bridged_network",
        BRIDGED,
        "A network of its own for every container.",
    ),
    optional(
        "secrets_private_key",
        PATH,
        "Key that opens the secrets of containers.",
    ),
    strings("secrets_namespaces", "Namespaces of secrets that may be opened."),
];

/// What the original did not have; off or without limit by default.
const LIMITS: &[Key] = &[
    with(
        "seccomp",
        Kind::Choice(&["default", "off"]),
        Default::Text("default"),
        "Filter of system calls.",
    ),
    flag(
        "allow_root",
        "Let containers without a user namespace run as the host's root.",
    ),
    flag(
        "allow_exec_volumes",
        "Let programs be started from writable volumes.",
    ),
    optional("max_memory", CEILING, "Most memory of a container, bytes."),
    optional(
        "max_cpu",
        CEILING,
        "Most processor time of a container, percent of one processor.",
    ),
    optional("max_pids", CEILING, "Most processes of a container."),
    optional("max_fileno", CEILING, "Most open files of a process."),
    with(
        "max_io",
        RATES,
        Default::Map,
        "Most disk access of a container, by a path of the host or its block device.",
    ),
    with(
        "output_log",
        Kind::Choice(&["sandbox", "process"]),
        Default::Text("sandbox"),
        "One output log for all, or one per process entry.",
    ),
    with(
        "output_format",
        Kind::Choice(&["plain", "prefix", "json"]),
        Default::Text("plain"),
        "Form of the lines of the output log.",
    ),
    optional(
        "output_rotate_size",
        CEILING,
        "Begin a new output log beyond so many bytes.",
    ),
    optional(
        "output_rotate_age",
        Kind::Duration {
            min: 1000,
            max: i64::MAX,
        },
        "Begin a new output log after this time.",
    ),
    with(
        "output_rotate_keep",
        Kind::Integer { min: 0, max: 1000 },
        Default::Number(5),
        "Old output logs to keep.",
    ),
];

/// How the system calls of a container are filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seccomp {
    /// By the built-in list.
    Default,
    /// Not at all.
    Off,
}

/// Which output shares a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputLog {
    /// All processes of the sandbox.
    Sandbox,
    /// All instances of a process entry.
    Process,
}

/// Form of the lines of an output log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// As the process writes them, without a detour.
    Plain,
    /// With time and name in front.
    Prefix,
    /// A JSON object each.
    Json,
}

/// Name of the output log of a process entry, in the directory of output logs.
pub fn output_log_name(how: OutputLog, sandbox: &str, process: &str) -> String {
    match how {
        OutputLog::Sandbox => format!("{sandbox}.log"),
        OutputLog::Process => format!("{sandbox}.{process}.log"),
    }
}

/// The checked file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sandbox {
    /// Processes file; `None` = `SB.yaml`.
    #[serde(default)]
    pub config_file: Option<PathBuf>,
    /// Parent directory of the images.
    pub image_dir: PathBuf,
    /// Components of an image's name, 1 to 16.
    pub image_dir_levels: usize,
    /// Log of the knots; `None` = `SB.log`.
    #[serde(default)]
    pub log_file: Option<PathBuf>,
    /// Its level, as written.
    #[serde(default)]
    pub log_level: Option<String>,
    /// Virtual path to path of the host.
    pub readonly_paths: BTreeMap<PathBuf, PathBuf>,
    /// Virtual path to path of the host.
    pub writable_paths: BTreeMap<PathBuf, PathBuf>,
    /// User ids of processes.
    pub allow_users: Vec<IdRange>,
    /// User id when the container file has none.
    #[serde(default)]
    pub default_user: Option<u32>,
    /// Group ids of processes.
    pub allow_groups: Vec<IdRange>,
    /// Group id when the container file has none.
    pub default_group: u32,
    /// Ports of the host.
    pub allow_tcp_ports: Vec<IdRange>,
    /// Name to address.
    pub additional_hosts: BTreeMap<String, IpAddr>,
    /// User namespace of all containers.
    pub uid_map: Vec<IdMap>,
    /// User namespace of all containers.
    pub gid_map: Vec<IdMap>,
    /// Names of images that are in use.
    #[serde(default)]
    pub used_images_list: Option<PathBuf>,
    /// Unused images may be deleted.
    pub auto_clean: bool,
    /// Copied as `resolv.conf`.
    pub resolv_conf: PathBuf,
    /// Copied as `hosts`.
    pub hosts_file: PathBuf,
    /// Network of its own for every container.
    #[serde(default)]
    pub bridged_network: Option<BridgedNetwork>,
    /// Private key for secrets.
    #[serde(default)]
    pub secrets_private_key: Option<PathBuf>,
    /// Namespaces of secrets; empty = only the empty namespace.
    pub secrets_namespaces: Vec<String>,
    /// Filter of system calls.
    pub seccomp: Seccomp,
    /// Containers without a user namespace may run as root.
    pub allow_root: bool,
    /// Writable volumes are not mounted noexec.
    pub allow_exec_volumes: bool,
    /// Bytes.
    #[serde(default)]
    pub max_memory: Option<u64>,
    /// Percent of one processor.
    #[serde(default)]
    pub max_cpu: Option<u64>,
    /// Processes.
    #[serde(default)]
    pub max_pids: Option<u64>,
    /// Open files of a process.
    #[serde(default)]
    pub max_fileno: Option<u64>,
    /// Disk access by path of the host.
    pub max_io: IoCeilings,
    /// Which output shares a file.
    pub output_log: OutputLog,
    /// Form of its lines.
    pub output_format: OutputFormat,
    /// Bytes.
    #[serde(default)]
    pub output_rotate_size: Option<u64>,
    /// Milliseconds.
    #[serde(default)]
    pub output_rotate_age: Option<u64>,
    /// Files.
    pub output_rotate_keep: u32,
}

impl Level for Sandbox {
    const KIND: Kind = Kind::Structure(&Structure {
        keys: &[KEYS, LIMITS],
        scalar: None,
    });
    const APART: &'static [&'static str] = &[
        "config-file",
        "image-dir-levels",
        "used-images-list",
        "auto-clean",
        "allow-users",
        "allow-groups",
        "allow-tcp-ports",
        "output-rotate-size",
        "output-rotate-age",
        "output-rotate-keep",
    ];
}

impl Sandbox {
    /// The processes file of the sandbox `name`.
    pub fn processes_file(&self, name: &str, master: &Master, master_path: &Path) -> PathBuf {
        let dir = master.processes_dir(master_path);
        match &self.config_file {
            Some(file) => dir.join(file),
            None => dir.join(format!("{name}.yaml")),
        }
    }

    /// Log of the knots of the sandbox `name`.
    pub fn log_file(&self, name: &str, master: &Master) -> PathBuf {
        match &self.log_file {
            Some(file) => master.default_log_dir.join(file),
            None => master.default_log_dir.join(format!("{name}.log")),
        }
    }

    /// Namespaces of secrets, always at least one.
    pub fn namespaces(&self) -> Vec<&str> {
        match self.secrets_namespaces.as_slice() {
            [] => vec![""],
            given => given.iter().map(String::as_str).collect(),
        }
    }
}
