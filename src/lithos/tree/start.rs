//! From the command line to a running loop: as a first start, as the program after a reload, or as the one after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::handover::{self, Life, State};
use super::leftovers::Leftovers;
use super::machine::{Found, Machine, Reading};
use super::pid_file::PidFile;
use super::publish::{Publisher, CANTAL_PATH};
use super::records::Records;
use super::settings::{self, Key};
use super::sockets::Sockets;
use super::spawn::Launcher;
use super::standby::Standbys;
use super::supervisor::{Live, Supervisor};
use super::{adoption, last_good};
use crate::cli::Parsed;
use crate::lithos::config::Master;
use crate::lithos::log::journal::Journal;
use crate::lithos::log::rotation::Rotation;
use crate::lithos::log::syslog::Syslog;
use crate::lithos::{init, program};
use crate::sys::cgroup::{Cgroups, Options};
use crate::sys::passing::Passage;
use crate::sys::poll::Signals;
use crate::sys::process::{self, close_from, Child};
use crate::sys::{crash, monotonic, pidfd};

/// Signals the loop hears about.
const SIGNALS: [i32; 8] = [
    libc::SIGCHLD,
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGPWR,
];

/// Variable that says that the former program ended by a fault.
pub const AFTER_FAULT: &str = "LITHOS_AFTER_FAULT";

/// Why it cannot start, and the exit code.
pub type Fatal = (i32, String);

/// Path and content of the master file.
pub struct Loaded {
    /// Absolute path.
    pub path: PathBuf,
    /// The checked file.
    pub master: Master,
    /// Its text.
    pub text: String,
}

/// Reads the master file of the command line; after a reload the state has a copy in case it is broken now.
pub fn load(parsed: &Parsed<Key>, state: Option<&State>) -> Result<Loaded, String> {
    let given = parsed
        .last(Key::Config)
        .unwrap_or(crate::lithos::config::master::DEFAULT_PATH);
    let path = match state {
        Some(state) => state.master.clone(),
        None => settings::absolute(given).map_err(|e| format!("{given}: {e}"))?,
    };
    match (settings::read_master(&path), state) {
        (Ok((master, text)), _) => Ok(Loaded { path, master, text }),
        (Err(_), Some(state)) => {
            let text = state.master_text.clone();
            let master = settings::parse_master(&path, &text)?;
            Ok(Loaded { path, master, text })
        }
        (Err(e), None) => Err(e),
    }
}

/// Becomes the supervisor of this machine.
pub fn start(parsed: &Parsed<Key>) -> Result<Supervisor, Fatal> {
    let fatal = |text: String| (1, text);
    let (state, remark) = match handover::receive() {
        Ok(state) => (state, None),
        Err(e) => (None, Some(e)),
    };
    if state.is_none() {
        // Whatever the starter left open would be kept open by us for years. Nothing of ours is open yet.
        close_from(3).map_err(|e| fatal(format!("inherited descriptors: {e}")))?;
    }
    let signals = Signals::with_hangup(&SIGNALS).map_err(|e| fatal(format!("signals: {e}")))?;
    if !nix::unistd::geteuid().is_root() {
        return Err(fatal("lithos_tree must be run as root".into()));
    }
    // The first process of a machine has no /proc before this.
    let begun = if init::is_first() {
        init::begin()
    } else {
        Vec::new()
    };
    let program = program::own().map_err(fatal)?;
    recover_from_faults(&program).map_err(|e| fatal(format!("signals: {e}")))?;
    let loaded = load(parsed, state.as_ref()).map_err(fatal)?;
    if !loaded.master.devfs_dir.is_dir() && state.is_none() {
        let dir = loaded.master.devfs_dir.display();
        return Err(fatal(format!(
            "devfs-dir {dir} is not there: make it with lithos_mkdev"
        )));
    }
    settings::make_directories(&loaded.master).map_err(fatal)?;
    let metrics = metrics_path(&loaded.master, &program);
    let journal = journal(&loaded.master, parsed).map_err(fatal)?;
    let pid_file = pid_file(&loaded.master, state.as_ref()).map_err(fatal)?;
    let knot = program::sibling("lithos_knot").map_err(|e| (127, e))?;
    let mut supervisor = Supervisor {
        machine: Machine::new(u64::from(std::process::id()) ^ monotonic::millis()),
        leftovers: Leftovers {
            state: loaded.master.state_dir(),
            cgroups: None,
        },
        launcher: launcher(parsed, knot, &loaded.path),
        records: Records::new(&loaded.master.runtime_dir),
        sockets: Sockets::default(),
        lives: BTreeMap::new(),
        standbys: Standbys::default(),
        master_path: loaded.path,
        master: loaded.master,
        master_text: loaded.text,
        program,
        journal,
        pid_file,
        publisher: Publisher::new(metrics),
        rotation: Rotation::default(),
        rotates_at: None,
        signals,
        finished: false,
        settling: true,
        asked: libc::SIGTERM,
    };
    begun.iter().for_each(|remark| supervisor.journal.warn(remark));
    remark.iter().for_each(|remark| supervisor.journal.error(remark));
    supervisor.leftovers.cgroups =
        cgroups(&supervisor.master, state.is_some(), &mut supervisor.journal).map_err(fatal)?;
    raise_descriptor_limit();
    supervisor.take_over(state);
    Ok(supervisor)
}

