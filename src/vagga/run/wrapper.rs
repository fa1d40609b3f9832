//! The first process of a container: builds its root, starts the command, does what [`Pid1`] decides.
//!
//! It is forked from the launcher without exec, in new namespaces. It holds no descriptor of the host but the
//! standard ones, its link and the terminal when the first program of the image starts, and nobody in the
//! container may look into it.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use crate::container::OpError;
use crate::sys::namespace::{self, IdMap, IdMapping, MapMethod};
use crate::sys::path::Root;
use crate::sys::poll::{self, Signals};
use crate::sys::process::{self, Child, Fork, Namespaces, Status, WaitOptions};
use crate::sys::{capability, descriptors, injection, keyring, loopback};
use crate::vagga::config::command::Pid1Mode;
use crate::vagga::doctor::{hint_for, Stage};
use crate::vagga::failure::{exit, Failure};

use super::environ::Variables;
use super::environ_file;
use super::link::{Link, Order, Report};
use super::pid1::{Action, Event, Pid1};
use super::prober;
use super::process::Process;
use super::program::Program;
use super::terminal::{Terminal, SIGNALS};

/// Largest `environ-file`, bytes.
const MAX_ENVIRON_FILE: u64 = 1 << 20;
/// The descriptor of `pass-tcp-socket`.
const SOCKET: i32 = 3;

/// The whole life of the first process; the result is its exit code. Failures are printed.
pub fn run(process: &Process, link: Link, terminal: &Terminal) -> u8 {
    match live(process, link, terminal) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("vagga: {failure}");
            failure.exit
        }
    }
}

fn live(process: &Process, link: Link, terminal: &Terminal) -> Result<u8, Failure> {
    become_first(process, &link, terminal).map_err(|e| fail(format!("Can't start the container: {e}")))?;
    match link.next_order() {
        Ok(Some(Order::Begin)) => {}
        // The launcher is gone or has given up, and has said why.
        _ => return Ok(exit::SETUP),
    }
    if process.isolate {
        loopback::up().map_err(|e| fail(format!("Can't bring up the loopback interface: {e}")))?;
    }
    for chore in &process.chores {
        chore.run()?;
    }
    build_root(process)?;
    close_others(process, &link, terminal).map_err(not_started)?;
    let environ = environment(process)?;
    let prober = start_prober(process, &environ, &link, terminal)?;
    let signals = (process.pid1 != Pid1Mode::exec)
        .then(|| Signals::new(&SIGNALS))
        .transpose()
        .map_err(|e| fail(format!("Can't watch signals: {e}")))?;
    match signals {
        Some(signals) => Init {
            command: start(process, &process.program, &environ, terminal)?,
            prober,
            link,
            terminal,
        }
        .attend(&signals, process.pid1 == Pid1Mode::wait_all_children),
        None => Err(become_nested(process)
            .err()
            .unwrap_or_else(|| become_command(process, &process.program, &environ, terminal))),
    }
}

/// Dies with the launcher, is alone in its process group, and keeps nothing of the launcher open.
fn become_first(process: &Process, link: &Link, terminal: &Terminal) -> io::Result<()> {
    process::set_parent_death_signal(libc::SIGKILL)?;
    process::set_process_group(0, 0)?;
    close_others(process, link, terminal)
}

/// Closes what neither this process nor the command needs.
fn close_others(process: &Process, link: &Link, terminal: &Terminal) -> io::Result<()> {
    let mut keep: Vec<BorrowedFd<'_>> = vec![link.fd()];
    keep.extend(terminal.fd());
    keep.extend(process.socket.as_ref().map(|s| s.as_fd()));
    keep.extend(process.enclosure.as_ref().map(|s| s.as_fd()));
    keep.extend(process.mounted.iter().map(|s| s.as_fd()));
    descriptors::close_all_but(3, &keep)
}

/// Enters the plan; a transient root that cannot be an overlay here becomes a copy.
fn build_root(process: &Process) -> Result<(), Failure> {
    let overlay = process.transient.as_ref().filter(|t| t.is_overlay());
    match (process.plan.enter(), overlay) {
        (Err(e), Some(transient)) if e.is_base => {
            log::info!("no overlay here ({e}), copying the image");
            copied(process, transient)
        }
        (result, _) => result.map_err(setup_error),
    }
}

fn copied(process: &Process, transient: &super::transient::Transient) -> Result<(), Failure> {
    transient.fill_copy()?;
    let mut plan = process.plan.clone();
    plan.base = transient.copied_base();
    plan.enter().map_err(setup_error)
}

