//! The first process of a container: puts the root together, gives up its rights, starts the service and watches it.
//!
//! It is a copy of the process that prepared everything on the host and executes nothing, so that nothing of the
//! host's files is needed inside. What it returns is the exit code of the knot.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use log::Level;

use super::design::{Ids, Network, Process, Socket, Supervision};
use super::message::{self, exit, Message};
use super::ready::{Readiness, Verdict};
use super::relay::Relay;
use super::report::Report;
use super::service::{self, Descriptors};
use super::supervise::{Action, Machine};
use crate::container::Prepared;
use crate::sys::capability::{self, Capabilities};
use crate::sys::cgroup::OomCounter;
use crate::sys::descriptors::{close_all_but, hide};
use crate::sys::listen;
use crate::sys::memory;
use crate::sys::namespace::unshare;
use crate::sys::passing::Passage;
use crate::sys::poll::{self, Signals};
use crate::sys::process::{self, Child, Namespaces, Status, WaitOptions};

/// What the first process needs beyond its root.
#[derive(Debug)]
pub struct Inner {
    /// `SB/PROC.N`.
    pub name: String,
    /// Ids of the process.
    pub ids: Ids,
    /// The process.
    pub process: Process,
    /// How it is watched.
    pub supervision: Supervision,
    /// Supervised, as opposed to a command.
    pub daemon: bool,
    /// Log and output.
    pub report: Report,
    /// Between the process and its log, if its lines are to have a form.
    pub relay: Option<Relay>,
    /// Sockets of the host, with their numbers in the process.
    pub sockets: Vec<(OwnedFd, i32)>,
    /// Sockets to be opened in the container's own network.
    pub inside: Vec<Socket>,
    /// Its network.
    pub network: Network,
    /// The exit record.
    pub record: Option<File>,
    /// It waits for its turn before the process is started.
    pub standby: bool,
    /// The start channel.
    pub channel: Option<Passage>,
    /// Kills for want of memory, and their number at the start.
    pub oom: Option<(OomCounter, u64)>,
}

