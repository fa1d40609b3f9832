//! The launcher's side: starts first processes of containers and executes what [`Group`] decides until all have
//! ended. One poll loop; nothing wakes up unless something happened.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
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

/// Signals, terminal, text to be shown: what lives as long as a command.
#[derive(Debug)]
pub struct Launcher {
    signals: Signals,
    terminal: Terminal,
    banner: Option<(Instant, String)>,
    fatal: Option<i32>,
}

impl Launcher {
    /// From now on signals are collected. `clean_up`: signals that end vagga are, too, and first end the children.
    pub fn new(clean_up: bool) -> Result<Launcher, Failure> {
        let mut signals = SIGNALS.to_vec();
        if clean_up {
            signals.extend(FATAL);
        }
        let signals = Signals::new(&signals)
            .map_err(|e| Failure::new(exit::LAUNCHER, format!("Can't watch signals: {e}")))?;
        Ok(Launcher {
            signals,
            terminal: Terminal::open(),
            banner: None,
            fatal: None,
        })
    }

    /// Text for stderr at a time, unless the shutdown begins before.
    pub fn set_banner(&mut self, at: Instant, text: String) {
        self.banner = Some((at, text));
    }

    /// Starts a process in its own namespaces. Errors: exit 121.
    pub fn start(&self, process: &Process) -> Result<Running, Failure> {
        let fail = |what: &str, e: &io::Error| Failure::new(exit::LAUNCHER, format!("{what}: {e}"));
        let (ours, theirs) = Link::pair().map_err(|e| fail("Can't make a socket pair", &e))?;
        let mut namespaces = Namespaces::USER | Namespaces::MOUNT | Namespaces::PID | Namespaces::IPC;
        if process.isolate {
            namespaces = namespaces | Namespaces::NET;
        }
        let fork =
            process::fork(namespaces).map_err(|e| namespaces_refused("Can't create user namespace", &e))?;
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

    /// Attends to the group until all its children have ended; `running` has the children in the group's order.
    /// Returns the status for the shell.
    pub fn attend(&mut self, group: &mut Group, running: &mut [Running]) -> Result<u8, Failure> {
        let fail = |e: io::Error| Failure::new(exit::LAUNCHER, format!("Can't wait for processes: {e}"));
        if running.iter().any(|r| r.direct) && running.len() == 1 && self.terminal.is_ours() {
            // The kernel does not stop a first process that reads from the background: it must own the terminal.
            self.execute(group, running, vec![Action::GiveTerminal(0)]);
        }
        loop {
            if let Some(result) = group.result() {
                self.terminal.reclaim();
                return Ok(result);
            }
            self.wait(group, running).map_err(fail)?;
            self.show_banner(group);
            self.reports(group, running);
            for signal in self.signals.drain().map_err(fail)? {
                match signal {
                    libc::SIGCHLD => {}
                    signal if FATAL.contains(&signal) => self.begin_death(signal, running),
                    signal => self.event(group, running, Event::Signal(signal)),
                }
            }
            self.reap(group, running).map_err(fail)?;
            self.event(group, running, Event::Deadline);
        }
    }

    fn wait(&self, group: &Group, running: &[Running]) -> io::Result<()> {
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.signals.fd()];
        fds.extend(running.iter().filter_map(|r| Some(r.link.as_ref()?.fd())));
        let banner = self.banner.as_ref().map(|(at, _)| *at);
        let deadline = [group.deadline(), banner].into_iter().flatten().min();
        poll::wait(&fds, deadline).map(drop)
    }

    fn show_banner(&mut self, group: &Group) {
        let due = self.banner.as_ref().is_some_and(|(at, _)| *at <= Instant::now());
        if group.is_stopping() || due {
            if let (Some((_, text)), false) = (self.banner.take(), group.is_stopping()) {
                print(&mut io::stderr(), &text);
            }
        }
    }

    /// Reads what first processes have to say.
    fn reports(&self, group: &mut Group, running: &mut [Running]) {
        for index in 0..running.len() {
            while let Some(report) = next_report(running.get_mut(index)) {
                match report {
                    Report::Ended(status) => {
                        if let Some(r) = running.get_mut(index) {
                            r.status = Some(status);
                        }
                    }
                    Report::Stopped(signal) => self.event(group, running, Event::Stopped(index, signal)),
                }
            }
        }
    }

    /// Reaps first processes; a stop of one that is the command itself is an event too.
    fn reap(&self, group: &mut Group, running: &mut [Running]) -> io::Result<()> {
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
                    if running.get(index).is_some_and(|r| r.direct) {
                        self.event(group, running, Event::Stopped(index, signal));
                    }
                }
                Status::Continued => {}
                ended => {
                    // Its last words came before its end.
                    self.reports(group, running);
                    let real = running.get_mut(index).and_then(|r| {
                        r.link = None;
                        r.status
                    });
                    self.event(group, running, Event::Ended(index, real.unwrap_or(ended)));
                }
            }
        }
    }

    /// Executes what the group decides about an event.
    pub fn event(&self, group: &mut Group, running: &mut [Running], event: Event) {
        let asks_for_terminal = matches!(event, Event::Stopped(..) | Event::Signal(libc::SIGCONT));
        let foreground = asks_for_terminal && self.terminal.is_ours();
        let actions = group.step(event, Instant::now(), foreground);
        self.execute(group, running, actions);
    }

    fn execute(&self, group: &mut Group, running: &mut [Running], actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Signal(index, signal) => {
                    if let Some(r) = running.get(index) {
                        r.signal(signal);
                    }
                }
                Action::GiveTerminal(index) => {
                    if let Some(r) = running.get(index) {
                        r.give_terminal(&self.terminal);
                    }
                }
                Action::TakeTerminal => self.terminal.take(),
                Action::Out(line) => print(&mut io::stdout(), &format!("{line}\n")),
                Action::Err(line) => print(&mut io::stderr(), &format!("{line}\n")),
                Action::StopSelf(signal, whole_group) => {
                    let _ = tty::suspend(signal, whole_group);
                    // A continuation shows up as a signal; without one the kernel has not stopped us.
                    let signals = self.signals.drain().unwrap_or_default();
                    let continued = signals.contains(&libc::SIGCONT);
                    if !continued {
                        self.event(group, running, Event::Signal(libc::SIGCONT));
                    }
                    for signal in signals.into_iter().filter(|s| *s != libc::SIGCHLD) {
                        self.event(group, running, Event::Signal(signal));
                    }
                }
            }
        }
    }

    fn begin_death(&mut self, signal: i32, running: &[Running]) {
        self.fatal = Some(signal);
        for r in running {
            r.signal(libc::SIGKILL);
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
        let _ = match &self.child.pidfd {
            _ if to_group => process::kill_group(self.child.pid, signal),
            Some(fd) => process::pidfd_send_signal(fd.as_fd(), signal)
                .or_else(|_| process::kill(self.child.pid, signal)),
            None => process::kill(self.child.pid, signal),
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

/// Writes text; nobody reads it any more is no reason to fail.
pub fn print(to: &mut dyn Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