fn recover_from_faults(program: &Path) -> std::io::Result<()> {
    let argv: Vec<_> = std::env::args_os().collect();
    let kept = std::env::vars_os().filter(|(name, _)| name != handover::STATE_FD && name != AFTER_FAULT);
    let env: Vec<_> = kept
        .chain([(AFTER_FAULT.into(), "1".into())])
        .map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        })
        .collect();
    crash::restart_on_fatal_signals(program, &argv, &env)
}

/// Where the metric files are. Without a word in the environment there is one from now on: who collects metrics looks for it in
/// `/proc/PID/environ`, which shows what a program was executed with.
fn metrics_path(master: &Master, program: &Path) -> PathBuf {
    if let Some(path) = std::env::var_os(CANTAL_PATH).filter(|path| Path::new(path).is_absolute()) {
        return path.into();
    }
    let path = master.runtime_dir.join("metrics");
    let argv: Vec<_> = std::env::args_os().collect();
    let kept = std::env::vars_os().filter(|(name, _)| name != CANTAL_PATH && name != handover::STATE_FD);
    let env: Vec<_> = kept.chain([(CANTAL_PATH.into(), path.clone().into())]).collect();
    // After a reload the state would be lost on the way; it comes with the variable unless somebody meddled.
    if std::env::var_os(handover::STATE_FD).is_none() {
        let why = process::exec(program, &argv, &env);
        eprintln!(
            "Warning: metrics will be at {}, but nobody can see where: {why}",
            path.display()
        );
    }
    path
}

fn journal(master: &Master, parsed: &Parsed<Key>) -> Result<Journal, String> {
    let path = master.log_file();
    let level = parsed.last(Key::LogLevel).unwrap_or(&master.log_level);
    let journal = Journal::open(&path, level, parsed.has(Key::LogStderr))
        .map_err(|e| format!("log {}: {e}", path.display()))?;
    Ok(journal.to_syslog(Syslog::of_tree(master)))
}

fn pid_file(master: &Master, state: Option<&State>) -> Result<PidFile, String> {
    let inherited = state.and_then(|state| PidFile::inherit(handover::claim(Some(state.pid_file))?));
    match inherited {
        Some(held) => Ok(held),
        None => PidFile::take(&master.runtime_dir.join("master.pid")),
    }
}

fn launcher(parsed: &Parsed<Key>, knot: PathBuf, master: &Path) -> Launcher {
    let mut options = Vec::new();
    if parsed.has(Key::LogStderr) {
        options.push("--log-stderr".to_string());
    }
    if let Some(level) = parsed.last(Key::LogLevel) {
        options.extend(["--log-level".to_string(), level.to_string()]);
    }
    Launcher {
        knot,
        master: master.to_path_buf(),
        options,
        die_with_tree: parsed.has(Key::DieWithTree),
        ignored: process::ignored_signals(),
    }
}

/// Errors are fatal at the first start only.
fn cgroups(master: &Master, running: bool, journal: &mut Journal) -> Result<Option<Cgroups>, String> {
    let Some(name) = &master.cgroup_name else {
        return Ok(None);
    };
    let options = Options {
        name,
        controllers: &master.cgroup_controllers,
        tree: None,
    };
    let entered = Cgroups::detect(&options).and_then(|groups| groups.enter().map(|()| groups));
    match entered {
        Ok(groups) => Ok(Some(groups)),
        Err(e) if running => {
            journal.error(&format!("control groups: {e}"));
            Ok(None)
        }
        Err(e) => Err(format!(
            "control groups: {e} (cgroup-name: null in the master file does without)"
        )),
    }
}

