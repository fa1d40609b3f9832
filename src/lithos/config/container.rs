//! A container file, written by developers and kept in the image: hostile as everything in it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer};
use serde_derive::Deserialize;

use super::io::IoCeilings;
use super::{IdMap, Level};
use crate::config::schema::{KeyRule, Kind, Structure};
use keys::{KEYS, LIMITS};

mod keys;

/// How a container may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Role {
    /// Supervised.
    Daemon,
    /// Run by hand.
    Command,
    /// Both.
    CommandOrDaemon,
}

/// What a variable may be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum VariableType {
    /// A port.
    TcpPort(PortVariable),
    /// One of these.
    Choice(Vec<String>),
    /// Letters, digits, `-`, `_`.
    Name,
    /// Names with dots between them.
    DottedName,
}

/// Details of a variable that is a port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PortVariable {
    /// `Some`: a listening socket is passed, as systemd does it.
    #[serde(default)]
    pub activation: Option<String>,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Volume {
    /// A virtual path, not writable.
    Readonly(PathBuf),
    /// A virtual path, writable.
    Persistent(Persistent),
    /// Memory.
    Tmpfs(Tmpfs),
    /// Part of the state directory.
    Statedir(Statedir),
}

/// A directory of the host that stays.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Persistent {
    /// Virtual path.
    pub path: PathBuf,
    /// Make it when it is missing, with the following.
    pub mkdir: bool,
    /// Permission bits.
    pub mode: u32,
    /// User id inside.
    pub user: u32,
    /// Group id inside.
    pub group: u32,
}

/// A directory that goes with the container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Statedir {
    /// Path in the state directory.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// User id inside.
    pub user: u32,
    /// Group id inside.
    pub group: u32,
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tmpfs {
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}

/// What becomes of `/etc/resolv.conf`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ResolvConf {
    /// Copy the sandbox's file.
    pub copy_from_host: bool,
    /// Mount the copy; `None` = when possible.
    pub mount: Option<bool>,
}

impl std::default::Default for ResolvConf {
    fn default() -> ResolvConf {
        ResolvConf {
            copy_from_host: true,
            mount: None,
        }
    }
}

/// What becomes of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostsFile {
    /// Begin with the sandbox's file.
    pub copy_from_host: bool,
    /// A line for localhost; `None` = when nothing is copied.
    pub localhost: Option<bool>,
    /// A line for the host's name; `None` = when nothing is copied.
    pub public_hostname: Option<bool>,
    /// Mount the file; `None` = when possible.
    pub mount: Option<bool>,
}

impl std::default::Default for HostsFile {
    fn default() -> HostsFile {
        HostsFile {
            copy_from_host: true,
            localhost: None,
            public_hostname: None,
            mount: None,
        }
    }
}

/// A listening socket of a process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TcpPort {
    /// Descriptor; 0 is standard input.
    pub fd: u16,
    /// Address to listen on.
    pub host: IpAddr,
    /// SO_REUSEADDR.
    pub reuse_addr: bool,
    /// SO_REUSEPORT, a socket per process.
    pub reuse_port: bool,
    /// O_NONBLOCK.
    pub set_non_block: bool,
    /// Connections that wait.
    pub listen_backlog: u32,
    /// In the host's network though the sandbox is bridged.
    pub external: bool,
}

impl TcpPort {
    /// What a variable with socket activation asks for.
    pub fn activated(fd: u16) -> TcpPort {
        TcpPort {
            fd,
            host: Ipv4Addr::UNSPECIFIED.into(),
            reuse_addr: true,
            reuse_port: false,
            set_non_block: false,
            listen_backlog: 128,
            external: false,
        }
    }
}

/// How a process shows that it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ready {
    /// Port, after substitution.
    #[serde(default)]
    pub tcp: Option<String>,
    /// File inside.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// It says so on a socket.
    pub notify: bool,
    /// Seconds.
    pub timeout: u32,
}

/// Pauses after failures.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Backoff {
    /// Longest pause, seconds; 0 = it does not grow.
    pub max: u32,
    /// Random part, percent.
    pub jitter: u32,
}

