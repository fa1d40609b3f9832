//! `lithos_cmd`: runs one command of a sandbox in the foreground. A small tree for a single container: it starts a knot,
//! passes signals on, takes the outcome from the start channel and removes what remains.

mod flags;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::flags::{Key, TOOL};
use super::config::{self, Master, ProcessKind, Processes, Sandbox};
use super::instance::{Instance, InstanceName};
use super::knot::message::{self, Message, Outcome, DIE_WITH_TREE, START_FD};
use super::knot::state;
use super::tree::leftovers::Leftovers;
use super::{beside, program};
use crate::cli::Parsed;
use crate::sys::passing::Passage;
use crate::sys::poll::{self, Signals};
use crate::sys::process::{self, Fork, Namespaces, Status, WaitOptions};

/// Nothing was run.
const FAILED: i32 = 1;
/// How long the group of a command that has ended may take to become empty.
const PATIENCE: Duration = Duration::from_secs(2);
/// Descriptor of the start channel in the knot; sockets of commands are made by the knot itself.
const CHANNEL: i32 = 3;

/// Entry point of the executable; returns the exit code.
pub fn main() -> i32 {
    if let Err(e) = crate::sys::start::begin() {
        eprintln!("Fatal error: {e}");
        return FAILED;
    }
    let parsed = match TOOL.start() {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    match Command::find(&parsed).and_then(|command| command.run()) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("Fatal error: {e}");
            FAILED
        }
    }
}

/// What is to be run.
struct Command {
    master: Master,
    name: InstanceName,
    argv: Vec<OsString>,
    knot: PathBuf,
}

impl Command {
    fn find(parsed: &Parsed<Key>) -> Result<Command, String> {
        let mut words = parsed.positionals.iter();
        let (Some(sandbox), Some(entry)) = (words.next(), words.next()) else {
            return Err("a sandbox and a command are required".into());
        };
        for word in [sandbox, entry] {
            if !is_word(word) {
                return Err(format!("{word:?} may only hold letters, digits, `_` and `-`"));
            }
        }
        let path = Path::new(parsed.last(Key::Master).unwrap_or(config::master::DEFAULT_PATH));
        let master: Master = config::read(path).map_err(|e| e.to_string())?;
        let file = master.sandboxes_dir(path).join(format!("{sandbox}.yaml"));
        let settings: Sandbox = config::read(&file).map_err(|e| e.to_string())?;
        let file = settings.processes_file(sandbox, &master, path);
        let processes: Processes = config::read(&file).map_err(|e| e.to_string())?;
        let found = processes.get(entry);
        let found = found.ok_or_else(|| format!("{}: there is no entry {entry}", file.display()))?;
        if found.kind != ProcessKind::Command {
            return Err(format!("{}: {entry} is no command", file.display()));
        }
        let name = InstanceName::command(sandbox, entry, std::process::id());
        let argv = arguments(parsed, path, &name, &Instance::of(found, 0), words.as_slice());
        Ok(Command {
            master,
            name,
            argv,
            knot: program::sibling("lithos_knot")?,
        })
    }

    fn run(&self) -> Result<i32, String> {
        state::make_bases(&self.master)?;
        self.clean_after_others();
        let signals = Signals::new(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD])
            .map_err(|e| e.to_string())?;
        let result = self.start().and_then(|channel| watch(&channel, &signals));
        self.clean();
        match result.map_err(|e| e.to_string())? {
            End::Outcome(outcome) => Ok(exit_code(&outcome)),
            End::Failed(why) => {
                eprintln!("Fatal error: {why}");
                Ok(FAILED)
            }
            End::Unknown => Ok(FAILED),
        }
    }

    fn start(&self) -> io::Result<Passage> {
        let (ours, theirs) = Passage::pair()?;
        match process::fork(Namespaces::empty())? {
            Fork::Parent(_) => Ok(ours),
            Fork::Child => {
                let arranged = crate::sys::descriptors::arrange(&[(theirs.as_fd(), CHANNEL)]);
                let mut env: Vec<(OsString, OsString)> = ["TERM", "RUST_LOG", "RUST_BACKTRACE"]
                    .iter()
                    .filter_map(|name| std::env::var_os(name).map(|value| (name.into(), value)))
                    .collect();
                env.push((START_FD.into(), CHANNEL.to_string().into()));
                // Nobody would hear of its end, or could stop it.
                env.push((DIE_WITH_TREE.into(), "1".into()));
                let error = match arranged {
                    Ok(()) => process::exec(&self.knot, &self.argv, &env),
                    Err(e) => e,
                };
                eprintln!("Fatal error: {}: {error}", self.knot.display());
                process::exit_now(FAILED)
            }
        }
    }

    /// What commands have left that were killed with whoever ran them.
    fn clean_after_others(&self) {
        let leftovers = Leftovers {
            state: self.master.state_dir(),
            cgroups: beside::groups(&self.master).unwrap_or_default(),
        };
        for name in leftovers.sweep_commands() {
            let record = self.master.runtime_dir.join("knots").join(format!("{name}.exit"));
            let _ = std::fs::remove_file(record);
        }
    }

    /// The container is gone: what it leaves on the host goes too.
    fn clean(&self) {
        let name = self.name.to_string();
        if let Err(e) = state::remove(&self.master.state_dir(), &name) {
            eprintln!("state directory of {name}: {e}");
        }
        let record = self.master.runtime_dir.join("knots").join(format!("{name}.exit"));
        let _ = std::fs::remove_file(record);
        if let Err(e) = self.remove_group(&name) {
            eprintln!("control group of {name}: {e}");
        }
    }

    fn remove_group(&self, name: &str) -> io::Result<()> {
        let Some(groups) = beside::groups(&self.master)? else {
            return Ok(());
        };
        let Some(scope) = groups.open(name)? else {
            return Ok(());
        };
        // The last process is no longer ours to wait for, and may still be on its way out.
        scope.wait_empty(Some(Instant::now() + PATIENCE))?;
        scope.remove()
    }
}

