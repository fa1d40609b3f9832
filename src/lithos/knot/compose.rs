//! From the four levels of configuration to the [`Design`] of one container. Pure: what has to be looked up on the host
//! comes in as [`Facts`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::design::*;
use super::hosts;
use crate::container::plan::Owner;
use crate::container::{Base, Op, Plan, Source};
use crate::lithos::config::{self, Container, IdMap as Map, Master, Sandbox, Volume};
use crate::lithos::instance::{Effective, Listener};
use crate::lithos::network::Attachment;
use crate::lithos::policy;
use crate::sys::capability::Capabilities;
use crate::sys::cgroup::{Limits, CPU_PERIOD};
use crate::sys::listen;
use crate::sys::mount::Flags;
use crate::sys::namespace::{IdMap, IdMapping};
use crate::sys::netlink::Address;
use crate::sys::process::signal_by_name;

/// What root may do in a container, as in other engines but for what is useless without devices and raw sockets, and
/// CAP_SETFCAP, with which files could be given capabilities for later.
const ROOT: Capabilities = Capabilities::CHOWN
    .and(Capabilities::DAC_OVERRIDE)
    .and(Capabilities::FOWNER)
    .and(Capabilities::FSETID)
    .and(Capabilities::KILL)
    .and(Capabilities::SETGID)
    .and(Capabilities::SETUID)
    .and(Capabilities::SETPCAP)
    .and(Capabilities::NET_BIND_SERVICE)
    .and(Capabilities::SYS_CHROOT);

/// Parts of procfs and sysfs that tell about the machine or its memory.
const MASKED: [&str; 14] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// The group of terminals, everywhere.
const TTY: u32 = 5;

/// What was looked up on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The image has an ordinary file `/etc/hosts` in an ordinary directory.
    pub has_hosts: bool,
    /// The same for `/etc/resolv.conf`.
    pub has_resolv_conf: bool,
    /// The texts from which both are made.
    pub texts: hosts::Texts,
    /// `TERM` of whoever starts the container.
    pub term: Option<String>,
}

/// Everything that decides about a container.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// `SB/PROC.N`.
    pub name: &'a str,
    /// Its state directory, below that of the machine; the name, but for a standby.
    pub state: &'a str,
    /// The machine.
    pub master: &'a Master,
    /// The application.
    pub sandbox: &'a Sandbox,
    /// The image's own file.
    pub container: &'a Container,
    /// Its path in the image.
    pub config: &'a str,
    /// Name of the image below `image-dir`.
    pub image: &'a str,
    /// Address in a bridged sandbox.
    pub address: Option<IpAddr>,
    /// What the container file says with its variables replaced.
    pub values: &'a Effective,
    /// What was looked up.
    pub facts: &'a Facts,
}

/// Decides about what has passed [`policy::check`]. Errors: one line that names the key and what is wrong with it.
pub fn compose(s: &Sources<'_>) -> Result<Design, String> {
    let ids = ids(s.sandbox, s.container)?;
    let bridged = s.sandbox.bridged_network.is_some();
    let files = hosts::files(s.sandbox, s.container, s.facts)?;
    let mut ops = kernel_mounts(s.master, &ids, bridged);
    let mut directories = Vec::new();
    let mut points: Vec<_> = s.container.volumes.iter().collect();
    // Parents come before what lies below them.
    points.sort_by_key(|(point, _)| point.as_os_str().len());
    for (point, volume) in points {
        ops.push(mount(s, &ids, point, volume, &mut directories)?);
    }
    let process = process(s, &ids, bridged);
    Ok(Design {
        name: s.name.to_string(),
        root: Plan {
            base: Base::Bind {
                source: Source::Beneath {
                    dir: s.sandbox.image_dir.clone(),
                    path: s.image.into(),
                },
                write: false,
            },
            ops,
        },
        files,
        directories,
        sockets: sockets(s, bridged),
        limits: limits(s.sandbox, s.container),
        disks: disks(s)?,
        network: network(s),
        supervision: supervision(s)?,
        ids,
        process,
    })
}

fn ids(sandbox: &Sandbox, container: &Container) -> Result<Ids, String> {
    let (uid_map, gid_map) = policy::maps(sandbox, container);
    let ids = policy::effective_ids(sandbox, container).ok_or("user-id: is missing")?;
    Ok(Ids {
        uid: ids.uid,
        gid: ids.gid,
        uid_map: kernel_map(uid_map),
        gid_map: kernel_map(gid_map),
    })
}

fn kernel_map(map: &[Map]) -> IdMap {
    let line = |m: &Map| IdMapping {
        inside: m.inside,
        outside: m.outside,
        count: m.count,
    };
    IdMap(map.iter().map(line).collect())
}

fn kernel_mounts(master: &Master, ids: &Ids, own_network: bool) -> Vec<Op> {
    let mut ops = vec![
        Op::Volume {
            source: Source::Host(master.devfs_dir.clone()),
            target: "/dev".into(),
            flags: Flags::READ_ONLY | Flags::NOSUID | Flags::NOEXEC,
        },
        Op::Devpts {
            target: "/dev/pts".into(),
            tty: ids.outside_gid(TTY).is_some(),
        },
        Op::Sysfs {
            target: "/sys".into(),
            own_network,
        },
        Op::Proc {
            target: "/proc".into(),
            guard: true,
        },
    ];
    // Before any volume: what an image redirects comes too late.
    ops.extend(MASKED.map(|path| Op::Mask { target: path.into() }));
    ops
}