fn setup_error(e: OpError) -> Failure {
    let failure = fail(e.to_string());
    // What forbids mounts at all shows at the first one.
    let forbidden = e.is_base.then(|| hint_for(Stage::Mount, &e.error)).flatten();
    match e.hint.map(String::from).or(forbidden) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// The environment of the command, with the file of the container.
fn environment(process: &Process) -> Result<Variables, Failure> {
    let Some(path) = &process.environ.file else {
        return Ok(process.environ.merge(Variables::new()));
    };
    let error = |why: String| fail(format!("Error reading environment file {path:?}: {why}"));
    let mut text = Vec::new();
    Root::open("/")
        .and_then(|root| root.open_read(path))
        .and_then(|file| file.take(MAX_ENVIRON_FILE).read_to_end(&mut text))
        .map_err(|e| error(e.to_string()))?;
    let variables = environ_file::parse(&text).map_err(|(line, why)| error(format!("line {line}: {why}")))?;
    Ok(process.environ.merge(variables))
}

/// Forks who finds out when the command is ready, if anybody wants to know.
fn start_prober(
    process: &Process,
    environ: &Variables,
    link: &Link,
    terminal: &Terminal,
) -> Result<Option<Child>, Failure> {
    let Some(probe) = &process.probe else {
        return Ok(None);
    };
    let start = |program: &Program| start(process, program, environ, terminal);
    prober::start(probe, link, &start).map(Some).map_err(not_started)
}

/// Forks the command (or a program like it). Its programs cannot look into this process from the first moment on.
fn start(
    process: &Process,
    program: &Program,
    environ: &Variables,
    terminal: &Terminal,
) -> Result<i32, Failure> {
    if process.ids.external.is_some() {
        return start_nested(process, program, environ, terminal);
    }
    descriptors::hide().map_err(not_started)?;
    match process::fork(Namespaces::empty()).map_err(not_started)? {
        Fork::Child => end_with(&become_command(process, program, environ, terminal)),
        Fork::Parent(child) => Ok(lead_group(child.pid)),
    }
}

/// The same in a further user namespace, whose maps we write before the command does anything.
///
/// The maps of a hidden process belong to the root of the host, so that it is not hidden until they are written. The
/// command, if it runs already (when this is a probe), is in another user namespace and may look into neither.
fn start_nested(
    process: &Process,
    program: &Program,
    environ: &Variables,
    terminal: &Terminal,
) -> Result<i32, Failure> {
    descriptors::show().map_err(not_started)?;
    let (read, write) = process::pipe().map_err(not_started)?;
    match process::fork(Namespaces::USER).map_err(not_started)? {
        Fork::Child => {
            drop(write);
            match fs::File::from(read).read(&mut [0]) {
                Ok(1) => {
                    let _ = descriptors::hide();
                    end_with(&become_command(process, program, environ, terminal))
                }
                _ => end_with(&fail("Can't start the command: the first process is gone".into())),
            }
        }
        Fork::Parent(child) => {
            let written = write_nested(child.pid, process);
            descriptors::hide().map_err(not_started)?;
            if written.is_err() {
                drop(write);
                let _ = process::wait(Some(child.pid), WaitOptions::default());
                return written.map(|()| child.pid);
            }
            fs::File::from(write).write_all(b"x").map_err(not_started)?;
            Ok(lead_group(child.pid))
        }
    }
}

/// With `pid1mode: exec` nobody is left to write the maps: a helper does it and ends.
fn become_nested(process: &Process) -> Result<(), Failure> {
    if process.ids.external.is_none() {
        return Ok(());
    }
    let (read, write) = process::pipe().map_err(not_started)?;
    match process::fork(Namespaces::empty()).map_err(not_started)? {
        Fork::Child => {
            drop(write);
            let begun = matches!(fs::File::from(read).read(&mut [0]), Ok(1));
            match begun.then(|| write_nested(1, process)) {
                Some(Err(failure)) => end_with(&failure),
                _ => process::exit_now(0),
            }
        }
        Fork::Parent(helper) => {
            drop(read);
            namespace::unshare(Namespaces::USER).map_err(not_started)?;
            fs::File::from(write).write_all(b"x").map_err(not_started)?;
            match process::wait(Some(helper.pid), WaitOptions::default()).map_err(not_started)? {
                Some((_, Status::Exited(0))) => Ok(()),
                _ => Err(fail(
                    "Can't start the command: its ids could not be mapped".into(),
                )),
            }
        }
    }
}

/// The map of `external-user-id`: one user that stands for another one, groups as they are.
fn write_nested(pid: i32, process: &Process) -> Result<(), Failure> {
    let uid = IdMap(vec![IdMapping {
        inside: process.ids.uid,
        outside: process.ids.external.unwrap_or(process.ids.uid),
        count: 1,
    }]);
    let same = |m: &IdMapping| IdMapping {
        outside: m.inside,
        ..*m
    };
    let gid = IdMap(process.maps.gid.0.iter().map(same).collect());
    namespace::write_maps(pid, &uid, &gid, &MapMethod::Direct)
        .map_err(|e| fail(format!("error setting uid/gid mappings of the command: {e}")))
}

/// The command leads a process group; done on both sides, since either may be first.
fn lead_group(pid: i32) -> i32 {
    let _ = process::set_process_group(pid, pid);
    pid
}

/// The end of a forked child that could not become the command.
fn end_with(failure: &Failure) -> ! {
    eprintln!("vagga: {failure}");
    process::exit_now(failure.exit.into())
}

fn not_started(e: io::Error) -> Failure {
    fail(format!("Can't start the command: {e}"))
}

/// Turns this process into the command; returns only on failure.
fn become_command(process: &Process, program: &Program, environ: &Variables, terminal: &Terminal) -> Failure {
    match prepare_command(process, terminal) {
        Ok(()) => program.exec(environ),
        Err(failure) => failure,
    }
}

fn prepare_command(process: &Process, terminal: &Terminal) -> Result<(), Failure> {
    // As first process it leads its group already.
    let _ = process::set_process_group(0, 0);
    std::env::set_current_dir(&process.work_dir).map_err(|e| {
        fail(format!(
            "Can't change to the working directory {:?}: {e}",
            process.work_dir
        ))
    })?;
    if terminal.exists() {
        injection::refuse().map_err(not_started)?;
    }
    // Kernels and sandboxes without keyrings have no keys to hide.
    let _ = keyring::forget_session();
    let first_to_close = match &process.socket {
        Some(socket) => {
            process::dup_to(socket.as_fd(), SOCKET).map_err(not_started)?;
            SOCKET + 1
        }
        None => SOCKET,
    };
    process::reset_signals().map_err(not_started)?;
    match &process.enclosure {
        Some(user) => enclose(user.as_fd()).map_err(not_started)?,
        None if process.fixed_mounts => capability::forbid_mounting().map_err(not_started)?,
        None => {}
    }
    let ids = &process.ids;
    process::set_ids(ids.uid, ids.gid, Some(&ids.groups)).map_err(|e| {
        fail(format!(
            "Can't become user {} and group {}: {e}",
            ids.uid, ids.gid
        ))
    })?;
    process::set_parent_death_signal(libc::SIGKILL).map_err(not_started)?;
    process::close_from(first_to_close).map_err(not_started)
}

/// Goes on into a user namespace inside of ours. The kernel locks mounts that come from the outer one, so that even
/// with all capabilities there nobody can take back what the plan forbids.
fn enclose(user: BorrowedFd<'_>) -> io::Result<()> {
    namespace::setns(user, Namespaces::USER)?;
    namespace::unshare(Namespaces::MOUNT)
}

/// The first process while the command runs.
struct Init<'a> {
    command: i32,
    prober: Option<Child>,
    link: Link,
    terminal: &'a Terminal,
}

