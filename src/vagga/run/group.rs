//! What the launcher does about its children, its signals and the terminal: a pure state machine for one command
//! and for a supervised group alike.
//!
//! | event | one command | group |
//! |---|---|---|
//! | `INT`, `QUIT`, `TERM` | passed on | passed on to all; begins the shutdown, result 128 + signal |
//! | `TSTP`, `TTIN`, `TTOU` | `TSTP` to the children, then we stop | same |
//! | `CONT` | children continue; who had the terminal gets it again | same |
//! | child stopped by `TTIN`, `TTOU` | gets the terminal if it is ours to give, else we stop | same; waits while a sibling has it |
//! | child stopped otherwise | we take the terminal and stop | same, siblings are stopped if it had the terminal |
//! | child ended | its status is the result | by mode |
//!
//! What a signal does inside a container is the business of its first process, see [`super::pid1`].

use std::time::{Duration, Instant};

use crate::sys::process::Status;
use crate::vagga::config::command::SuperviseMode;

/// When the group ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// One command: nothing is printed, it is never killed.
    Single,
    /// A `!Supervise` command.
    Supervise {
        /// What ends the group.
        mode: SuperviseMode,
        /// Time between asking children to stop and killing them.
        grace: Duration,
    },
}

/// Something happened. Children are named by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A signal to vagga itself.
    Signal(i32),
    /// A child was stopped by this signal (not at our request).
    Stopped(usize, i32),
    /// A child has ended.
    Ended(usize, Status),
    /// A child could not even be started.
    NotStarted(usize),
    /// The deadline has passed.
    Deadline,
}

/// What to do about it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a signal to a child.
    Signal(usize, i32),
    /// Make the child's group the foreground group of the terminal and let it continue.
    GiveTerminal(usize),
    /// Make our group the foreground group again.
    TakeTerminal,
    /// Stop this process as if the terminal had sent this signal to its group (`true`), or only itself.
    /// When that has no effect (nobody could continue us) the caller reports [`Event::Signal`] with `SIGCONT`.
    StopSelf(i32, bool),
    /// Print a line on stdout.
    Out(String),
    /// Print a line on stderr.
    Err(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: String,
    pid: i32,
    ended: bool,
    /// Stopped because a sibling has the terminal.
    waits_for_terminal: bool,
}

/// State of one command or one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    policy: Policy,
    members: Vec<Member>,
    /// Whose group is in the foreground.
    holder: Option<usize>,
    /// Who had the terminal when we stopped.
    former_holder: Option<usize>,
    result: Option<u8>,
    kill_at: Option<Instant>,
}

impl Group {
    /// A group of no children yet.
    pub fn new(policy: Policy) -> Group {
        Group {
            policy,
            members: Vec::new(),
            holder: None,
            former_holder: None,
            result: None,
            kill_at: None,
        }
    }

    /// Adds a child that has been started (or was to be started, pid 0); returns its index.
    pub fn add(&mut self, name: &str, pid: i32) -> usize {
        self.members.push(Member {
            name: name.to_string(),
            pid,
            ended: false,
            waits_for_terminal: false,
        });
        self.members.len() - 1
    }

    /// Index of the child with this process id.
    pub fn find(&self, pid: i32) -> Option<usize> {
        self.members.iter().position(|m| m.pid == pid && !m.ended)
    }

    /// True once the shutdown has begun.
    pub fn is_stopping(&self) -> bool {
        self.result.is_some()
    }

    /// Status for the shell once every child has ended.
    pub fn result(&self) -> Option<u8> {
        let all = self.members.iter().all(|m| m.ended);
        all.then(|| self.result.unwrap_or(0))
    }