fn mount(
    s: &Sources<'_>,
    ids: &Ids,
    point: &Path,
    volume: &Volume,
    directories: &mut Vec<Directory>,
) -> Result<Op, String> {
    let shown = point.display();
    let fail = |why: String| format!("volume {shown}: {why}");
    let target = point.to_path_buf();
    let exec = if s.sandbox.allow_exec_volumes {
        Flags::empty()
    } else {
        Flags::NOEXEC
    };
    let writable = Flags::NOSUID | Flags::NODEV | exec;
    let owner = |uid: u32, gid: u32| match (ids.outside_uid(uid), ids.outside_gid(gid)) {
        (Some(uid), Some(gid)) => Ok((uid, gid)),
        _ => Err(fail(format!("user {uid} or group {gid} is not in the maps"))),
    };
    match volume {
        Volume::Readonly(path) => {
            let maps = [&s.sandbox.readonly_paths, &s.sandbox.writable_paths];
            Ok(Op::Volume {
                source: beneath(path, &maps).map_err(fail)?.into_source(),
                target,
                flags: Flags::READ_ONLY | Flags::NOSUID | Flags::NODEV,
            })
        }
        Volume::Persistent(v) => {
            let place = beneath(&v.path, &[&s.sandbox.writable_paths]).map_err(fail)?;
            if v.mkdir {
                let (uid, gid) = owner(v.user, v.group)?;
                directories.push(place.directory(v.mode, uid, gid, false));
            }
            Ok(Op::Volume {
                source: place.into_source(),
                target,
                flags: writable,
            })
        }
        Volume::Statedir(v) => {
            let place = Place {
                beneath: s.master.state_dir().join(s.state),
                path: plain(&v.path).map_err(fail)?,
            };
            let (uid, gid) = owner(v.user, v.group)?;
            directories.push(place.directory(v.mode, uid, gid, true));
            Ok(Op::Volume {
                source: place.into_source(),
                target,
                flags: writable,
            })
        }
        Volume::Tmpfs(v) => Ok(Op::Tmpfs {
            target,
            size: Some(v.size),
            mode: v.mode,
            owner: tmpfs_owner(ids),
        }),
    }
}

/// Root of the container, or whoever there is.
fn tmpfs_owner(ids: &Ids) -> Owner {
    let root = |outside: Option<u32>, own: u32| if outside.is_some() { 0 } else { own };
    Owner {
        uid: Some(root(ids.outside_uid(0), ids.uid)),
        gid: Some(root(ids.outside_gid(0), ids.gid)),
    }
}

/// A path without its root, that goes only down.
fn plain(path: &Path) -> Result<PathBuf, String> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::RootDir | Component::CurDir => {}
            _ => return Err(format!("{} has `..` in it", path.display())),
        }
    }
    Ok(out)
}

/// A path in a directory of the host.
struct Place {
    beneath: PathBuf,
    path: PathBuf,
}

impl Place {
    fn into_source(self) -> Source {
        Source::Beneath {
            dir: self.beneath,
            path: self.path,
        }
    }

    fn directory(&self, mode: u32, uid: u32, gid: u32, always: bool) -> Directory {
        Directory {
            beneath: self.beneath.clone(),
            path: self.path.clone(),
            mode,
            uid,
            gid,
            always,
        }
    }
}

/// Where a virtual path leads.
fn beneath(path: &Path, maps: &[&BTreeMap<PathBuf, PathBuf>]) -> Result<Place, String> {
    let found = policy::host_path(path, maps)?;
    Ok(Place {
        beneath: found.base,
        path: found.rest,
    })
}

fn process(s: &Sources<'_>, ids: &Ids, bridged: bool) -> Process {
    let root = ids.uid == 0;
    let capabilities = match (root, bridged) {
        (true, _) => ROOT,
        (false, true) => Capabilities::NET_BIND_SERVICE,
        (false, false) => Capabilities::empty(),
    };
    let (environment, pid_variables) = environment(s);
    Process {
        program: s.container.executable.clone(),
        arguments: s.values.arguments.clone(),
        environment,
        pid_variables,
        workdir: s.container.workdir.clone(),
        open_files: policy::ceilings(s.sandbox, s.container).fileno,
        capabilities,
        ambient: !root && bridged,
        seccomp: s.sandbox.seccomp == config::sandbox::Seccomp::Default,
        interactive: s.container.interactive,
        output: s.container.stdout_stderr_file.clone(),
    }
}