impl Init<'_> {
    fn attend(&self, signals: &Signals, all: bool) -> Result<u8, Failure> {
        let mut state = Pid1::new(all);
        loop {
            let mut events = Vec::new();
            let ready = poll::wait(&[signals.fd(), self.link.fd()], None)
                .map_err(|e| fail(format!("Can't wait for the command: {e}")))?;
            if ready.get(1) == Some(&true) {
                match self.link.next_order() {
                    Ok(Some(Order::GrantTerminal)) => events.push(Event::TerminalGranted),
                    Ok(Some(Order::Begin)) => {}
                    // The launcher is gone, and the kernel is about to end us.
                    _ => return Ok(exit::SETUP),
                }
            }
            let received = signals.drain().unwrap_or_default();
            let children = received.contains(&libc::SIGCHLD);
            events.extend(received.into_iter().map(Event::Signal));
            if children {
                self.reap(&mut events);
            }
            for event in events {
                for action in state.step(event) {
                    if let Some(code) = self.execute(action) {
                        return Ok(code);
                    }
                }
            }
        }
    }

    /// Reaps everything that has ended: orphans of the container are ours.
    fn reap(&self, events: &mut Vec<Event>) {
        let options = WaitOptions {
            nohang: true,
            stopped: true,
            continued: false,
        };
        loop {
            match process::wait(None, options) {
                Ok(Some((pid, Status::Stopped(signal)))) if pid == self.command => {
                    events.push(Event::Stopped(signal));
                }
                Ok(Some((pid, status @ (Status::Exited(_) | Status::Signaled(_)))))
                    if pid == self.command =>
                {
                    events.push(Event::Ended(status));
                }
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) => {
                    events.push(Event::NoneLeft);
                    return;
                }
            }
        }
    }

    fn execute(&self, action: Action) -> Option<u8> {
        // Errors of kill mean that the receiver has just ended, those of the link that the launcher has.
        match action {
            Action::SignalGroup(signal) => drop(process::kill_group(self.command, signal)),
            Action::SignalCommand(signal) => drop(process::kill(self.command, signal)),
            Action::SignalAll(signal) => drop(process::kill_namespace(signal)),
            Action::TakeTerminal => self.terminal.give(self.command),
            Action::ReportStop(signal) => drop(self.link.report(Report::Stopped(signal))),
            Action::ReportEnd(status) => {
                if let Some(prober) = &self.prober {
                    // The others of the container need not wait for it. It may have ended long ago.
                    let _ = prober.signal(libc::SIGKILL);
                }
                let _ = self.link.report(Report::Ended(status));
            }
            Action::Exit(code) => return Some(code),
        }
        None
    }
}

fn fail(message: String) -> Failure {
    Failure::new(exit::SETUP, message)
}
