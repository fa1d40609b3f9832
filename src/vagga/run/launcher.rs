//! The launcher's side: starts first processes of containers and executes what [`Group`] decides until all have
//! ended. One poll loop; nothing wakes up unless something happened.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Instant;

use crate::sys::poll::{self, Signals};
use crate::sys::process::{self, Child, Fork, Namespaces, Status, WaitOptions};
use crate::sys::tty;
use crate::vagga::config::command::Pid1Mode;
use crate::vagga::doctor::namespaces_refused;
use crate::vagga::failure::{exit, Failure};

use super::group::{Action, Event, Group};
use super::link::{Link, Order, Report};
use super::process::Process;
use super::status::Status as Block;
use super::terminal::{Terminal, SIGNALS};
use super::wrapper;

/// Signals that end vagga; noticed only where something must be removed before.
const FATAL: [i32; 3] = [libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2];

/// A started process.
#[derive(Debug)]
pub struct Running {
    child: Child,
    link: Option<Link>,
    /// Status of the command, which may differ from that of the first process.
    status: Option<Status>,
    /// The first process is the command itself.
    direct: bool,
}

impl Running {
    /// A first process whose link's other end is `link`.
    pub fn new(process: &Process, child: Child, link: Link) -> Running {
        Running {
            child,
            link: Some(link),
            status: None,
            direct: process.pid1 == Pid1Mode::exec,
        }
    }

    /// A process that could not be started.
    pub fn absent() -> Running {
        Running {
            child: Child { pid: 0, pidfd: None },
            link: None,
            status: None,
            direct: false,
        }
    }

    /// Process id of the container's first process on the host.
    pub fn pid(&self) -> i32 {
        self.child.pid
    }
}

/// How a child of a group is started, by its index.
pub type Starter<'a> = dyn FnMut(&Launcher, usize) -> Result<Running, Failure> + 'a;

/// The children of a group: how each is started, and those that run, in the group's order.
pub struct Roster<'a> {
    starter: &'a mut Starter<'a>,
    running: Vec<Running>,
}

impl<'a> Roster<'a> {
    /// So many children, none of them started yet.
    pub fn new(number: usize, starter: &'a mut Starter<'a>) -> Roster<'a> {
        Roster {
            starter,
            running: (0..number).map(|_| Running::absent()).collect(),
        }
    }
}

/// Signals, terminal, text to be shown: what lives as long as a command.
#[derive(Debug)]
pub struct Launcher {
    signals: Signals,
    terminal: Terminal,
    /// Texts to be shown, and when.
    banners: Vec<(Instant, String)>,
    fatal: Option<i32>,
    /// Told once when all children are ready.
    on_ready: Option<OwnedFd>,
    /// How the children are, on the screen.
    block: RefCell<Option<Block>>,
}

impl Launcher {
    /// From now on signals are collected. `clean_up`: signals that end vagga are, too, and first end the children. A
    /// `block` needs that too, and shows how they are.
    pub fn new(clean_up: bool, block: Option<Block>) -> Result<Launcher, Failure> {
        let mut signals = SIGNALS.to_vec();
        if clean_up || block.is_some() {
            signals.extend(FATAL);
        }
        signals.extend(block.is_some().then_some(libc::SIGWINCH));
        let signals = Signals::new(&signals)
            .map_err(|e| Failure::new(exit::LAUNCHER, format!("Can't watch signals: {e}")))?;
        Ok(Launcher {
            signals,
            terminal: Terminal::open(),
            banners: Vec::new(),
            fatal: None,
            on_ready: None,
            block: RefCell::new(block),
        })
    }

    /// Text for stderr at a time, unless the shutdown begins before.
    pub fn add_banner(&mut self, at: Instant, text: String) {
        self.banners.push((at, text));
    }

    /// A byte is written here once all children are ready; it is closed at their end.
    pub fn set_on_ready(&mut self, pipe: OwnedFd) {
        self.on_ready = Some(pipe);
    }

    /// Starts a process in its own namespaces. Errors: exit 121.
    pub fn start(&self, process: &Process) -> Result<Running, Failure> {
        let fail = |what: &str, e: &io::Error| Failure::new(exit::LAUNCHER, format!("{what}: {e}"));
        let (ours, theirs) = Link::pair().map_err(|e| fail("Can't make a socket pair", &e))?;
        let mut namespaces = Namespaces::USER | Namespaces::MOUNT | Namespaces::PID | Namespaces::IPC;
        if process.isolate {
            namespaces = namespaces | Namespaces::NET;
        }
        let fork = process::fork_first(namespaces, &SIGNALS)
            .map_err(|e| namespaces_refused("Can't create user namespace", &e))?;
        let Fork::Parent(child) = fork else {
            drop(ours);
            self.become_first(process, theirs);
        };
        drop(theirs);
        let begun = process.maps.write(child.pid).and_then(|()| {
            ours.order(Order::Begin)
                .map_err(|e| fail("Can't start the container", &e))
        });
        if let Err(e) = begun {
            // It ends by itself when its link is closed.
            drop(ours);
            let _ = process::wait(Some(child.pid), WaitOptions::default());
            return Err(e);
        }
        Ok(Running::new(process, child, ours))
    }

