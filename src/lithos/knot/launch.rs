//! `lithos_knot` on the host: reads, opens and makes everything, then clones the first process of the container and is
//! done. With a start channel that process becomes a child of the tree; without, this one waits for it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use log::Level;

use super::alone::wait_for;
use super::design::{Design, Network, Socket};
use super::disks;
use super::flags::{Key, TOOL};
use super::inner::{wait_for_release, Inner};
use super::load::{load, Loaded};
use super::message::{self, exit, Message, START_FD};
use super::opened::Plain;
use super::report::Report;
use super::{secret_files, stamps, state};
use crate::cli::Parsed;
use crate::container::{Op, Plan, Source};
use crate::lithos::beside;
use crate::lithos::config::ProcessKind;
use crate::lithos::log::journal::Journal;
use crate::lithos::log::lines::Form;
use crate::lithos::log::syslog::Syslog;
use crate::lithos::network;
use crate::sys::cgroup::{Cgroups, Limits, Options, Scope};
use crate::sys::descriptors::{close_all_but, inherited};
use crate::sys::mount::Flags;
use crate::sys::namespace::{write_maps, MapMethod};
use crate::sys::passing::Passage;
use crate::sys::process::{self, Child, Fork, Namespaces, WaitOptions};
use crate::sys::sibling::{fork_sibling, fork_sibling_into};
use crate::sys::{handover, listen};