/// Two descriptors for each container are more than the usual limit of a service.
fn raise_descriptor_limit() {
    use nix::sys::resource::{getrlimit, setrlimit, Resource};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

impl Supervisor {
    /// Takes over what runs, reads the configuration, starts what is missing.
    fn take_over(&mut self, state: Option<State>) {
        let reloaded = state.is_some();
        match state {
            Some(state) => self.inherit(state),
            None => {
                self.adopt();
                self.machine.count_configured();
                if let Err(e) = self.publisher.recall(&mut self.machine.figures) {
                    self.journal.error(&e);
                }
            }
        }
        self.machine.figures.restarts += 1;
        self.reap();
        let mut alive: BTreeSet<String> = self.machine.alive().map(|(name, _)| name).collect();
        alive.extend(self.standbys.states());
        for remark in self.leftovers.sweep(&alive) {
            self.journal.warn(&remark);
        }
        match std::env::var_os(AFTER_FAULT).is_some() && !reloaded {
            true => self.go_on_after_fault(),
            false => self.configure(),
        }
        self.publish();
    }

    /// What was good last stays in force until somebody asks for a reload: it may have been the reading of a file that ended
    /// the former program.
    fn go_on_after_fault(&mut self) {
        let why = "the supervisor had a fault: what was configured before goes on, files are read again with the next reload";
        self.journal.error(why);
        let actions = self
            .machine
            .configure(&Reading::Broken(why.into()), monotonic::millis());
        self.act(actions);
    }

    /// After a reload: everything is in the state.
    fn inherit(&mut self, state: State) {
        self.machine = state.machine;
        self.standbys = Standbys::inherit(state.standbys);
        for (key, number) in state.sockets {
            if let Some(fd) = handover::claim(Some(number)) {
                self.sockets.insert(key, fd);
            }
        }
        self.lives = state
            .lives
            .into_iter()
            .map(|(name, life)| (name, revived(life)))
            .collect();
    }

    /// After the death of another tree, or at the first start.
    fn adopt(&mut self) {
        match last_good::read(&self.master.runtime_dir) {
            Ok(known) => self.machine.restore(known),
            Err(e) => self.journal.error(&format!("last good configuration: {e}")),
        }
        let findings = adoption::find(&self.records, &self.master_path, &self.launcher.knot);
        findings
            .remarks
            .iter()
            .for_each(|remark| self.journal.warn(remark));
        for (pid, name) in &findings.strays {
            self.journal.error(&format!(
                "Stray container {name:?} (pid: {pid}): nobody supervises it; end it by hand"
            ));
        }
        self.machine.figures.unknown = findings.strays.len() as u64;
        for name in &findings.stale {
            if let Err(e) = self.records.remove(name) {
                self.journal.warn(&format!("record of {name}: {e}"));
            }
        }
        for one in findings.adopted {
            self.adopt_one(one);
        }
        let instances: Vec<_> = self.machine.in_use().cloned().collect();
        for instance in instances {
            if let Some(pid) = self.lives.get(&instance.name).and_then(|live| live.inner) {
                self.sockets.recover(&instance, pid);
            }
        }
    }

    fn adopt_one(&mut self, one: adoption::Adopted) {
        let Found { name, pid, .. } = one.found.clone();
        if !self.machine.adopt(one.found, monotonic::millis()) {
            self.journal.error(&format!(
                "Stray container {name:?} (pid: {pid}): there is another of that name"
            ));
            self.machine.figures.unknown += 1;
            return;
        }
        self.journal
            .warn(&format!("Taking over container {name:?} (pid: {pid})"));
        let live = Live {
            inner: Some(pid),
            ours: one.ours,
            pidfd: Some(one.pidfd),
            ..Live::default()
        };
        self.lives.insert(name.clone(), live);
        if !one.recorded {
            self.write_record(&name, pid);
        }
    }
}

/// The former program's view of a container, with its descriptors.
fn revived(life: Life) -> Live {
    let outer = life.outer.map(|pid| Child {
        pid,
        pidfd: pidfd::open(pid).ok(),
    });
    Live {
        outer,
        inner: life.inner,
        ours: life.ours,
        pidfd: handover::claim(life.pidfd),
        channel: handover::claim(life.channel).and_then(|fd| Passage::inherited(fd).ok()),
        ..Live::default()
    }
}
