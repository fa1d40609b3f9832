//! The life of children: started when those before them are ready, started again after their end, stopped together.
//!
//! | event \ child | waiting, starting | running | dismissed | resting |
//! |---|---|---|---|---|
//! | those before it are ready | start | | | |
//! | ready | | those after it may start | | |
//! | not ready in time | | TERM; no restart: group stops | KILL | |
//! | ended | | restart: rest; fine: leave; else group stops | as a failure | |
//! | time is over | | | | start |
//! | group stops | ended | TERM, later KILL | TERM, later KILL | ended |

use std::time::{Duration, Instant};

use super::member::{Life, Member, Rules};
use super::{signal_name, Action, Group, Policy};
use crate::sys::process::Status;
use crate::vagga::config::command::{Restart, SuperviseMode};
use crate::vagga::failure::exit;

impl Group {
    /// Adds a child that is to be started; returns its index. [`Event::Begin`](super::Event::Begin) starts what need not wait.
    pub fn add(&mut self, name: &str, rules: Rules) -> usize {
        self.members.push(Member::new(name, rules));
        self.members.len() - 1
    }

    /// Index of the child with this process id.
    pub fn find(&self, pid: i32) -> Option<usize> {
        self.members.iter().position(|m| m.pid == pid && m.is_running())
    }

    /// True while the child waits to be started by the shell: a shutdown meanwhile takes it back.
    pub fn may_start(&self, child: usize) -> bool {
        self.members.get(child).is_some_and(|m| m.life == Life::Starting)
    }

    /// True once the shutdown has begun.
    pub fn is_stopping(&self) -> bool {
        self.result.is_some()
    }

