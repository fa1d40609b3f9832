//! The shell around the machine: one loop that waits for signals, messages of knots, ends of processes and times, tells
//! the machine, and does what it says. Nothing in here may end the process but the end of a shutdown.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::inspect;
use super::leftovers::Leftovers;
use super::machine::{Action, End, Event, Instance, Machine};
use super::pid_file::PidFile;
use super::publish::Publisher;
use super::records::{Record, Records, Throttle};
use super::sockets::Sockets;
use super::spawn::Launcher;
use super::standby::Standbys;
use crate::lithos::config::Master;
use crate::lithos::init;
use crate::lithos::knot::message::{self, Message, Outcome};
use crate::lithos::log::journal::Journal;
use crate::lithos::log::rotation::Rotation;
use crate::lithos::origin::Origin;
use crate::sys::cgroup::scope_name;
use crate::sys::passing::Passage;
use crate::sys::poll::{self, Signals};
use crate::sys::process::{self, Child, Status, WaitOptions};
use crate::sys::{monotonic, pidfd};

/// A container, or one that is being set up.
#[derive(Debug, Default)]
pub struct Live {
    /// The knot that sets it up, until it has ended.
    pub outer: Option<Child>,
    /// The container's init.
    pub inner: Option<i32>,
    /// It is our child: its end comes with a status.
    pub ours: bool,
    /// Its pidfd, where there are any.
    pub pidfd: Option<OwnedFd>,
    /// The start channel, until the other end is gone.
    pub channel: Option<Passage>,
    /// What it is made from.
    pub origin: Option<Origin>,
    /// Why it could not be set up.
    pub failure: Option<String>,
    /// How its process ended.
    pub outcome: Option<Box<Outcome>>,
    /// Its mount namespace, if a standby waits to follow it.
    pub mounts: Option<File>,
}

/// Everything the loop needs.
#[derive(Debug)]
pub struct Supervisor {
    /// Decides.
    pub machine: Machine,
    /// Absolute path of the master file.
    pub master_path: PathBuf,
    /// The master file.
    pub master: Master,
    /// Its text, for the next program.
    pub master_text: String,
    /// Program of this process, by the path it was started from.
    pub program: PathBuf,
    /// The log.
    pub journal: Journal,
    /// By name.
    pub lives: BTreeMap<String, Live>,
    /// Containers that wait for their turn.
    pub standbys: Standbys,
    /// Listening sockets.
    pub sockets: Sockets,
    /// Starts knots.
    pub launcher: Launcher,
    /// Records on disk.
    pub records: Records,
    /// Removes what is left.
    pub leftovers: Leftovers,
    /// The lock.
    pub pid_file: PidFile,
    /// The metric files.
    pub publisher: Publisher,
    /// Output logs that are to be rotated.
    pub rotation: Rotation,
    /// When they are looked at next; `None` = there are none.
    pub rotates_at: Option<Instant>,
    /// What the operator says.
    pub signals: Signals,
    /// Containers are being set up since the last reload.
    pub settling: bool,
    /// Everything has ended, and by which signal it was asked for.
    pub finished: bool,
    /// The last signal that asked for the end.
    pub asked: i32,
}

/// What became ready in a turn.
enum Ready {
    Signal,
    Channel(String),
    Gone(String),
    Standby(String),
}

impl Supervisor {
    /// Runs until everything has been stopped on request.
    pub fn run(&mut self) {
        while !self.finished {
            self.settle();
            let happened = self.wait();
            self.machine.figures.turns += 1;
            for ready in happened {
                match ready {
                    Ready::Signal => self.take_signals(),
                    Ready::Channel(name) => self.drain(&name),
                    Ready::Gone(name) => self.ended(&name, None),
                    Ready::Standby(name) => self.hear_standby(&name),
                }
            }
            let actions = self.machine.tick(monotonic::millis());
            self.act(actions);
            self.make_standbys();
            self.rotate();
            self.publish();
        }
    }