/// Entry point of the executable; returns the exit code.
pub fn main() -> i32 {
    if let Err(e) = crate::sys::start::begin() {
        eprintln!("Fatal error: {e}");
        return exit::SETUP.into();
    }
    let parsed = match TOOL.start() {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let (Some(name), Some(json)) = (parsed.last(Key::Name), parsed.last(Key::Config)) else {
        return TOOL.wrong("--name and --config are required");
    };
    let channel = start_channel();
    let standby = channel.is_some() && std::env::var_os(message::STANDBY).is_some();
    if standby {
        // From the first moment: nobody may take it for a container that runs.
        let _ = nix::sys::prctl::set_name(message::STANDBY_NAME);
    }
    match Launch::begin(&parsed, name, json, standby, channel.as_ref()) {
        Ok(launch) => launch.run(channel).into(),
        Err(e) => {
            eprintln!("Fatal error: {e}");
            if let Some(channel) = &channel {
                let _ = message::send(channel, &Message::Failed(e), None);
            }
            exit::SETUP.into()
        }
    }
}

fn start_channel() -> Option<Passage> {
    let number = std::env::var(START_FD).ok()?.parse().ok()?;
    Passage::inherited(inherited(number)?).ok()
}

/// Everything is decided, nothing is made yet.
struct Launch {
    loaded: Loaded,
    design: Design,
    report: Report,
    sockets: Vec<(OwnedFd, i32)>,
    /// To be put into files.
    secrets: Vec<Plain>,
    /// Of a standby: what it is made from.
    stamps: Option<File>,
}

impl Launch {
    fn begin(
        parsed: &Parsed<Key>,
        name: &str,
        json: &str,
        standby: bool,
        channel: Option<&Passage>,
    ) -> Result<Launch, String> {
        let master = parsed.last(Key::Master);
        let master = Path::new(master.unwrap_or(crate::lithos::config::master::DEFAULT_PATH));
        let mut loaded = load(master, name, json)?;
        let mut stamps = None;
        if standby {
            stamps = Some(stamped(&stamps::take(master, &loaded)).map_err(|e| e.to_string())?);
            // Again: what was written in between is not what the stamps are about.
            loaded = load(master, name, json)?;
            loaded.standby = true;
        }
        let level = parsed.last(Key::LogLevel).or(loaded.sandbox.log_level.as_deref());
        let level = level.unwrap_or(&loaded.master.log_level).to_string();
        let log = loaded.sandbox.log_file(&loaded.name.sandbox, &loaded.master);
        let stderr = parsed.has(Key::LogStderr);
        if channel.is_none() {
            state::make_bases(&loaded.master)?;
        }
        let form = Form {
            format: loaded.sandbox.output_format,
            name: name.to_string(),
        };
        let syslog = Syslog::of_sandbox(&loaded.master, &loaded.name.sandbox);
        let journal = Journal::open_or_stderr(&log, &level, stderr).to_syslog(syslog);
        let report = Report::open(form, journal, &loaded.output_log()).map_err(|e| e.to_string())?;
        let said = |e: String| {
            report.say(Level::Error, &format!("{name}: {e}"));
            e
        };
        let mut design = loaded
            .design(&parsed.positionals, std::env::var("TERM").ok())
            .map_err(said)?;
        // After what the file says, before what lithos says.
        let secrets = super::opened::open(&loaded).map_err(said)?;
        design.process.set(secrets.environ);
        let mut keep = report.fds();
        keep.push(loaded.image.as_fd());
        keep.extend(stamps.as_ref().map(AsFd::as_fd));
        let sockets = Self::sockets(&design, &keep, channel).map_err(said)?;
        Ok(Launch {
            loaded,
            design,
            report,
            sockets,
            secrets: secrets.files,
            stamps,
        })
    }

    /// Sockets of the tree have the numbers of the configuration already; what else was inherited is closed. Missing
    /// ones are opened here: without a tree there is nobody else, and `reuse-port` means one for each process.
    fn sockets(
        design: &Design,
        known: &[BorrowedFd<'_>],
        channel: Option<&Passage>,
    ) -> Result<Vec<(OwnedFd, i32)>, String> {
        let mut sockets = Vec::new();
        let wanted = |socket: &&Socket| !socket.inside;
        if channel.is_some() {
            for socket in design.sockets.iter().filter(wanted) {
                sockets.extend(inherited(socket.fd).map(|fd| (fd, socket.fd)));
            }
        }
        let mut keep = known.to_vec();
        keep.extend(sockets.iter().map(|(fd, _)| fd.as_fd()));
        keep.extend(channel.map(AsFd::as_fd));
        close_all_but(3, &keep).map_err(|e| format!("close inherited descriptors: {e}"))?;
        for socket in design.sockets.iter().filter(wanted) {
            if !sockets.iter().any(|(_, fd)| *fd == socket.fd) {
                let fd = listen::tcp(socket.address, &socket.options)
                    .map_err(|e| format!("listen on {}: {e}", socket.address))?;
                sockets.push((fd, socket.fd));
            }
        }
        Ok(sockets)
    }

    fn fail(&self, channel: Option<&Passage>, why: String) -> u8 {
        self.report
            .say(Level::Error, &format!("{}: {why}", self.design.name));
        eprintln!("Fatal error: {why}");
        if let Some(channel) = channel {
            let _ = message::send(channel, &Message::Failed(why), None);
        }
        exit::SETUP
    }

    /// Without a tree this process stays until the container has ended, and cleans up.
    fn run(self, channel: Option<Passage>) -> u8 {
        let (name, base) = (self.design.name.clone(), self.loaded.master.state_dir());
        if channel.is_some() {
            return self.start(channel).0;
        }
        let (code, cleanable) = self.start(None);
        if cleanable {
            let _ = state::remove(&base, &name);
        }
        code
    }

    /// The exit code, and whether this is the process outside.
    fn start(mut self, channel: Option<Passage>) -> (u8, bool) {
        let made = match self.make(channel.is_some()) {
            Ok(made) => made,
            Err(e) => return (self.fail(channel.as_ref(), e), true),
        };
        let plan = std::mem::take(&mut self.design.root.ops);
        let plan = Plan {
            base: self.design.root.base.clone(),
            ops: plan,
        };
        let prepared = match plan.prepare() {
            Ok(prepared) => prepared,
            Err(e) => return (self.fail(channel.as_ref(), e.to_string()), true),
        };
        let cloned = process::pipe().and_then(|(read, write)| {
            let side = match channel.is_some() {
                true => fork_for_tree(self.namespaces(), made.scope.as_ref())?,
                false => fork(self.namespaces())?,
            };
            Ok((side, read, write))
        });
        let (side, read, write) = match cloned {
            Ok(cloned) => cloned,
            Err(e) => return (self.fail(channel.as_ref(), format!("new namespaces: {e}")), true),
        };
        match side {
            Side::Inside => {
                drop(write);
                if !wait_for_release(read.as_fd()) {
                    return (exit::SETUP, false);
                }
                drop(read);
                self.inner(channel, made).run(prepared)
            }
            Side::Outside(child) => {
                // Closed by the end of this process, or with the container.
                std::mem::forget(prepared);
                let code = self.outside(&child, write, channel.as_ref(), made.scope.as_ref());
                if channel.is_some() {
                    // All at once what is open, instead of one by one.
                    process::exit_now(code.into());
                }
                (code, true)
            }
        }
    }

    fn namespaces(&self) -> Namespaces {
        let mut set = Namespaces::MOUNT | Namespaces::PID | Namespaces::IPC | Namespaces::UTS;
        if self.design.ids.is_mapped() {
            set = set | Namespaces::USER;
        }
        if self.design.network != Network::Host {
            set = set | Namespaces::NET;
        }
        set
    }

    /// What has to exist before the root can be prepared.
    fn make(&mut self, has_tree: bool) -> Result<Made, String> {
        let master = &self.loaded.master;
        let own = self.loaded.state_name();
        let state = state::make(&master.state_dir(), &own)
            .map_err(|e| format!("state directory {}: {e}", master.state_dir().join(&own).display()))?;
        for directory in &self.design.directories {
            state::make_directory(directory).map_err(|e| format!("{directory}: {e}"))?;
        }
        let mut files = Vec::new();
        for file in &self.design.files {
            let fd = state::write_file(&state, file).map_err(|e| format!("{file}: {e}"))?;
            if let Some(target) = &file.target {
                self.design.root.ops.push(Op::Volume {
                    source: Source::Host(format!("/proc/self/fd/{}", fd.as_raw_fd()).into()),
                    target: target.clone(),
                    flags: Flags::READ_ONLY | Flags::NOSUID | Flags::NODEV | Flags::NOEXEC,
                });
                files.push(fd);
            }
        }
        // Dropped here, and wiped: the container's init is a copy of this process.
        let secrets = std::mem::take(&mut self.secrets);
        if !secrets.is_empty() {
            let made = secret_files::make(&secrets, &self.design.ids);
            let (tree, op) = made.map_err(|e| format!("secret-files: {e}"))?;
            self.design.root.ops.push(op);
            files.push(tree);
        }
        raise_open_files(self.design.process.open_files).map_err(|e| format!("fileno-limit: {e}"))?;
        let scope = self.scope(has_tree)?;
        let record = match has_tree {
            true => Some(self.record()?),
            false => None,
        };
        Ok(Made {
            _files: files,
            scope,
            record,
        })
    }

    /// The control group with its limits; below a tree this process, which is about to end, leads the way into it.
    fn scope(&self, has_tree: bool) -> Result<Option<Scope>, String> {
        let fail = |e: io::Error| format!("control group: {e}");
        let by_tree = has_tree && self.loaded.instance.kind == ProcessKind::Daemon;
        let Some(groups) = self.groups(by_tree).map_err(fail)? else {
            return Ok(None);
        };
        if !by_tree {
            groups.prepare().map_err(fail)?;
        }
        let (io_max, mut unset) = disks::resolve(&self.design.disks);
        let limits = Limits {
            io_max,
            ..self.design.limits.clone()
        };
        let scope = groups.create(&self.design.name, &limits).map_err(fail)?;
        unset.extend_from_slice(scope.unset());
        for unset in unset {
            self.report
                .say(Level::Warn, &format!("{}: {unset}", self.design.name));
        }
        if has_tree {
            scope.join_v1().map_err(fail)?;
        }
        Ok(Some(scope))
    }

    /// A knot of the tree is where the tree is; `lithos_cmd` is anywhere.
    fn groups(&self, by_tree: bool) -> io::Result<Option<Cgroups>> {
        let master = &self.loaded.master;
        match &master.cgroup_name {
            Some(name) if by_tree => Cgroups::detect(&Options {
                name,
                controllers: &master.cgroup_controllers,
                tree: None,
            })
            .map(Some),
            _ => beside::groups(master),
        }
    }

    /// `RUNTIME/knots/SB/PROC.N.exit`, empty until the end; that of a standby gets this name with its turn.
    fn record(&self) -> Result<File, String> {
        let dir = self.loaded.master.runtime_dir.join("knots");
        let path = dir.join(format!("{}.exit", self.loaded.state_name()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
        // A tree has made the directory.
        let made = match (options.open(&path), path.parent()) {
            (Err(e), Some(parent)) if e.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(parent).and_then(|()| options.open(&path))
            }
            (opened, _) => opened,
        };
        made.map_err(|e| format!("exit record {}: {e}", path.display()))
    }

    fn inner(self, channel: Option<Passage>, made: Made) -> Inner {
        let oom = made.scope.as_ref().and_then(Scope::oom_counter);
        let Design {
            name,
            ids,
            process,
            sockets,
            network,
            supervision,
            ..
        } = self.design;
        Inner {
            name,
            ids,
            process,
            supervision,
            daemon: self.loaded.instance.kind == ProcessKind::Daemon,
            report: self.report,
            relay: None,
            sockets: self.sockets,
            inside: sockets.into_iter().filter(|socket| socket.inside).collect(),
            network,
            standby: self.loaded.standby,
            record: made.record,
            channel,
            oom: oom.map(|counter| {
                let now = counter.read();
                (counter, now)
            }),
        }
    }

    /// The rest of the work outside; then the container is on its own.
    fn outside(&self, child: &Child, go: OwnedFd, channel: Option<&Passage>, scope: Option<&Scope>) -> u8 {
        if let Some(channel) = channel {
            let pidfd = child.pidfd.as_ref().map(AsFd::as_fd);
            // First: the record that is made at the start tells it.
            let _ = message::send(channel, &Message::Origin(self.loaded.origin), None);
            let _ = message::send(channel, &Message::Started(child.pid), pidfd);
            if let Some(stamps) = &self.stamps {
                let _ = message::send(channel, &Message::Stamps(true), Some(stamps.as_fd()));
            }
        }
        // By hand: this process lives on outside of the group.
        let alone = channel.is_none();
        let group = scope.filter(|_| alone);
        let done = self
            .equip(child, group)
            .and_then(|()| nix::unistd::write(&go, b"x").map_err(|e| format!("release: {e}")));
        if let Err(e) = done {
            // The reason first: with the end of the container nobody would wait for it any more.
            let code = self.fail(channel, e);
            let _ = child.signal(libc::SIGKILL);
            if alone {
                let _ = process::wait(Some(child.pid), WaitOptions::default());
            }
            return code;
        }
        drop(go);
        match alone {
            false => exit::NORMAL,
            true => wait_for(child),
        }
    }

    fn equip(&self, child: &Child, group: Option<&Scope>) -> Result<(), String> {
        let ids = &self.design.ids;
        if ids.is_mapped() {
            write_maps(child.pid, &ids.uid_map, &ids.gid_map, &MapMethod::Direct)
                .map_err(|e| format!("user namespace: {e}"))?;
        }
        if let Some(group) = group {
            group.add(child.pid).map_err(|e| format!("control group: {e}"))?;
        }
        if let Network::Bridged(attachment, hook) = &self.design.network {
            let netns = File::open(format!("/proc/{}/ns/net", child.pid))
                .map_err(|e| format!("network namespace: {e}"))?;
            attachment
                .connect(netns.as_fd())
                .map_err(|e| format!("network: {e}"))?;
            let (words, unknown) = network::arguments(hook, attachment.address.ip);
            for name in unknown {
                let text = format!("after-setup-command: unknown variable {name}");
                self.report.say(Level::Warn, &text);
            }
            network::run_hook(&words, netns.as_fd(), self.report.output()).map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

/// What the host has for the container until its root is prepared.
struct Made {
    /// Nameless files and file systems that mounts are made of.
    _files: Vec<OwnedFd>,
    scope: Option<Scope>,
    record: Option<File>,
}

enum Side {
    Inside,
    Outside(Child),
}

/// Blocked from the first instant of the container: a request to stop is heard once its first process listens.
const REQUESTS: [i32; 2] = [libc::SIGTERM, libc::SIGINT];

/// As a child of this process, which waits for it.
fn fork(namespaces: Namespaces) -> io::Result<Side> {
    Ok(match process::fork_first(namespaces, &REQUESTS)? {
        Fork::Child => Side::Inside,
        Fork::Parent(child) => Side::Outside(child),
    })
}

/// As a child of the tree, our parent, and in the control group from the first instruction: to move a process there makes
/// every fork of the machine wait. Only where clone3(2) cannot do that this process, which is about to end, leads the way.
fn fork_for_tree(namespaces: Namespaces, scope: Option<&Scope>) -> io::Result<Side> {
    let forked = match scope.and_then(Scope::join_fd) {
        None => fork_sibling(namespaces, &REQUESTS),
        Some(group) => fork_sibling_into(namespaces, &REQUESTS, group).or_else(|e| {
            let refused = matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::E2BIG));
            match scope.filter(|_| refused) {
                Some(scope) => scope.join().and_then(|()| fork_sibling(namespaces, &REQUESTS)),
                None => Err(e),
            }
        }),
    };
    Ok(match forked? {
        None => Side::Inside,
        Some(pid) => Side::Outside(Child {
            pid,
            pidfd: process::pidfd_open(pid).ok(),
        }),
    })
}

fn stamped(stamps: &[stamps::Stamp]) -> io::Result<File> {
    handover::text(c"lithos_standby", &serde_json::to_vec(stamps)?)
}

/// The hard limit is inherited and only root of the host can raise it; the process sets both to its number.
fn raise_open_files(number: u64) -> io::Result<()> {
    use nix::sys::resource::{getrlimit, setrlimit, Resource};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if number > hard {
        setrlimit(Resource::RLIMIT_NOFILE, soft, number)?;
    }
    Ok(())
}