impl std::default::Default for Backoff {
    fn default() -> Backoff {
        Backoff { max: 0, jitter: 10 }
    }
}

/// The checked file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Container {
    /// How it may be used.
    pub kind: Role,
    /// Types of variables.
    pub variables: BTreeMap<String, VariableType>,
    /// Mount point to what is mounted.
    pub volumes: BTreeMap<PathBuf, Volume>,
    /// User id inside.
    #[serde(default)]
    pub user_id: Option<u32>,
    /// Group id inside.
    #[serde(default)]
    pub group_id: Option<u32>,
    /// Bytes; `i64::MAX` = no limit.
    pub memory_limit: u64,
    /// As in control groups of version 1, 2 to 262144.
    pub cpu_shares: u64,
    /// RLIMIT_NOFILE, soft and hard.
    pub fileno_limit: u64,
    /// Seconds.
    pub restart_timeout: u32,
    /// Seconds.
    pub kill_timeout: u32,
    /// Program, also its zeroth argument.
    pub executable: String,
    /// The other arguments, before substitution.
    pub arguments: Vec<String>,
    /// Environment, before substitution.
    pub environ: BTreeMap<String, String>,
    /// Encrypted variables, each with the values to try.
    #[serde(deserialize_with = "alternatives")]
    pub secret_environ: BTreeMap<String, Vec<String>>,
    /// File with such a mapping.
    #[serde(default)]
    pub secret_environ_file: Option<PathBuf>,
    /// Encrypted files, each with the values to try.
    #[serde(deserialize_with = "alternatives")]
    pub secret_files: BTreeMap<String, Vec<String>>,
    /// Working directory.
    pub workdir: PathBuf,
    /// `/etc/resolv.conf`.
    pub resolv_conf: ResolvConf,
    /// `/etc/hosts`.
    pub hosts_file: HostsFile,
    /// User namespace.
    pub uid_map: Vec<IdMap>,
    /// User namespace.
    pub gid_map: Vec<IdMap>,
    /// File inside for all output.
    #[serde(default)]
    pub stdout_stderr_file: Option<PathBuf>,
    /// Keep the caller's input and output.
    pub interactive: bool,
    /// Restart in the same container.
    pub restart_process_only: bool,
    /// Exit codes that are no failures.
    pub normal_exit_codes: Vec<u8>,
    /// Port, before substitution, to socket.
    pub tcp_ports: BTreeMap<String, TcpPort>,
    /// Bytes.
    #[serde(default)]
    pub memory_high: Option<u64>,
    /// Bytes.
    #[serde(default)]
    pub memory_swap: Option<u64>,
    /// Percent of one processor.
    #[serde(default)]
    pub cpu_quota: Option<u64>,
    /// Processes.
    #[serde(default)]
    pub pids_limit: Option<u64>,
    /// 1 to 10000.
    #[serde(default)]
    pub io_weight: Option<u64>,
    /// Disk access by mount point.
    pub io_limit: IoCeilings,
    /// Name of a signal, with or without SIG, or its number.
    pub stop_signal: String,
    /// Readiness.
    #[serde(default)]
    pub ready: Option<Ready>,
    /// Pauses after failures.
    pub restart_backoff: Backoff,
}

impl Level for Container {
    const KIND: Kind = Kind::Structure(&Structure {
        keys: &[KEYS, LIMITS],
        scalar: None,
    });
    const APART: &'static [&'static str] = &["metadata"];
}

/// Encrypted variables in a file of their own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secrets(#[serde(deserialize_with = "alternatives")] pub BTreeMap<String, Vec<String>>);

impl Level for Secrets {
    const KIND: Kind = Kind::Map(KeyRule::Any, &Kind::ShellOrCommand);
}

/// A text, or several; the loader tells them apart as it does for commands.
#[derive(Deserialize)]
enum OneOrMore {
    Shell(String),
    Command(Vec<String>),
}

fn alternatives<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    let read = BTreeMap::<String, OneOrMore>::deserialize(d)?;
    let list = |value| match value {
        OneOrMore::Shell(one) => vec![one],
        OneOrMore::Command(several) => several,
    };
    Ok(read.into_iter().map(|(k, v)| (k, list(v))).collect())
}