    /// Waits for the next thing to happen.
    fn wait(&mut self) -> Vec<Ready> {
        let mut fds = vec![self.signals.fd()];
        let mut meanings: Vec<fn(String) -> Ready> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for (name, live) in &self.lives {
            if let Some(channel) = &live.channel {
                fds.push(channel.as_fd());
                meanings.push(Ready::Channel);
                names.push(name);
            }
            if let (false, Some(pidfd)) = (live.ours, &live.pidfd) {
                fds.push(pidfd.as_fd());
                meanings.push(Ready::Gone);
                names.push(name);
            }
        }
        for (name, channel) in self.standbys.channels() {
            fds.push(channel);
            meanings.push(Ready::Standby);
            names.push(name);
        }
        let ready = match poll::wait(&fds, self.deadline()) {
            Ok(ready) => ready,
            Err(e) => {
                self.journal.error(&format!("poll: {e}"));
                // No loop without pause, whatever is wrong.
                std::thread::sleep(Duration::from_millis(100));
                return vec![Ready::Signal];
            }
        };
        let mut happened = Vec::new();
        if ready.first() == Some(&true) {
            happened.push(Ready::Signal);
        }
        let named = names.iter().zip(meanings).zip(ready.iter().skip(1));
        let named = named.filter(|(_, ready)| **ready);
        happened.extend(named.map(|((name, meaning), _)| meaning(name.to_string())));
        // Messages before signals: what a knot said before its end counts.
        happened.sort_by_key(|ready| !matches!(ready, Ready::Channel(_)));
        happened
    }

    fn deadline(&self) -> Option<Instant> {
        let due = [self.machine.deadline(), self.standbys.deadline()];
        let due = due.into_iter().flatten().min().and_then(|at| {
            let left = at.saturating_sub(monotonic::millis());
            // The machine counts whole milliseconds: never wake up just before one.
            Instant::now().checked_add(Duration::from_millis(left + 1))
        });
        due.into_iter().chain(self.rotates_at).min()
    }

    fn take_signals(&mut self) {
        let signals = self.signals.drain().unwrap_or_default();
        self.reap();
        for signal in &signals {
            if matches!(*signal, libc::SIGTERM | libc::SIGINT | libc::SIGPWR) {
                self.asked = *signal;
                self.journal.info("Stopping all containers");
                self.end_all_standbys();
                let actions = self.machine.terminate(monotonic::millis());
                self.act(actions);
            }
        }
        let reload = [libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];
        if signals.iter().any(|signal| reload.contains(signal)) {
            match self.machine.is_stopping() {
                true => self.journal.info("No reload: everything is being stopped"),
                false => self.reload(),
            }
        }
    }

    /// Takes note of all children that ended.
    pub fn reap(&mut self) {
        let nohang = WaitOptions {
            nohang: true,
            ..WaitOptions::default()
        };
        while let Ok(Some((pid, status))) = process::wait(None, nohang) {
            if self.child_ended(pid, status) || self.standby_ended(pid) {
                continue;
            }
            // The container may be gone before its knot's message was read.
            let starting = self.lives.iter().filter(|(_, live)| live.inner.is_none());
            let names: Vec<String> = starting.map(|(name, _)| name.clone()).collect();
            names.iter().for_each(|name| self.drain(name));
            if !self.child_ended(pid, status) {
                self.journal.info(&init::reaped(pid, status));
            }
        }
    }

    /// `false`: nobody knows this child.
    fn child_ended(&mut self, pid: i32, status: Status) -> bool {
        let is_outer = |live: &Live| live.outer.as_ref().is_some_and(|child| child.pid == pid);
        let known = |(name, live): (&String, &Live)| {
            let outer = is_outer(live);
            (outer || live.inner == Some(pid)).then(|| (name.clone(), outer))
        };
        match self.lives.iter().find_map(known) {
            None => return false,
            Some((name, true)) => self.setup_ended(&name, status),
            Some((name, false)) => self.ended(&name, Some(status)),
        }
        true
    }

    /// The knot that set a container up has ended, with or without success.
    fn setup_ended(&mut self, name: &str, status: Status) {
        self.drain(name);
        let Some(live) = self.lives.get_mut(name) else {
            return;
        };
        live.outer = None;
        if live.inner.is_some() {
            return;
        }
        let why = live.failure.take().unwrap_or_else(|| shown(status));
        self.lives.remove(name);
        self.failed(name, &why);
    }