    /// When [`Event::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.kill_at
    }

    /// One step. `foreground`: our own process group may use the terminal now (or no living group has it).
    pub fn step(&mut self, event: Event, now: Instant, foreground: bool) -> Vec<Action> {
        match event {
            Event::Signal(signal) => self.signal(signal, now, foreground),
            Event::Stopped(child, signal) => self.stopped(child, signal, foreground),
            Event::Ended(child, status) => self.ended(child, status, now),
            Event::NotStarted(child) => self.not_started(child, now),
            Event::Deadline => self.deadline_passed(now),
        }
    }

    fn signal(&mut self, signal: i32, now: Instant, foreground: bool) -> Vec<Action> {
        match signal {
            libc::SIGINT | libc::SIGQUIT | libc::SIGTERM => {
                let mut actions = Vec::new();
                if let Policy::Supervise { .. } = self.policy {
                    let name = signal_name(signal);
                    actions.push(Action::Err(format!(
                        "vagga: received {name}, waiting for processes to stop"
                    )));
                    self.begin_stop(128 + signal as u8, now);
                }
                actions.extend(self.to_all(signal));
                actions
            }
            libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => {
                let mut actions = self.to_all(libc::SIGTSTP);
                actions.extend(self.release_terminal());
                actions.push(Action::StopSelf(signal, false));
                actions
            }
            libc::SIGCONT => self.resume(foreground),
            _ => Vec::new(),
        }
    }

    fn resume(&mut self, foreground: bool) -> Vec<Action> {
        let former = self.former_holder.take().filter(|_| foreground);
        let mut actions = Vec::new();
        for (index, _) in self.members.iter().enumerate().filter(|(_, m)| !m.ended) {
            if former == Some(index) {
                self.holder = Some(index);
                actions.push(Action::GiveTerminal(index));
            } else {
                actions.push(Action::Signal(index, libc::SIGCONT));
            }
        }
        actions
    }

    fn stopped(&mut self, child: usize, signal: i32, foreground: bool) -> Vec<Action> {
        let wants_terminal = matches!(signal, libc::SIGTTIN | libc::SIGTTOU);
        if wants_terminal && foreground {
            self.holder = Some(child);
            return vec![Action::GiveTerminal(child)];
        }
        if wants_terminal && self.holder.is_some_and(|holder| holder != child) {
            if let Some(member) = self.members.get_mut(child) {
                member.waits_for_terminal = true;
            }
            return Vec::new();
        }
        let single = self.policy == Policy::Single;
        if !single && !wants_terminal && self.holder != Some(child) {
            // Somebody stopped one process of the group on purpose.
            return Vec::new();
        }
        let mut actions: Vec<Action> = self
            .living()
            .filter(|&index| index != child)
            .map(|index| Action::Signal(index, libc::SIGTSTP))
            .collect();
        actions.extend(self.release_terminal());
        if self.former_holder.is_none() && wants_terminal {
            self.former_holder = Some(child);
        }
        let stop = if wants_terminal { signal } else { libc::SIGTSTP };
        actions.push(Action::StopSelf(stop, true));
        actions
    }

    fn ended(&mut self, child: usize, status: Status, now: Instant) -> Vec<Action> {
        let mut actions = self.remove(child);
        let code = status.exit_code();
        match self.policy {
            Policy::Single => self.result = Some(code),
            Policy::Supervise { mode, .. } => {
                let fine = mode == SuperviseMode::wait_all_successful && code == 0;
                if !fine && !self.is_stopping() {
                    let text = describe(status);
                    actions.extend(self.shut_down(child, &text, code, now));
                }
            }
        }
        actions
    }

    fn not_started(&mut self, child: usize, now: Instant) -> Vec<Action> {
        let mut actions = self.remove(child);
        if !self.is_stopping() {
            actions.extend(self.shut_down(child, "could not be run", 127, now));
        }
        actions
    }

    fn shut_down(&mut self, child: usize, what: &str, code: u8, now: Instant) -> Vec<Action> {
        self.begin_stop(code, now);
        let line = self.members.get(child).map(|m| {
            let Member { name, pid, .. } = m;
            Action::Out(format!(
                "---------- Process {name}:{pid} {what}. Shutting down -----------"
            ))
        });
        line.into_iter().chain(self.to_all(libc::SIGTERM)).collect()
    }

    fn deadline_passed(&mut self, now: Instant) -> Vec<Action> {
        if self.kill_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.kill_at = None;
        let names: Vec<&str> = self
            .members
            .iter()
            .filter(|m| !m.ended)
            .map(|m| m.name.as_str())
            .collect();
        if names.is_empty() {
            return Vec::new();
        }
        let line = format!(
            "---------- Processes {} did not stop in time (see kill-unresponsive-after). Killing them -----------",
            names.join(", ")
        );
        let mut actions = vec![Action::Out(line)];
        actions.extend(self.to_all(libc::SIGKILL));
        actions
    }

    /// The first reason to stop decides about the result and the deadline.
    fn begin_stop(&mut self, result: u8, now: Instant) {
        if let (None, Policy::Supervise { grace, .. }) = (self.result, self.policy) {
            self.result = Some(result);
            self.kill_at = Some(now + grace);
        }
    }

    /// A child is gone: the terminal returns to us, or goes to a sibling that waits for it.
    fn remove(&mut self, child: usize) -> Vec<Action> {
        if let Some(member) = self.members.get_mut(child) {
            member.ended = true;
        }
        if self.former_holder == Some(child) {
            self.former_holder = None;
        }
        if self.holder != Some(child) {
            return Vec::new();
        }
        self.holder = None;
        let mut actions = vec![Action::TakeTerminal];
        let next = self.members.iter().position(|m| m.waits_for_terminal && !m.ended);
        if let Some(index) = next {
            self.holder = Some(index);
            actions.push(Action::GiveTerminal(index));
        }
        if let Some(member) = next.and_then(|index| self.members.get_mut(index)) {
            member.waits_for_terminal = false;
        }
        actions
    }

    fn release_terminal(&mut self) -> Option<Action> {
        self.former_holder = self.holder.take().or(self.former_holder);
        self.former_holder.map(|_| Action::TakeTerminal)
    }

    fn living(&self) -> impl Iterator<Item = usize> + '_ {
        self.members
            .iter()
            .enumerate()
            .filter_map(|(index, m)| (!m.ended).then_some(index))
    }

    fn to_all(&self, signal: i32) -> Vec<Action> {
        self.living().map(|index| Action::Signal(index, signal)).collect()
    }
}

/// How a process ended, for the shutdown line.
fn describe(status: Status) -> String {
    match status {
        Status::Signaled(signal) => format!("killed by signal {}[{signal}]", signal_name(signal)),
        other => format!("exited with code {}", other.exit_code()),
    }
}

/// `SIGTERM` for 15; signals without a name are given by number.
fn signal_name(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(name) => name.as_str().to_string(),
        Err(_) => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests;