    /// In a forked child: its life as first process of a container. It never returns into the launcher's code.
    pub fn become_first(&self, process: &Process, link: Link) -> ! {
        let code = catch_unwind(AssertUnwindSafe(|| wrapper::run(process, link, &self.terminal)));
        process::exit_now(code.unwrap_or(exit::SETUP).into())
    }

    /// Starts the children as the group decides and attends to them until all have ended. Returns the status for
    /// the shell.
    pub fn attend(&mut self, group: &mut Group, roster: &mut Roster<'_>) -> Result<u8, Failure> {
        let fail = |e: io::Error| Failure::new(exit::LAUNCHER, format!("Can't wait for processes: {e}"));
        self.refresh_block(group);
        self.event(group, roster, Event::Begin);
        if roster.running.iter().any(|r| r.direct) && roster.running.len() == 1 && self.terminal.is_ours() {
            // The kernel does not stop a first process that reads from the background: it must own the terminal.
            self.execute(group, roster, vec![Action::GiveTerminal(0)]);
        }
        loop {
            self.refresh_block(group);
            if let Some(result) = group.result() {
                self.hide_block();
                self.terminal.reclaim();
                return Ok(result);
            }
            self.tell_ready(group);
            self.wait(group, &roster.running).map_err(fail)?;
            self.show_banners(group);
            self.reports(group, roster);
            for signal in self.signals.drain().map_err(fail)? {
                match signal {
                    libc::SIGCHLD => {}
                    libc::SIGWINCH => self.hide_block(),
                    signal if FATAL.contains(&signal) => {
                        self.fatal = Some(signal);
                        self.event(group, roster, Event::Abandoned(signal));
                    }
                    signal => self.event(group, roster, Event::Signal(signal)),
                }
            }
            self.reap(group, roster).map_err(fail)?;
            self.event(group, roster, Event::Deadline);
        }
    }