    /// There is no container, or none any more, and its process has never run.
    fn failed(&mut self, name: &str, why: &str) {
        self.journal
            .error(&format!("Container {name:?} could not be started: {why}"));
        self.tell(name, Event::Failed { counted: true });
    }

    /// A container is gone.
    fn ended(&mut self, name: &str, status: Option<Status>) {
        self.drain(name);
        let Some(live) = self.lives.remove(name) else {
            return;
        };
        if let Some(why) = &live.failure {
            return self.failed(name, why);
        }
        let written = || Outcome::parse(&self.records.exit_text(name)?).map(Box::new);
        let outcome = live.outcome.or_else(written);
        let normal = match status {
            Some(status) => status == Status::Exited(0),
            None => outcome.as_ref().is_some_and(|outcome| outcome.knot_code() == 0),
        };
        let oom = outcome.as_ref().is_some_and(|outcome| outcome.oom);
        let event = Event::Ended(End { normal, oom });
        let actions = self.machine.handle(name, event, monotonic::millis());
        self.release_standbys(&actions);
        let how = match (&outcome, status) {
            (Some(outcome), _) => outcome.to_string(),
            (None, Some(status)) => shown(status),
            (None, None) => "ended, nobody knows how".into(),
        };
        let note = if oom { ", for want of memory" } else { "" };
        let line = format!(
            "Container {name:?} (pid: {}) {how}{note}",
            live.inner.unwrap_or_default()
        );
        match normal {
            true => self.journal.info(&line),
            false => self.journal.error(&line),
        }
        self.act(actions);
    }

    /// Reads everything a knot has said.
    fn drain(&mut self, name: &str) {
        loop {
            let channel = self.lives.get(name).and_then(|live| live.channel.as_ref());
            let Some(channel) = channel else { return };
            match channel.receive() {
                Ok(Some((packet, fds))) => match message::parse(&packet) {
                    Some(message) => self.take_message(name, message, fds),
                    None => self
                        .journal
                        .warn(&format!("{name}: a message that no knot sends")),
                },
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Ok(None) | Err(_) => {
                    if let Some(live) = self.lives.get_mut(name) {
                        live.channel = None;
                    }
                    return;
                }
            }
        }
    }

    fn take_message(&mut self, name: &str, message: Message, mut fds: Vec<OwnedFd>) {
        let Some(live) = self.lives.get_mut(name) else {
            return;
        };
        match message {
            Message::Started(pid) if pid > 1 && live.inner.is_none() => {
                live.inner = Some(pid);
                live.ours = true;
                // A knot may be the container's init itself.
                live.outer = live.outer.take().filter(|child| child.pid != pid);
                live.pidfd = fds.pop().or_else(|| pidfd::open(pid).ok());
                self.write_record(name, pid);
                self.tell(name, Event::Started(pid));
                self.plan_standby(name);
            }
            Message::Origin(origin) => live.origin = Some(origin),
            Message::Started(_) | Message::Stamps(_) | Message::Parked(_) => {}
            Message::Failed(why) => live.failure = Some(why),
            Message::Ready(is) => {
                if !is {
                    self.journal.warn(&format!("{name} is not ready in its time"));
                }
                self.tell(name, Event::Ready(is));
            }
            Message::Exit(outcome) if outcome.restarts => {
                self.journal.info(&format!("{name}: process {outcome}, restarts"));
                let (normal, oom) = (outcome.normal, outcome.oom);
                self.tell(name, Event::Restarted(End { normal, oom }));
            }
            Message::Exit(outcome) => live.outcome = Some(Box::new(outcome)),
        }
    }

    /// Writes the record of a container.
    pub fn write_record(&mut self, name: &str, pid: i32) {
        let Some((json, started, ends)) = self.machine.live(name) else {
            return;
        };
        let cgroup = match self.leftovers.cgroups {
            Some(_) => scope_name(name).unwrap_or_default(),
            None => String::new(),
        };
        let record = Record {
            name: name.to_string(),
            instance: json.to_string(),
            master: self.master_path.clone(),
            pid,
            start_time: inspect::start_time(pid).unwrap_or_default(),
            boot_id: inspect::boot_id(),
            cgroup,
            started_at: started.unwrap_or_default(),
            throttle: Throttle { ends },
            origin: self.lives.get(name).and_then(|live| live.origin),
        };
        if let Err(e) = self.records.write(&record) {
            self.journal.error(&format!("record of {name}: {e}"));
        }
    }