/// As of a shell.
fn exit_code(outcome: &Outcome) -> i32 {
    match (outcome.normal, outcome.code, outcome.signal) {
        (true, ..) => 0,
        (_, Some(0), _) => FAILED,
        (_, Some(code), _) => code.into(),
        (_, _, Some(signal)) => 128 + signal,
        _ => FAILED,
    }
}

enum End {
    Outcome(Outcome),
    Failed(String),
    /// The knot was killed.
    Unknown,
}

/// Until the init of the container, which becomes our child, has ended.
fn watch(channel: &Passage, signals: &Signals) -> io::Result<End> {
    let mut end = End::Unknown;
    let mut init = None;
    let mut open = true;
    loop {
        let mut fds = vec![signals.fd()];
        fds.extend(open.then(|| channel.as_fd()));
        let ready = poll::wait(&fds, None)?;
        if ready.get(1) == Some(&true) {
            match channel.receive()? {
                None => open = false,
                Some((packet, _)) => match message::parse(&packet) {
                    Some(Message::Started(pid)) => init = Some(pid),
                    Some(Message::Exit(outcome)) => end = End::Outcome(outcome),
                    Some(Message::Failed(why)) => end = End::Failed(why),
                    _ => {}
                },
            }
        }
        for signal in signals.drain()? {
            if let (true, Some(pid)) = (is_request(signal), init) {
                let _ = process::kill(pid, libc::SIGTERM);
            }
        }
        // The channel is read to its end before the children are believed to be gone.
        if !open && no_children()? {
            return Ok(end);
        }
    }
}

/// Ctrl-C of a terminal reaches the command, too, which may have a use for it: an interactive shell does.
fn is_request(signal: i32) -> bool {
    match signal {
        libc::SIGINT => !crate::sys::tty::is_terminal(io::stdin().as_fd()),
        libc::SIGTERM | libc::SIGHUP => true,
        _ => false,
    }
}

fn no_children() -> io::Result<bool> {
    let any = WaitOptions {
        nohang: true,
        ..WaitOptions::default()
    };
    loop {
        match process::wait(None, any) {
            Ok(None) => return Ok(false),
            Ok(Some((_, Status::Stopped(_) | Status::Continued))) | Ok(Some(_)) => {}
            Err(e) if e.raw_os_error() == Some(libc::ECHILD) => return Ok(true),
            Err(e) => return Err(e),
        }
    }
}

fn arguments(
    parsed: &Parsed<Key>,
    master: &Path,
    name: &InstanceName,
    instance: &Instance,
    rest: &[String],
) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec![
        "lithos_knot".into(),
        "--name".into(),
        name.to_string().into(),
        "--master".into(),
        master.into(),
        "--config".into(),
        instance.to_json().into(),
    ];
    if parsed.has(Key::LogStderr) {
        argv.push("--log-stderr".into());
    }
    if let Some(level) = parsed.last(Key::LogLevel) {
        argv.extend(["--log-level".into(), level.into()]);
    }
    argv.push("--".into());
    argv.extend(rest.iter().map(OsString::from));
    argv
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}
