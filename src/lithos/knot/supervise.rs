//! The life of the main process as a state machine: events in, actions out, no I/O and no clock of its own.
//!
//! | state \ event | asked to stop | process ended | deadline |
//! |---|---|---|---|
//! | running | stop signal, timer | leave, or wait if it is to be restarted in place | – |
//! | stopping | (again: nothing) | leave with 0 | kill: leave with 3 |
//! | waiting | leave with 0 | – | start |

use std::time::{Duration, Instant};

use super::design::Supervision;
use super::message::Outcome;
use crate::sys::process::Status;

/// What to do next, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send the signal to the process.
    Signal(i32),
    /// Write down this end of the process; the knot goes on when `restarts` is set.
    Record(Outcome),
    /// The process ignored the request to stop: say so, then leave; the kernel kills everything inside.
    Overdue {
        /// How long it had.
        after: Duration,
        /// How long it ran.
        uptime: Duration,
    },
    /// Start the process again.
    Start,
    /// Exit with this code.
    Leave(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// Asked to stop; to be killed then.
    Stopping(Instant),
    /// Between two processes of the same container; until then.
    Waiting(Instant),
}

/// The machine; begins with a process that runs.
#[derive(Debug)]
pub struct Machine {
    rules: Supervision,
    daemon: bool,
    state: State,
    started: Instant,
    /// No restart is wanted.
    last: bool,
}

impl Machine {
    /// For a process started `now`; `daemon` as opposed to a command.
    pub fn new(rules: Supervision, daemon: bool, now: Instant) -> Machine {
        Machine {
            rules,
            daemon,
            state: State::Running,
            started: now,
            last: false,
        }
    }