    /// Tells the machine what happened, and does what it says.
    pub fn tell(&mut self, name: &str, event: Event) {
        let actions = self.machine.handle(name, event, monotonic::millis());
        self.act(actions);
    }

    /// Does what the machine says.
    pub fn act(&mut self, actions: Vec<Action>) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match action {
                Action::Start(instance) => {
                    if let Some(counted) = self.start(&instance) {
                        let now = monotonic::millis();
                        queue.extend(
                            self.machine
                                .handle(&instance.name, Event::Failed { counted }, now),
                        );
                    }
                }
                Action::Stop(name) => self.stop(&name),
                Action::Clean { name, for_good } => self.clean(&name, for_good),
                Action::Finish => self.finished = true,
            }
        }
        self.sockets.keep_only(self.machine.in_use());
    }

    /// Starts a knot. `Some`: it was impossible, and whether that counts as a start.
    fn start(&mut self, instance: &Instance) -> Option<bool> {
        let name = &instance.name;
        if self.start_standby(instance) {
            self.plan_standby(name);
            return None;
        }
        let opened = self.sockets.open_for(instance);
        let own = match opened.and_then(|()| Sockets::open_own(instance)) {
            Ok(own) => own,
            Err(why) => {
                self.journal.error(&format!("{name}: {why}"));
                return Some(false);
            }
        };
        let mut sockets = self.sockets.of(instance);
        sockets.extend(own.iter().map(|(fd, number)| (fd.as_fd(), *number)));
        let prepared = self.records.prepare(name);
        let started = prepared.and_then(|()| self.launcher.start(instance, &sockets, false));
        match started {
            Ok((child, channel)) => {
                self.journal.info(&format!("Starting container {name:?}"));
                let live = Live {
                    outer: Some(child),
                    channel: Some(channel),
                    ..Live::default()
                };
                self.lives.insert(name.clone(), live);
                None
            }
            Err(e) => {
                self.journal
                    .error(&format!("Container {name:?} could not be started: {e}"));
                Some(true)
            }
        }
    }

    fn stop(&mut self, name: &str) {
        self.end_standby(name);
        let Some(live) = self.lives.get(name) else { return };
        self.journal.info(&format!("Stopping container {name:?}"));
        let sent = match (&live.pidfd, live.inner, &live.outer) {
            (Some(fd), _, _) => process::pidfd_send_signal(fd.as_fd(), libc::SIGTERM),
            // Our child, not reaped yet: the number is still its own.
            (None, Some(pid), _) => process::kill(pid, libc::SIGTERM),
            (None, None, Some(child)) => child.signal(libc::SIGTERM),
            (None, None, None) => Ok(()),
        };
        match sent {
            Err(e) if e.raw_os_error() != Some(libc::ESRCH) => {
                self.journal.error(&format!("can't stop {name}: {e}"));
            }
            _ => {}
        }
    }

    /// Removes what is left of a container.
    pub fn clean(&mut self, name: &str, for_good: bool) {
        if for_good {
            self.end_standby(name);
        }
        if let Err(e) = self.records.remove(name) {
            self.journal.warn(&format!("record of {name}: {e}"));
        }
        if let Err(e) = self.leftovers.clean(name, for_good) {
            self.journal.warn(&e);
        }
    }

    /// Everything open that another program would have to know.
    pub fn channel_fds(live: &Live) -> [Option<BorrowedFd<'_>>; 2] {
        [
            live.pidfd.as_ref().map(AsFd::as_fd),
            live.channel.as_ref().map(AsFd::as_fd),
        ]
    }
}

/// `exited with code 5`, `killed by signal SIGKILL[9]`.
fn shown(status: Status) -> String {
    match status {
        Status::Exited(code) => format!("exited with code {code}"),
        Status::Signaled(signal) => format!("killed by signal {}[{signal}]", message::signal_name(signal)),
        other => format!("{other:?}"),
    }
}