/// Makes a process.
type How<T> = fn(&Process, &Ids, &Descriptors<'_>) -> io::Result<T>;

impl Inner {
    /// The whole life of the container, from the moment the maps are written; ends with the exit code of the knot.
    pub fn run(mut self, root: Prepared<'_>) -> ! {
        let lived = self.set_up(root).and_then(|signals| match self.standby {
            true => self.stand_by(&signals),
            false => self.supervise(&signals),
        });
        let code = lived.unwrap_or_else(|e| {
            self.failed(&e.to_string());
            exit::SETUP
        });
        // Somebody waits for the end: the kernel closes everything at once.
        process::exit_now(code.into())
    }

    fn failed(&self, why: &str) {
        self.report.say(Level::Error, &format!("{}: {why}", self.name));
        self.tell(&Message::Failed(why.to_string()));
    }

    fn tell(&self, message: &Message) {
        if let Some(channel) = &self.channel {
            // A tree that is gone, or does not listen, changes nothing.
            let _ = message::send(channel, message, None);
        }
    }

    fn set_up(&mut self, root: Prepared<'_>) -> io::Result<Signals> {
        // Now that this process is in its group: that becomes the root of what the container sees.
        unshare(Namespaces::CGROUP)?;
        if self.network == Network::Loopback {
            crate::sys::loopback::up()?;
        }
        self.report.leave_root();
        root.enter().map_err(|e| {
            let hint = e.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            io::Error::other(format!("{e}{hint}"))
        })?;
        for socket in std::mem::take(&mut self.inside) {
            let fd = listen::tcp(socket.address, &socket.options)
                .map_err(|e| io::Error::new(e.kind(), format!("listen on {}: {e}", socket.address)))?;
            self.sockets.push((fd, socket.fd));
        }
        hide()?;
        self.close_others()?;
        self.give_up()?;
        if std::env::var_os(message::DIE_WITH_TREE).is_some() {
            // After the change of ids, which the kernel takes as a reason to forget it (PR_SET_PDEATHSIG(2const)).
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        }
        Signals::new(&[libc::SIGTERM, libc::SIGINT, libc::SIGCHLD])
    }

    /// Detached mounts, files of the host: everything that is not known here goes.
    fn close_others(&self) -> io::Result<()> {
        let mut keep = self.report.fds();
        keep.extend(self.sockets.iter().map(|(fd, _)| fd.as_fd()));
        keep.extend(self.record.as_ref().map(AsFd::as_fd));
        keep.extend(self.channel.as_ref().map(AsFd::as_fd));
        keep.extend(self.oom.as_ref().map(|(counter, _)| counter.as_fd()));
        close_all_but(3, &keep)
    }

    /// What remains: to signal the process, to become its user again for a restart, and what the process may have.
    fn give_up(&mut self) -> io::Result<()> {
        let named = |what: &str, e: io::Error| io::Error::new(e.kind(), format!("{what}: {e}"));
        capability::limit_bounding(self.process.capabilities).map_err(|e| named("bounding set", e))?;
        let uid = if self.ids.outside_uid(0).is_some() {
            0
        } else {
            self.ids.uid
        };
        let gid = if self.ids.outside_gid(0).is_some() {
            0
        } else {
            self.ids.gid
        };
        capability::keep_over_user_change()?;
        process::set_ids(uid, gid, Some(&[])).map_err(|e| named("ids of the init process", e))?;
        if self.report.has_form() && !self.process.interactive {
            // As a user of the container, who alone can give pipes away.
            let relay = Relay::new(self.ids.uid, self.ids.gid);
            self.relay = Some(relay.map_err(|e| named("pipes for the output", e))?);
        }
        let own = Capabilities::KILL
            .and(Capabilities::SETUID)
            .and(Capabilities::SETGID);
        capability::reduce(own.and(self.process.capabilities), false)
            .map_err(|e| named("capabilities of the init process", e))?;
        capability::no_new_privileges()
    }

    fn start(&self, notify: Option<&str>) -> io::Result<Child> {
        self.announce();
        self.make(notify, service::start)
    }

    fn announce(&self) {
        self.report
            .starting(&self.process.program, &self.process.arguments);
    }

    /// The process, or the process up to its program.
    fn make<T>(&self, notify: Option<&str>, how: How<T>) -> io::Result<T> {
        let mut process = std::borrow::Cow::Borrowed(&self.process);
        if let Some(address) = notify {
            let variable = ("NOTIFY_SOCKET".to_string(), address.to_string());
            process.to_mut().environment.push(variable);
        }
        let plain = || [self.report.output(), self.report.output()];
        let output = (!process.interactive).then(|| self.relay.as_ref().map_or_else(plain, Relay::outputs));
        let descriptors = Descriptors {
            output,
            sockets: &self.sockets,
        };
        how(&process, &self.ids, &descriptors)
    }

    fn supervise(&mut self, signals: &Signals) -> io::Result<u8> {
        let ready = Readiness::begin(self.supervision.ready.as_ref(), &self.name)?;
        let child = self.start(ready.address())?;
        self.watch(signals, child, ready)
    }

    /// As a standby: everything but the program, which is executed when the container's turn comes.
    fn stand_by(&mut self, signals: &Signals) -> io::Result<u8> {
        let mut ready = Readiness::begin(self.supervision.ready.as_ref(), &self.name)?;
        let held = self.make(ready.address(), service::hold)?;
        self.tell(&Message::Parked(true));
        if !self.wait_for_turn(signals)? {
            return Ok(exit::NORMAL);
        }
        // First of all: from here on it is a container that runs, whoever looks.
        nix::sys::prctl::set_name(message::KNOT_NAME)?;
        if let Some((counter, seen)) = &mut self.oom {
            *seen = counter.read();
        }
        self.announce();
        ready.begin_again(self.supervision.ready.as_ref());
        let child = held.release()?;
        self.watch(signals, child, ready)
    }

    /// `false`: its turn never comes, since the tree is gone or wants something else.
    fn wait_for_turn(&self, signals: &Signals) -> io::Result<bool> {
        let Some(channel) = &self.channel else {
            return Ok(false);
        };
        loop {
            let ready = poll::wait(&[channel.as_fd(), signals.fd()], None)?;
            if ready == [false, true] {
                // A request to stop, or the process that waits is dead.
                return Ok(false);
            }
            match channel.receive() {
                Ok(Some((text, _))) if text == message::GO => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                _ => return Ok(false),
            }
        }
    }

    fn watch(&mut self, signals: &Signals, mut child: Child, mut ready: Readiness) -> io::Result<u8> {
        let mut machine = Machine::new(self.supervision.clone(), self.daemon, Instant::now());
        if ready.is_unasked() {
            self.tell(&Message::Ready(true));
        }
        // What the process has left in our memory on its way to its program.
        let _ = memory::give_back();
        memory::trim_stack();
        loop {
            let deadline = [machine.deadline(), ready.deadline()].into_iter().flatten().min();
            let mut fds = vec![signals.fd()];
            fds.extend(ready.fd());
            fds.extend(self.relay.iter().flat_map(Relay::fds));
            poll::wait(&fds, deadline)?;
            self.pump();
            for signal in signals.drain()? {
                let actions = match signal {
                    libc::SIGTERM => machine.stop(Instant::now()),
                    libc::SIGINT => machine.last_run(),
                    _ => self.reap(&mut machine, &child)?,
                };
                if let Some(code) = self.act(actions, &mut machine, &mut child, &mut ready)? {
                    return Ok(code);
                }
            }
            let now = Instant::now();
            match ready.look(now) {
                Verdict::Pending => {}
                Verdict::Ready => self.tell(&Message::Ready(true)),
                Verdict::TooLate => {
                    self.report
                        .say(Level::Warn, &format!("{} is not ready in time", self.name));
                    self.tell(&Message::Ready(false));
                }
            }
            let actions = machine.deadline_passed(now);
            if let Some(code) = self.act(actions, &mut machine, &mut child, &mut ready)? {
                return Ok(code);
            }
        }
    }

    fn pump(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.pump(&mut self.report);
        }
    }

    /// Everything that ended; the machine hears of the main process.
    fn reap(&mut self, machine: &mut Machine, child: &Child) -> io::Result<Vec<Action>> {
        let mut actions = Vec::new();
        let any = WaitOptions {
            nohang: true,
            ..WaitOptions::default()
        };
        loop {
            let (pid, status) = match process::wait(None, any) {
                Ok(Some(ended)) => ended,
                Ok(None) => return Ok(actions),
                Err(e) if e.raw_os_error() == Some(libc::ECHILD) => return Ok(actions),
                Err(e) => return Err(e),
            };
            if pid == child.pid && machine.is_running() && !matches!(status, Status::Stopped(_)) {
                let oom = self.out_of_memory();
                actions.extend(machine.ended(status, oom, Instant::now()));
            }
        }
    }

    fn out_of_memory(&mut self) -> bool {
        let Some((counter, seen)) = &mut self.oom else {
            return false;
        };
        let now = counter.read();
        std::mem::replace(seen, now) < now
    }

    /// `Some`: the exit code.
    fn act(
        &mut self,
        actions: Vec<Action>,
        machine: &mut Machine,
        child: &mut Child,
        ready: &mut Readiness,
    ) -> io::Result<Option<u8>> {
        for action in actions {
            match action {
                Action::Signal(signal) => {
                    // It may just have ended: then its end is heard next.
                    let _ = child.signal(signal);
                }
                Action::Record(outcome) => {
                    if let Some(relay) = &mut self.relay {
                        relay.end(&mut self.report);
                    }
                    self.report.ended(&outcome);
                    if let Some(record) = &mut self.record {
                        let _ = record.set_len(0);
                        let _ = record.write_all(outcome.to_line().as_bytes());
                    }
                    ready.cancel();
                    self.tell(&Message::Exit(outcome));
                }
                Action::Overdue { after, uptime } => self.overdue(after, uptime),
                Action::Start => {
                    *ready = Readiness::begin(self.supervision.ready.as_ref(), &self.name)?;
                    *child = self.start(ready.address())?;
                    machine.started(Instant::now());
                    if ready.is_unasked() {
                        self.tell(&Message::Ready(true));
                    }
                }
                Action::Leave(code) => return Ok(Some(code)),
            }
        }
        Ok(None)
    }

    fn overdue(&mut self, after: Duration, uptime: Duration) {
        self.report.overdue(after, uptime);
        let outcome = message::Outcome {
            code: None,
            signal: Some(libc::SIGKILL),
            oom: false,
            normal: false,
            uptime: uptime.as_secs_f64(),
            stop: true,
            timeout: true,
            restarts: false,
        };
        if let Some(record) = &mut self.record {
            let _ = record.set_len(0);
            let _ = record.write_all(outcome.to_line().as_bytes());
        }
        self.tell(&Message::Exit(outcome));
    }
}

/// Waits for the word of the process outside: the maps are written, the network is there. The end of the pipe without it
/// means that the process failed.
pub fn wait_for_release(pipe: BorrowedFd<'_>) -> bool {
    nix::unistd::read(pipe, &mut [0; 1]) == Ok(1)
}
