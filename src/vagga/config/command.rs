//! `commands:` — what can be run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_derive::{Deserialize, Serialize};

use super::range::IdRange;
use super::volume::Volume;

/// A top-level command by its tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MainCommand {
    /// One process in one container.
    Command(CommandInfo),
    /// A group of processes.
    Supervise(SuperviseInfo),
    /// A command outside of any container, in the capsule.
    CapsuleCommand(CapsuleInfo),
}

/// A child of `!Supervise` by its tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ChildCommand {
    /// A process in a container.
    Command(CommandInfo),
    /// A process in the bridge network namespace.
    BridgeCommand(CommandInfo),
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Run {
    /// Text for the container's shell (a scalar in YAML).
    Shell(String),
    /// A program and its fixed arguments (a sequence in YAML).
    Command(Vec<String>),
}

/// Whether the image may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(non_camel_case_types)]
pub enum WriteMode {
    /// Writes outside of volumes fail.
    #[default]
    read_only,
    /// A private writable copy, discarded at exit.
    transient_hard_link_copy,
}

/// How the process that is PID 1 of the container behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(non_camel_case_types)]
pub enum Pid1Mode {
    /// vagga is PID 1 and ends with the command.
    #[default]
    wait,
    /// vagga is PID 1 and waits for every process of the container.
    wait_all_children,
    /// The command itself is PID 1.
    exec,
}

/// When a supervised group is shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(non_camel_case_types)]
pub enum SuperviseMode {
    /// The first child that ends, with any status, ends the group.
    #[default]
    stop_on_failure,
    /// Children that end with 0 leave the group; any other status ends it.
    wait_all_successful,
}

/// Whether a supervised child is started again when it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(non_camel_case_types)]
pub enum Restart {
    /// Its end is final.
    #[default]
    never,
    /// When its status is not 0.
    on_failure,
    /// Whatever its status.
    always,
}

/// `ready:` of a supervised child. Exactly one of the first three is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// `PORT` or `ADDRESS:PORT`.
    pub tcp: Option<String>,
    /// Path inside the container.
    pub file: Option<PathBuf>,
    /// Program inside the container.
    pub command: Option<Run>,
    /// Milliseconds until a child that is not ready has failed.
    pub timeout: u64,
    /// Milliseconds between two attempts, at most.
    pub interval: u64,
}

/// Keys that every kind of top-level command has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Common {
    /// Text of listings and `--help`.
    pub description: Option<String>,
    /// Text printed when the processes have started.
    pub banner: Option<String>,
    /// Seconds to wait before the banner.
    pub banner_delay: Option<u32>,
    /// Text printed after success.
    pub epilog: Option<String>,
    /// Other names.
    pub aliases: Vec<String>,
    /// Heading in the listing.
    pub group: Option<String>,
    /// Commands to run first.
    pub prerequisites: Vec<String>,
    /// docopt text describing the arguments.
    pub options: Option<String>,
    /// Name under which `_update_symlinks` links vagga.
    pub symlink_name: Option<String>,
    /// Run with only a loopback interface.
    pub isolate_network: bool,
    /// Wanted `fs.inotify.max_user_watches`.
    pub expect_inotify_limit: Option<u64>,
    /// Address of a listening socket to pass as descriptor 3.
    pub pass_tcp_socket: Option<String>,
    /// Names for `--only` and `--exclude`.
    pub tags: Vec<String>,
}

/// `!Command` (and, with the same keys, `!BridgeCommand`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandInfo {
    /// Keys common to all commands (written beside the others in YAML).
    #[serde(flatten)]
    pub common: Common,
    /// Container to run in.
    pub container: String,
    /// What to run.
    pub run: Run,
    /// Working directory; relative to the project, absolute inside the container.
    pub work_dir: Option<PathBuf>,
    /// Pass command-line arguments on; default depends on the kind of `run`.
    pub accepts_arguments: Option<bool>,
    /// Variables overriding those of the container.
    pub environ: BTreeMap<String, String>,
    /// Mounts overriding those of the container, by mount point.
    pub volumes: BTreeMap<PathBuf, Volume>,
    /// Whether the image may be written to.
    pub write_mode: WriteMode,
    /// User id inside.
    pub user_id: u32,
    /// The id of the container's namespace that `user_id` stands for.
    pub external_user_id: Option<u32>,
    /// Group id inside.
    pub group_id: u32,
    /// Supplementary groups, exactly these.
    pub supplementary_gids: Vec<u32>,
    /// Behaviour of PID 1.
    pub pid1mode: Pid1Mode,
    /// Own network namespace (children of `!Supervise` only).
    pub network: Option<Network>,
    /// Siblings that have to be ready first (children of `!Supervise` only, as the following).
    #[serde(default)]
    pub after: Vec<String>,
    /// When the child is ready.
    pub ready: Option<Box<Ready>>,
    /// Whether it is started again.
    #[serde(default)]
    pub restart: Restart,
}

/// `network:` of a supervised child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Address within 172.23.0.1–172.23.0.253.
    pub ip: String,
    /// Host name; default the child's name.
    pub hostname: Option<String>,
    /// External TCP port → port of this child.
    pub ports: BTreeMap<u16, u16>,
}

/// `!Supervise`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuperviseInfo {
    /// Keys common to all commands.
    #[serde(flatten)]
    pub common: Common,
    /// When the group ends.
    pub mode: SuperviseMode,
    /// Processes by name.
    pub children: BTreeMap<String, ChildCommand>,
    /// Seconds between asking children to stop and killing them; 1…86400, default 2.
    pub kill_unresponsive_after: u32,
}

/// `!CapsuleCommand`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CapsuleInfo {
    /// Keys common to all commands.
    #[serde(flatten)]
    pub common: Common,
    /// What to run.
    pub run: Run,
    /// Working directory.
    pub work_dir: Option<PathBuf>,
    /// Pass command-line arguments on.
    pub accepts_arguments: Option<bool>,
    /// Environment.
    pub environ: BTreeMap<String, String>,
    /// User ids to map.
    pub uids: Vec<IdRange>,
    /// Group ids to map.
    pub gids: Vec<IdRange>,
}

impl MainCommand {
    /// The keys common to all kinds.
    pub fn common(&self) -> &Common {
        match self {
            MainCommand::Command(c) => &c.common,
            MainCommand::Supervise(c) => &c.common,
            MainCommand::CapsuleCommand(c) => &c.common,
        }
    }
}

impl ChildCommand {
    /// The command's keys, whatever its tag.
    pub fn info(&self) -> &CommandInfo {
        match self {
            ChildCommand::Command(c) | ChildCommand::BridgeCommand(c) => c,
        }
    }
}
