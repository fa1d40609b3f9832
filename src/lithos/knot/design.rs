//! A container as a value: everything that was decided about it, from which it is set up without further questions.
//!
//! Nothing here asks the kernel. Printed, it is the plan that `lithos_check --explain` shows.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::container::Plan;
use crate::lithos::config::IoRates;
use crate::lithos::network::Attachment;
use crate::sys::capability::Capabilities;
use crate::sys::cgroup::Limits;
use crate::sys::listen;
use crate::sys::namespace::IdMap;
use crate::sys::process::name_of_signal;

/// One container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Design {
    /// `SB/PROC.N` or `SB/cmd.COMMAND.PID`.
    pub name: String,
    /// The root file system.
    pub root: Plan,
    /// Files made for this container alone and mounted over files of the image.
    pub files: Vec<Generated>,
    /// Directories that must be there before the root is prepared.
    pub directories: Vec<Directory>,
    /// Ids inside and outside.
    pub ids: Ids,
    /// The process.
    pub process: Process,
    /// Listening sockets.
    pub sockets: Vec<Socket>,
    /// Limits of the control group.
    pub limits: Limits,
    /// Ceilings of disk access.
    pub disks: Vec<DiskCeiling>,
    /// Its network.
    pub network: Network,
    /// What happens when the process ends, or has to.
    pub supervision: Supervision,
}

/// A file of the container, root's and read-only for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Name in the state directory, where a copy lies for images that link to it.
    pub name: &'static str,
    /// File of the image that it covers; `None` = only the copy is made.
    pub target: Option<PathBuf>,
    /// Permission bits.
    pub mode: u32,
    /// Content.
    pub content: Vec<u8>,
}

/// A directory beneath another that is made when it is missing. Ids are those of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Trusted directory of the host; links in `path` cannot lead out of it.
    pub beneath: PathBuf,
    /// Path in it.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// One that exists gets owner and mode, too.
    pub always: bool,
}

/// A ceiling of disk access, for the device that holds a place of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCeiling {
    /// Trusted path of the host.
    pub beneath: PathBuf,
    /// Path in that directory, whose links cannot lead out of it; `None` = `beneath` itself, which may be a block device.
    pub path: Option<PathBuf>,
    /// Most in a second.
    pub rates: IoRates,
}

/// Ids of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// User inside.
    pub uid: u32,
    /// Group inside.
    pub gid: u32,
    /// User ids of the user namespace; empty = there is none.
    pub uid_map: IdMap,
    /// Group ids of the user namespace.
    pub gid_map: IdMap,
}

impl Ids {
    /// True when the container has a user namespace of its own.
    pub fn is_mapped(&self) -> bool {
        !self.uid_map.0.is_empty() || !self.gid_map.0.is_empty()
    }

    /// The host's user id for one inside.
    pub fn outside_uid(&self, uid: u32) -> Option<u32> {
        outside(self.is_mapped(), &self.uid_map, uid)
    }

    /// The host's group id for one inside.
    pub fn outside_gid(&self, gid: u32) -> Option<u32> {
        outside(self.is_mapped(), &self.gid_map, gid)
    }
}

fn outside(mapped: bool, map: &IdMap, id: u32) -> Option<u32> {
    match mapped {
        true => map.to_outside(id),
        false => Some(id),
    }
}

/// The process as it is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Path of the program, also its zeroth argument.
    pub program: String,
    /// The other arguments.
    pub arguments: Vec<String>,
    /// Environment, in the order it is passed on.
    pub environment: Vec<(String, String)>,
    /// Variables that get the process id as the container sees it.
    pub pid_variables: Vec<String>,
    /// Working directory.
    pub workdir: PathBuf,
    /// RLIMIT_NOFILE, soft and hard.
    pub open_files: u64,
    /// What it can do as root, or be given.
    pub capabilities: Capabilities,
    /// It has the capabilities although it is not root.
    pub ambient: bool,
    /// The filter of system calls is installed.
    pub seccomp: bool,
    /// It keeps standard output and error of whoever started it.
    pub interactive: bool,
    /// File inside for standard output and error.
    pub output: Option<PathBuf>,
}

impl Process {
    /// Sets variables, but for those that lithos itself sets.
    pub fn set(&mut self, variables: Vec<(String, String)>) {
        for (name, value) in variables {
            if name == "LITHOS_NAME" || name == "LITHOS_CONFIG" || self.pid_variables.contains(&name) {
                continue;
            }
            self.environment.retain(|(other, _)| *other != name);
            self.environment.push((name, value));
        }
    }
}

/// A listening socket of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Descriptor of the process.
    pub fd: i32,
    /// Where it listens.
    pub address: SocketAddr,
    /// How.
    pub options: listen::Options,
    /// In the container's own network, rather than the host's.
    pub inside: bool,
}

/// The network of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// The host's.
    Host,
    /// Its own, with a loopback only.
    Loopback,
    /// Its own, connected; and a program with arguments that is run once it is (empty = none).
    Bridged(Attachment, Vec<String>),
}

/// How the process is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervision {
    /// Signal that asks it to stop.
    pub stop_signal: i32,
    /// Time it has for that.
    pub kill_timeout: Duration,
    /// A failed process is started again in the same container.
    pub in_place: bool,
    /// Least time between two such starts.
    pub restart_timeout: Duration,
    /// Exit codes that are no failures.
    pub normal: BTreeSet<u8>,
    /// How it shows that it is ready.
    pub ready: Option<Ready>,
}