    /// True when every child is ready, or has ended as it should.
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.members.iter().all(Member::satisfies)
    }

    /// Status for the shell once every child has ended.
    pub fn result(&self) -> Option<u8> {
        let all = self.members.iter().all(Member::has_ended);
        all.then(|| self.result.unwrap_or(0))
    }

    /// When [`Event::Deadline`](super::Event::Deadline) is due.
    pub fn deadline(&self) -> Option<Instant> {
        let members = self.members.iter().filter_map(Member::deadline);
        members.chain(self.kill_at).min()
    }

    /// Starts all that wait for nobody (any more). At the beginning the others are announced.
    pub(super) fn start_due(&mut self, announce: bool) -> Vec<Action> {
        let mut actions = Vec::new();
        for index in 0..self.members.len() {
            let waits = self.missing(index);
            let Some(member) = self.members.get_mut(index) else {
                continue;
            };
            match (member.life, waits) {
                (Life::Waiting, None) => {
                    member.life = Life::Starting;
                    actions.push(Action::Start(index));
                }
                (Life::Waiting, Some(names)) if announce => {
                    actions.push(detail(index, format!("waits for {names}")));
                }
                _ => {}
            }
        }
        actions
    }

    /// Names of those that a child has to wait for.
    pub(super) fn missing(&self, child: usize) -> Option<String> {
        let after = self.members.get(child).map_or(&[][..], |m| &m.rules.after);
        let others = after.iter().filter_map(|index| self.members.get(*index));
        let names: Vec<&str> = others
            .filter(|m| !m.satisfies())
            .map(|m| m.name.as_str())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    pub(super) fn started(&mut self, child: usize, pid: i32, now: Instant) -> Vec<Action> {
        let Some(member) = self.members.get_mut(child) else {
            return Vec::new();
        };
        member.started(pid, now);
        if self.policy == Policy::Single {
            return Vec::new();
        }
        let mut actions = vec![detail(child, "started".into())];
        actions.extend(self.start_due(false));
        actions
    }

    pub(super) fn ready(&mut self, child: usize, now: Instant) -> Vec<Action> {
        let stopping = self.is_stopping();
        let Some(member) = self.members.get_mut(child) else {
            return Vec::new();
        };
        let Life::Running { since, ready: false } = member.life else {
            return Vec::new();
        };
        member.due = None;
        member.life = Life::Running { since, ready: true };
        if stopping {
            return Vec::new();
        }
        let text = format!("ready after {}", seconds(now.duration_since(since)));
        let mut actions = vec![note(child, text)];
        actions.extend(self.start_due(false));
        actions
    }

    pub(super) fn ended(&mut self, child: usize, status: Status, now: Instant) -> Vec<Action> {
        let Some(member) = self.members.get(child).filter(|m| m.is_running()) else {
            return Vec::new();
        };
        let again = member.starts_again(status, member.life == Life::Dismissed);
        if let Some(member) = self.members.get_mut(child) {
            member.last_end = Some(describe(status));
        }
        let mut actions = self.free_terminal(child);
        let code = status.exit_code();
        let Policy::Supervise { mode, .. } = self.policy else {
            self.end(child, true);
            self.result = Some(code);
            return actions;
        };
        if self.is_stopping() {
            self.end(child, false);
        } else if again {
            actions.extend(self.rest(child, &describe(status), now));
        } else if mode == SuperviseMode::wait_all_successful && code == 0 {
            self.end(child, true);
            actions.push(detail(child, "finished".into()));
            actions.extend(self.start_due(false));
        } else {
            self.end(child, false);
            actions.extend(self.shut_down(child, &describe(status), code, now));
        }
        actions
    }

    pub(super) fn not_started(&mut self, child: usize, now: Instant) -> Vec<Action> {
        let mut actions = self.free_terminal(child);
        self.end(child, false);
        if !self.is_stopping() {
            actions.extend(self.shut_down(child, "could not be run", exit::NO_COMMAND, now));
        }
        actions
    }

    fn end(&mut self, child: usize, fine: bool) {
        if let Some(member) = self.members.get_mut(child) {
            member.end(fine);
        }
    }

    fn rest(&mut self, child: usize, what: &str, now: Instant) -> Option<Action> {
        let pause = self.members.get_mut(child)?.rest(now);
        Some(note(child, format!("{what}, starts again in {}", seconds(pause))))
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

    /// The first reason to stop decides about the result and the deadline. Who has no process gets none any more.
    pub(super) fn begin_stop(&mut self, result: u8, now: Instant) {
        if let (None, Policy::Supervise { grace, .. }) = (self.result, self.policy) {
            self.result = Some(result);
            self.kill_at = Some(now + grace);
            for member in &mut self.members {
                member.due = None;
                if !member.is_running() {
                    member.end(false);
                }
            }
        }
    }

    /// Whatever has become due.
    pub(super) fn deadline_passed(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = self.kill_stuck(now);
        for index in 0..self.members.len() {
            let due = self.members.get(index).and_then(Member::deadline);
            if due.is_some_and(|at| at <= now) {
                actions.extend(self.member_due(index, now));
            }
        }
        actions
    }

    fn member_due(&mut self, child: usize, now: Instant) -> Vec<Action> {
        let Policy::Supervise { grace, .. } = self.policy else {
            return Vec::new();
        };
        let Some(member) = self.members.get_mut(child) else {
            return Vec::new();
        };
        member.due = None;
        match member.life {
            Life::Resting { .. } => {
                member.life = Life::Starting;
                vec![Action::Start(child)]
            }
            Life::Dismissed => vec![Action::Signal(child, libc::SIGKILL)],
            Life::Running { .. } => {
                let time = seconds(member.rules.ready_within.unwrap_or_default());
                let what = format!("is not ready after {time}");
                if member.rules.restart == Restart::never {
                    return self.shut_down(child, &what, exit::LAUNCHER, now);
                }
                member.life = Life::Dismissed;
                member.due = Some(now + grace);
                vec![note(child, what), Action::Signal(child, libc::SIGTERM)]
            }
            _ => Vec::new(),
        }
    }

    fn kill_stuck(&mut self, now: Instant) -> Vec<Action> {
        if self.kill_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.kill_at = None;
        let running = self.members.iter().filter(|m| m.is_running());
        let names: Vec<&str> = running.map(|m| m.name.as_str()).collect();
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
}

fn note(child: usize, text: String) -> Action {
    Action::Note {
        child,
        text,
        detail: false,
    }
}

fn detail(child: usize, text: String) -> Action {
    Action::Note {
        child,
        text,
        detail: true,
    }
}

/// `0.25s`, `60s`.
fn seconds(time: Duration) -> String {
    let millis = time.as_millis();
    match (millis / 1000, millis % 1000) {
        (whole, 0) => format!("{whole}s"),
        (whole, rest) => format!("{whole}.{}s", format!("{rest:03}").trim_end_matches('0')),
    }
}

/// How a process ended, for the shutdown line.
fn describe(status: Status) -> String {
    match status {
        Status::Signaled(signal) => format!("killed by signal {}[{signal}]", signal_name(signal)),
        other => format!("exited with code {}", other.exit_code()),
    }
}