/// Later entries replace earlier ones.
fn environment(s: &Sources<'_>) -> (Vec<(String, String)>, Vec<String>) {
    let term = s.facts.term.clone().unwrap_or_else(|| "dumb".into());
    let mut all = BTreeMap::from([("TERM".to_string(), term)]);
    all.extend(s.values.environ.clone());
    all.insert("LITHOS_NAME".into(), s.name.into());
    all.insert("LITHOS_CONFIG".into(), s.config.into());
    let pids = s.values.pid_variables.clone();
    all.retain(|name, _| !pids.contains(name));
    (all.into_iter().collect(), pids)
}

fn sockets(s: &Sources<'_>, bridged: bool) -> Vec<Socket> {
    let socket = |Listener { port, socket }: &Listener| Socket {
        fd: i32::from(socket.fd),
        address: SocketAddr::new(socket.host, *port),
        options: listen::Options {
            reuse_addr: socket.reuse_addr,
            reuse_port: socket.reuse_port,
            non_block: socket.set_non_block,
            backlog: i32::try_from(socket.listen_backlog).unwrap_or(i32::MAX),
        },
        inside: bridged && !socket.external,
    };
    s.values.listeners.iter().map(socket).collect()
}

/// The image asks, the sandbox has the last word.
fn limits(sandbox: &Sandbox, container: &Container) -> Limits {
    let ceilings = policy::ceilings(sandbox, container);
    Limits {
        memory: ceilings.memory,
        memory_high: container.memory_high,
        // As in the original, a limit of memory is one of memory and swap together.
        memory_swap: container.memory_swap.or(ceilings.memory.map(|_| 0)),
        cpu_shares: Some(container.cpu_shares),
        cpu_quota: ceilings
            .cpu
            .map(|percent| percent.saturating_mul(CPU_PERIOD / 100)),
        pids: ceilings.pids,
        io_weight: container.io_weight,
        io_max: Vec::new(),
        oom_group: false,
    }
}

/// Those of the sandbox by places of the host, those of the image by its mount points.
fn disks(s: &Sources<'_>) -> Result<Vec<DiskCeiling>, String> {
    let of_sandbox = s.sandbox.max_io.iter().map(|(path, rates)| {
        Ok(DiskCeiling {
            beneath: path.clone(),
            path: None,
            rates: rates.clone(),
        })
    });
    let of_image = s.container.io_limit.iter().map(|(point, rates)| {
        let place = disk_place(s, point).map_err(|why| format!("io-limit {}: {why}", point.display()))?;
        Ok(DiskCeiling {
            beneath: place.beneath,
            path: Some(place.path),
            rates: rates.clone(),
        })
    });
    of_sandbox.chain(of_image).collect()
}

fn disk_place(s: &Sources<'_>, point: &Path) -> Result<Place, String> {
    let (readonly, writable) = (&s.sandbox.readonly_paths, &s.sandbox.writable_paths);
    match s.container.volumes.get(point) {
        Some(Volume::Readonly(path)) => beneath(path, &[readonly, writable]),
        Some(Volume::Persistent(v)) => beneath(&v.path, &[writable]),
        Some(Volume::Statedir(_)) => Ok(Place {
            beneath: s.master.state_dir(),
            path: s.state.into(),
        }),
        Some(Volume::Tmpfs(_)) => Err("is memory, on no disk".into()),
        None if point == Path::new("/") => Ok(Place {
            beneath: s.sandbox.image_dir.clone(),
            path: s.image.into(),
        }),
        None => Err("is neither / nor the mount point of a volume".into()),
    }
}

fn network(s: &Sources<'_>) -> Network {
    let Some(bridged) = &s.sandbox.bridged_network else {
        return Network::Host;
    };
    let Some(ip) = s.address else {
        return Network::Loopback;
    };
    let attachment = Attachment {
        bridge: bridged.bridge.clone(),
        address: Address {
            ip,
            prefix: bridged.network.prefix,
        },
        gateway: bridged.default_gateway,
    };
    Network::Bridged(attachment, bridged.after_setup_command.clone())
}

fn supervision(s: &Sources<'_>) -> Result<Supervision, String> {
    let container = s.container;
    Ok(Supervision {
        stop_signal: signal_by_name(&container.stop_signal)
            .ok_or_else(|| format!("stop-signal: {:?} is no signal", container.stop_signal))?,
        kill_timeout: Duration::from_secs(container.kill_timeout.into()),
        in_place: container.restart_process_only,
        restart_timeout: Duration::from_secs(container.restart_timeout.into()),
        normal: container.normal_exit_codes.iter().copied().collect(),
        ready: ready(s)?,
    })
}

fn ready(s: &Sources<'_>) -> Result<Option<Ready>, String> {
    let Some(ready) = &s.container.ready else {
        return Ok(None);
    };
    let condition = match (s.values.ready_port, &ready.file, ready.notify) {
        (Some(port), None, false) => {
            let ip = s.address.unwrap_or(Ipv4Addr::LOCALHOST.into());
            Condition::Tcp(SocketAddr::new(ip, port))
        }
        (None, Some(file), false) => Condition::File(file.clone()),
        (None, None, true) => Condition::Notify,
        _ => return Err("ready: exactly one of tcp, file and notify has to be set".into()),
    };
    Ok(Some(Ready {
        condition,
        timeout: Duration::from_secs(ready.timeout.into()),
    }))
}