/// How a process shows that it is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// What to look for.
    pub condition: Condition,
    /// Time until it counts as failed.
    pub timeout: Duration,
}

/// What a ready process has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It accepts connections on this port of the loopback address or of its own.
    Tcp(SocketAddr),
    /// It has made this file.
    File(PathBuf),
    /// It has said `READY=1`, see sd_notify(3).
    Notify,
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "container {}", self.name)?;
        for directory in &self.directories {
            writeln!(f, "{directory}")?;
        }
        write!(f, "{}", self.root)?;
        for file in &self.files {
            writeln!(f, "{file}")?;
        }
        write!(f, "{}{}", self.ids, self.process)?;
        for socket in &self.sockets {
            writeln!(f, "{socket}")?;
        }
        writeln!(f, "limits {}", limits(&self.limits))?;
        for disk in &self.disks {
            writeln!(f, "{disk}")?;
        }
        writeln!(f, "network {}", self.network)?;
        write!(f, "{}", self.supervision)
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Directory {
            beneath,
            path,
            mode,
            uid,
            gid,
            always,
        } = self;
        let path = path.strip_prefix("/").unwrap_or(path).display();
        let when = if *always { "" } else { " if missing" };
        write!(
            f,
            "directory {}//{path} mode={mode:o} uid={uid} gid={gid}{when}",
            beneath.display()
        )
    }
}

impl fmt::Display for DiskCeiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limits of the disk of {}", self.beneath.display())?;
        if let Some(path) = self.path.as_ref().filter(|path| !path.as_os_str().is_empty()) {
            write!(f, "//{}", path.strip_prefix("/").unwrap_or(path).display())?;
        }
        let rates = [
            ("read-bytes", self.rates.read_bytes),
            ("write-bytes", self.rates.write_bytes),
            ("read-operations", self.rates.read_operations),
            ("write-operations", self.rates.write_operations),
        ];
        for (name, rate) in rates {
            if let Some(rate) = rate {
                write!(f, " {name}={rate}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.content.len();
        match &self.target {
            Some(target) => write!(f, "file {} generated ro bytes={bytes}", target.display()),
            None => write!(f, "file {} of the state directory, bytes={bytes}", self.name),
        }
    }
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |id: Option<u32>| id.map_or("not mapped".into(), |id| id.to_string());
        let (uid, gid) = (self.outside_uid(self.uid), self.outside_gid(self.gid));
        writeln!(f, "user {} (outside {})", self.uid, shown(uid))?;
        writeln!(f, "group {} (outside {}) without others", self.gid, shown(gid))?;
        for (name, map) in [("uid-map", &self.uid_map), ("gid-map", &self.gid_map)] {
            for line in map.to_string().lines() {
                writeln!(f, "{name} {line}")?;
            }
        }
        Ok(())
    }
}

/// Values of variables are shown as they are: secrets are not among them, they are opened at the start.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {:?}", self.program)?;
        for argument in &self.arguments {
            write!(f, " {argument:?}")?;
        }
        writeln!(f, "\nworkdir {}", self.workdir.display())?;
        for (name, value) in &self.environment {
            writeln!(f, "environ {name}={value:?}")?;
        }
        for name in &self.pid_variables {
            writeln!(f, "environ {name}=(process id)")?;
        }
        let how = if self.ambient { " ambient" } else { "" };
        writeln!(f, "capabilities {}{how}", self.capabilities)?;
        writeln!(f, "no-new-privileges yes")?;
        writeln!(f, "seccomp {}", if self.seccomp { "default" } else { "off" })?;
        writeln!(f, "open-files {}", self.open_files)?;
        match (&self.output, self.interactive) {
            (_, true) => writeln!(f, "output of the caller"),
            (Some(file), _) => writeln!(f, "output {}", file.display()),
            (None, _) => writeln!(f, "output of the sandbox"),
        }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.inside { "container" } else { "host" };
        let backlog = self.options.backlog;
        write!(
            f,
            "listen {} fd={} backlog={backlog} network={place}",
            self.address, self.fd
        )
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network::Host => f.write_str("host"),
            Network::Loopback => f.write_str("loopback only"),
            Network::Bridged(a, _) => {
                write!(
                    f,
                    "bridge={} address={}/{}",
                    a.bridge, a.address.ip, a.address.prefix
                )?;
                match a.gateway {
                    Some(gateway) => write!(f, " gateway={gateway}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Supervision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "stop signal={} kill-timeout={:?}",
            name_of_signal(self.stop_signal),
            self.kill_timeout
        )?;
        if self.in_place {
            writeln!(f, "restart in place, at most every {:?}", self.restart_timeout)?;
        }
        if let Some(ready) = &self.ready {
            writeln!(f, "ready {:?} timeout={:?}", ready.condition, ready.timeout)?;
        }
        Ok(())
    }
}

fn limits(limits: &Limits) -> String {
    let all = [
        ("memory", limits.memory),
        ("memory-high", limits.memory_high),
        ("memory-swap", limits.memory_swap),
        ("cpu-shares", limits.cpu_shares),
        ("cpu-quota-us", limits.cpu_quota),
        ("pids", limits.pids),
        ("io-weight", limits.io_weight),
    ];
    let set: Vec<String> = all
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", (*value)?)))
        .collect();
    match set.is_empty() {
        true => "none".into(),
        false => set.join(" "),
    }
}