    /// When [`Machine::deadline_passed`] is to be called, if nothing else happens.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Running => None,
            State::Stopping(at) | State::Waiting(at) => Some(at),
        }
    }

    /// True while there is a process.
    pub fn is_running(&self) -> bool {
        !matches!(self.state, State::Waiting(_))
    }

    /// The container is to stop.
    pub fn stop(&mut self, now: Instant) -> Vec<Action> {
        self.last = true;
        match self.state {
            State::Running => {
                self.state = State::Stopping(now + self.rules.kill_timeout);
                vec![Action::Signal(self.rules.stop_signal)]
            }
            State::Stopping(_) => Vec::new(),
            State::Waiting(_) => vec![Action::Leave(0)],
        }
    }

    /// The process is not to be started again.
    pub fn last_run(&mut self) -> Vec<Action> {
        self.last = true;
        match self.state {
            State::Waiting(_) => vec![Action::Leave(0)],
            _ => Vec::new(),
        }
    }

    /// The process was started again.
    pub fn started(&mut self, now: Instant) {
        self.state = State::Running;
        self.started = now;
    }

    /// The process ended; `oom`: the kernel killed something in the container for want of memory.
    pub fn ended(&mut self, status: Status, oom: bool, now: Instant) -> Vec<Action> {
        let stop = matches!(self.state, State::Stopping(_));
        let mut outcome = Outcome {
            code: None,
            signal: None,
            oom,
            normal: stop || self.is_normal(status),
            uptime: now.saturating_duration_since(self.started).as_secs_f64(),
            stop,
            timeout: false,
            restarts: self.rules.in_place && self.daemon && !self.last,
        };
        match status {
            Status::Exited(code) => outcome.code = Some(code),
            Status::Signaled(signal) | Status::Stopped(signal) => outcome.signal = Some(signal),
            Status::Continued => {}
        }
        let code = outcome.knot_code();
        if outcome.restarts {
            self.state = State::Waiting((self.started + self.rules.restart_timeout).max(now));
            return vec![Action::Record(outcome)];
        }
        vec![Action::Record(outcome), Action::Leave(code)]
    }

    /// The deadline has come.
    pub fn deadline_passed(&mut self, now: Instant) -> Vec<Action> {
        match self.state {
            State::Stopping(at) if now >= at => {
                let uptime = now.saturating_duration_since(self.started);
                let after = self.rules.kill_timeout;
                vec![Action::Overdue { after, uptime }, Action::Leave(3)]
            }
            State::Waiting(at) if now >= at => vec![Action::Start],
            _ => Vec::new(),
        }
    }

    /// Whether an end that nobody asked for is no failure. Somebody who terminates the process by hand knows.
    fn is_normal(&self, status: Status) -> bool {
        match status {
            Status::Signaled(signal) => signal == libc::SIGTERM,
            Status::Exited(0) if self.rules.normal.is_empty() => !self.daemon,
            Status::Exited(code) => self.rules.normal.contains(&code),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Supervision {
        Supervision {
            stop_signal: libc::SIGTERM,
            kill_timeout: Duration::from_secs(2),
            in_place: false,
            restart_timeout: Duration::from_secs(1),
            normal: Default::default(),
            ready: None,
        }
    }

    fn code(actions: &[Action]) -> Option<u8> {
        actions.iter().find_map(|action| match action {
            Action::Leave(code) => Some(*code),
            _ => None,
        })
    }

    #[test]
    fn ends_become_exit_codes() {
        let now = Instant::now();
        let end = |daemon: bool, normal: &[u8], status| {
            let rules = Supervision {
                normal: normal.iter().copied().collect(),
                ..rules()
            };
            code(&Machine::new(rules, daemon, now).ended(status, false, now)).unwrap()
        };
        assert_eq!(end(true, &[], Status::Exited(0)), 2, "a daemon should not end");
        assert_eq!(end(true, &[0], Status::Exited(0)), 0);
        assert_eq!(end(false, &[], Status::Exited(0)), 0);
        assert_eq!(
            end(false, &[1], Status::Exited(0)),
            2,
            "a set replaces the implicit 0"
        );
        assert_eq!(end(true, &[200], Status::Exited(200)), 0);
        assert_eq!(end(true, &[200], Status::Exited(5)), 2);
        assert_eq!(end(true, &[], Status::Signaled(libc::SIGTERM)), 0);
        assert_eq!(end(true, &[], Status::Signaled(libc::SIGKILL)), 2);
    }

    #[test]
    fn stop_is_forwarded_once_and_then_enforced() {
        let now = Instant::now();
        let mut machine = Machine::new(rules(), true, now);
        assert_eq!(machine.deadline(), None);
        assert_eq!(machine.stop(now), [Action::Signal(libc::SIGTERM)]);
        let at = machine.deadline().unwrap();
        assert_eq!(machine.stop(now + Duration::from_secs(1)), []);
        assert_eq!(machine.deadline(), Some(at), "later requests give no more time");
        assert_eq!(machine.deadline_passed(now), []);
        assert_eq!(code(&machine.deadline_passed(at)), Some(3));
        let mut machine = Machine::new(rules(), true, now);
        machine.stop(now);
        let actions = machine.ended(Status::Exited(9), false, now);
        assert_eq!(code(&actions), Some(0), "whatever the code");
        assert!(matches!(&actions[0], Action::Record(o) if o.stop && o.normal));
    }

    #[test]
    fn restart_in_place_waits_for_the_throttle_and_not_longer() {
        let now = Instant::now();
        let rules = Supervision {
            in_place: true,
            ..rules()
        };
        let mut machine = Machine::new(rules.clone(), true, now);
        let actions = machine.ended(Status::Exited(5), false, now);
        assert!(matches!(&actions[..], [Action::Record(o)] if o.restarts));
        assert_eq!(machine.deadline(), Some(now + Duration::from_secs(1)));
        let later = now + Duration::from_secs(1);
        assert_eq!(machine.deadline_passed(later), [Action::Start]);
        machine.started(later);
        let long = later + Duration::from_secs(3);
        machine.ended(Status::Exited(5), false, long);
        assert_eq!(machine.deadline_passed(long), [Action::Start], "at once");
        assert_eq!(machine.stop(long), [Action::Leave(0)]);
        let mut command = Machine::new(rules, false, now);
        assert_eq!(code(&command.ended(Status::Exited(5), false, now)), Some(2));
    }

    #[test]
    fn interrupt_only_prevents_the_restart() {
        let now = Instant::now();
        let rules = Supervision {
            in_place: true,
            ..rules()
        };
        let mut machine = Machine::new(rules, true, now);
        assert_eq!(machine.last_run(), []);
        assert_eq!(code(&machine.ended(Status::Exited(1), false, now)), Some(2));
    }
}
