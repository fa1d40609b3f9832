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
//! | everything else about children | its status is the result | see `life` |
//!
//! What a signal does inside a container is the business of its first process, see [`super::pid1`].

mod life;
mod member;
mod standing;

use std::time::{Duration, Instant};

use crate::sys::process::Status;
use crate::vagga::config::command::SuperviseMode;

use member::Member;
pub use member::Rules;
pub use standing::Standing;

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
    /// All children have been added.
    Begin,
    /// A signal to vagga itself.
    Signal(i32),
    /// A child was stopped by this signal (not at our request).
    Stopped(usize, i32),
    /// A child has ended.
    Ended(usize, Status),
    /// A child could not even be started.
    NotStarted(usize),
    /// A child runs, with this process id.
    Started(usize, i32),
    /// A child is ready for those that wait for it.
    Ready(usize),
    /// vagga has to end by this signal as soon as no child is left.
    Abandoned(i32),
    /// The deadline has passed.
    Deadline,
}

/// What to do about it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a child, if it still [may](Group::may_start), and report how that went.
    Start(usize),
    /// Send a signal to a child.
    Signal(usize, i32),
    /// Make the child's group the foreground group of the terminal and let it continue.
    GiveTerminal(usize),
    /// Make our group the foreground group again.
    TakeTerminal,
    /// Stop this process as if the terminal had sent this signal to its group (`true`), or only itself.
    /// When that has no effect (nobody could continue us) the caller reports [`Event::Signal`] with `SIGCONT`.
    StopSelf(i32, bool),
    /// Something to be known about a child.
    Note {
        /// The child.
        child: usize,
        /// What has happened, to be read after its name.
        text: String,
        /// Of interest only to who watches.
        detail: bool,
    },
    /// Print a line on stdout.
    Out(String),
    /// Print a line on stderr.
    Err(String),
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
    /// When we were stopped; the time until the continuation does not count.
    paused_at: Option<Instant>,
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
            paused_at: None,
        }
    }

    /// Name of a child.
    pub fn name(&self, child: usize) -> &str {
        self.members.get(child).map_or("?", |m| &m.name)
    }

    /// One step. `foreground`: our own process group may use the terminal now (or no living group has it).
    pub fn step(&mut self, event: Event, now: Instant, foreground: bool) -> Vec<Action> {
        match event {
            Event::Begin => self.start_due(true),
            Event::Signal(signal) => self.signal(signal, now, foreground),
            Event::Stopped(child, signal) => self.stopped(child, signal, now, foreground),
            Event::Started(child, pid) => self.started(child, pid, now),
            Event::Ready(child) => self.ready(child, now),
            Event::Ended(child, status) => self.ended(child, status, now),
            Event::NotStarted(child) => self.not_started(child, now),
            Event::Abandoned(signal) => {
                self.begin_stop(128 + signal as u8, now);
                self.to_all(libc::SIGKILL)
            }
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
                self.paused_at = Some(now);
                let mut actions = self.to_all(libc::SIGTSTP);
                actions.extend(self.release_terminal());
                actions.push(Action::StopSelf(signal, false));
                actions
            }
            libc::SIGCONT => self.resume(now, foreground),
            _ => Vec::new(),
        }
    }

    fn resume(&mut self, now: Instant, foreground: bool) -> Vec<Action> {
        if let Some(at) = self.paused_at.take() {
            let time = now.saturating_duration_since(at);
            self.members.iter_mut().for_each(|m| m.skip(time));
        }
        let former = self.former_holder.take().filter(|_| foreground);
        let mut actions = Vec::new();
        for index in self.living().collect::<Vec<_>>() {
            if former == Some(index) {
                self.holder = Some(index);
                actions.push(Action::GiveTerminal(index));
            } else {
                actions.push(Action::Signal(index, libc::SIGCONT));
            }
        }
        actions
    }

    fn stopped(&mut self, child: usize, signal: i32, now: Instant, foreground: bool) -> Vec<Action> {
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
        self.paused_at = Some(now);
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

    /// A child is gone: the terminal returns to us, or goes to a sibling that waits for it.
    fn free_terminal(&mut self, child: usize) -> Vec<Action> {
        if self.former_holder == Some(child) {
            self.former_holder = None;
        }
        if self.holder != Some(child) {
            return Vec::new();
        }
        self.holder = None;
        let mut actions = vec![Action::TakeTerminal];
        let next = self
            .living()
            .find(|&index| index != child && self.members.get(index).is_some_and(|m| m.waits_for_terminal));
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
            .filter_map(|(index, m)| m.is_running().then_some(index))
    }

    fn to_all(&self, signal: i32) -> Vec<Action> {
        self.living().map(|index| Action::Signal(index, signal)).collect()
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