    fn wait(&self, group: &Group, running: &[Running]) -> io::Result<()> {
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.signals.fd()];
        fds.extend(running.iter().filter_map(|r| Some(r.link.as_ref()?.fd())));
        let banner = self.banners.iter().map(|(at, _)| *at).min();
        let deadline = [group.deadline(), banner].into_iter().flatten().min();
        poll::wait(&fds, deadline).map(drop)
    }

    fn refresh_block(&self, group: &Group) {
        if let Some(block) = self.block.borrow_mut().as_mut() {
            block.refresh(group, &self.terminal);
        }
    }

    fn hide_block(&self) {
        if let Some(block) = self.block.borrow_mut().as_mut() {
            block.hide();
        }
    }

    fn tell_ready(&mut self, group: &Group) {
        if group.is_ready() {
            if let Some(pipe) = self.on_ready.take() {
                // Nobody waits any more: no reason to fail.
                let _ = File::from(pipe).write_all(b"r");
            }
        }
    }

    fn show_banners(&mut self, group: &Group) {
        if group.is_stopping() {
            self.banners.clear();
        }
        let now = Instant::now();
        let banners = std::mem::take(&mut self.banners);
        let (due, later): (Vec<_>, Vec<_>) = banners.into_iter().partition(|(at, _)| *at <= now);
        self.banners = later;
        for (_, text) in due {
            print(&mut io::stderr(), &text);
        }
    }

    /// Reads what first processes have to say.
    fn reports(&self, group: &mut Group, roster: &mut Roster<'_>) {
        for index in 0..roster.running.len() {
            while let Some(report) = next_report(roster.running.get_mut(index)) {
                match report {
                    Report::Ended(status) => {
                        if let Some(r) = roster.running.get_mut(index) {
                            r.status = Some(status);
                        }
                    }
                    Report::Ready => self.event(group, roster, Event::Ready(index)),
                    Report::Stopped(signal) => self.event(group, roster, Event::Stopped(index, signal)),
                }
            }
        }
    }

    /// Reaps first processes; a stop of one that is the command itself is an event too.
    fn reap(&self, group: &mut Group, roster: &mut Roster<'_>) -> io::Result<()> {
        let options = WaitOptions {
            nohang: true,
            stopped: true,
            continued: false,
        };
        loop {
            let (pid, status) = match process::wait(None, options) {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(()),
                Err(e) if e.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
                Err(e) => return Err(e),
            };
            let Some(index) = group.find(pid) else {
                continue;
            };
            match status {
                Status::Stopped(signal) => {
                    if roster.running.get(index).is_some_and(|r| r.direct) {
                        self.event(group, roster, Event::Stopped(index, signal));
                    }
                }
                Status::Continued => {}
                ended => {
                    // Its last words came before its end.
                    self.reports(group, roster);
                    let real = roster.running.get_mut(index).and_then(|r| {
                        r.link = None;
                        r.status
                    });
                    self.event(group, roster, Event::Ended(index, real.unwrap_or(ended)));
                }
            }
        }
    }

    /// Executes what the group decides about an event.
    fn event(&self, group: &mut Group, roster: &mut Roster<'_>, event: Event) {
        let asks_for_terminal = matches!(event, Event::Stopped(..) | Event::Signal(libc::SIGCONT));
        let foreground = asks_for_terminal && self.terminal.is_ours();
        let actions = group.step(event, Instant::now(), foreground);
        self.execute(group, roster, actions);
    }

    fn execute(&self, group: &mut Group, roster: &mut Roster<'_>, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(index) => self.start_child(group, roster, index),
                Action::Signal(index, signal) => {
                    if let Some(r) = roster.running.get(index) {
                        r.signal(signal);
                    }
                }
                Action::GiveTerminal(index) => {
                    self.hide_block();
                    if let Some(r) = roster.running.get(index) {
                        r.give_terminal(&self.terminal);
                    }
                }
                Action::TakeTerminal => self.terminal.take(),
                Action::Note { child, text, detail } => {
                    let watched = tty::is_terminal(io::stderr().as_fd());
                    let in_block = self.block.borrow().as_ref().is_some_and(Block::is_shown);
                    if !detail || (watched && !in_block) {
                        print(&mut io::stderr(), &note(group.name(child), &text, watched));
                    }
                }
                Action::Out(line) => print(&mut io::stdout(), &format!("{line}\n")),
                Action::Err(line) => print(&mut io::stderr(), &format!("{line}\n")),
                Action::StopSelf(signal, whole_group) => self.stop(group, roster, signal, whole_group),
            }
        }
    }

    fn start_child(&self, group: &mut Group, roster: &mut Roster<'_>, index: usize) {
        if !group.may_start(index) {
            return;
        }
        let event = match (roster.starter)(self, index) {
            Ok(running) => {
                let pid = running.pid();
                if let Some(place) = roster.running.get_mut(index) {
                    *place = running;
                }
                Event::Started(index, pid)
            }
            Err(e) => {
                print(&mut io::stderr(), &format!("vagga: {e}\n"));
                Event::NotStarted(index)
            }
        };
        self.event(group, roster, event);
    }

    fn stop(&self, group: &mut Group, roster: &mut Roster<'_>, signal: i32, whole_group: bool) {
        self.hide_block();
        let _ = tty::suspend(signal, whole_group);
        // A continuation shows up as a signal; without one the kernel has not stopped us.
        let signals = self.signals.drain().unwrap_or_default();
        let continued = signals.contains(&libc::SIGCONT);
        if !continued {
            self.event(group, roster, Event::Signal(libc::SIGCONT));
        }
        let known = |s: &i32| ![libc::SIGCHLD, libc::SIGWINCH].contains(s);
        for signal in signals.into_iter().filter(known) {
            self.event(group, roster, Event::Signal(signal));
        }
    }

    /// The signal that is to end vagga as soon as the caller has removed what must be removed.
    pub fn fatal(&self) -> Option<i32> {
        self.fatal
    }
}

impl Running {
    fn signal(&self, signal: i32) {
        if self.child.pid == 0 {
            return;
        }
        // An error means that it has just ended.
        let to_group = self.direct && signal != libc::SIGTERM && signal != libc::SIGKILL;
        let _ = match to_group {
            true => process::kill_group(self.child.pid, signal),
            false => self.child.signal(signal),
        };
    }

    fn give_terminal(&self, terminal: &Terminal) {
        match &self.link {
            Some(link) if !self.direct => {
                let _ = link.order(Order::GrantTerminal);
            }
            _ => {
                terminal.give(self.child.pid);
                self.signal(libc::SIGCONT);
            }
        }
    }
}

/// The next report if one is waiting; a closed link is forgotten.
fn next_report(running: Option<&mut Running>) -> Option<Report> {
    let running = running?;
    let link = running.link.as_ref()?;
    match poll::wait(&[link.fd()], Some(Instant::now())) {
        Ok(ready) if ready == [true] => {}
        _ => return None,
    }
    match link.next_report() {
        Ok(Some(report)) => Some(report),
        _ => {
            running.link = None;
            None
        }
    }
}

/// One line about a child. It is written at once, so that it stays whole among what children print.
fn note(name: &str, text: &str, watched: bool) -> String {
    match watched {
        true => format!("vagga: \x1b[1m{name}\x1b[0m: {text}\n"),
        false => format!("vagga: {name}: {text}\n"),
    }
}

/// Writes text; nobody reads it any more is no reason to fail.
pub fn print(to: &mut dyn Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
