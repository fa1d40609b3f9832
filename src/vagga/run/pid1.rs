//! What the first process of a container does: a pure table of its state and what happens.
//!
//! | event | `wait` | `wait-all-children` |
//! |---|---|---|
//! | `INT`, `QUIT` | to the command's group | to every process |
//! | `TERM` | to the command | to every process |
//! | `TSTP`, `TTIN`, `TTOU` | `TSTP` to the command's group | same |
//! | `CONT` | to the command's group | same |
//! | command stopped | the launcher hears of it unless it asked for it | same |
//! | command ended | end with its status; the kernel kills the rest | wait for the others |
//! | terminal granted | command's group into the foreground, `CONT` | same |

use crate::sys::process::Status;

/// Something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A signal to this process.
    Signal(i32),
    /// The command was stopped by a signal.
    Stopped(i32),
    /// The command has ended.
    Ended(Status),
    /// No process is left in the container.
    NoneLeft,
    /// The launcher lets the command have the terminal.
    TerminalGranted,
}

/// What to do, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send to the process group of the command.
    SignalGroup(i32),
    /// Send to the command alone.
    SignalCommand(i32),
    /// Send to every process of the container.
    SignalAll(i32),
    /// Make the command's group the foreground group.
    TakeTerminal,
    /// Tell the launcher that the command is stopped.
    ReportStop(i32),
    /// Tell the launcher how the command ended.
    ReportEnd(Status),
    /// End with this status.
    Exit(u8),
}

/// State of the first process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pid1 {
    /// Wait for every process rather than for the command.
    all: bool,
    /// How the command ended.
    ended: Option<Status>,
    /// The launcher has asked for the stop.
    stop_asked: bool,
}

impl Pid1 {
    /// `all`: `pid1mode: wait-all-children`.
    pub fn new(all: bool) -> Pid1 {
        Pid1 {
            all,
            ended: None,
            stop_asked: false,
        }
    }

    /// One step.
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Signal(signal) => self.signal(signal).into_iter().collect(),
            Event::Stopped(_) if self.stop_asked => Vec::new(),
            Event::Stopped(signal) => vec![Action::ReportStop(signal)],
            Event::Ended(status) => {
                self.ended = Some(status);
                let mut actions = vec![Action::ReportEnd(status)];
                if !self.all {
                    actions.push(Action::Exit(status.exit_code()));
                }
                actions
            }
            Event::NoneLeft => {
                let code = self.ended.map_or(0, Status::exit_code);
                vec![Action::Exit(code)]
            }
            Event::TerminalGranted if self.ended.is_none() => {
                self.stop_asked = false;
                vec![Action::TakeTerminal, Action::SignalGroup(libc::SIGCONT)]
            }
            Event::TerminalGranted => Vec::new(),
        }
    }

    fn signal(&mut self, signal: i32) -> Option<Action> {
        match signal {
            libc::SIGINT | libc::SIGQUIT | libc::SIGTERM if self.all => Some(Action::SignalAll(signal)),
            libc::SIGINT | libc::SIGQUIT => Some(Action::SignalGroup(signal)),
            libc::SIGTERM => Some(Action::SignalCommand(signal)),
            libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => {
                self.stop_asked = true;
                Some(Action::SignalGroup(libc::SIGTSTP))
            }
            libc::SIGCONT => {
                self.stop_asked = false;
                Some(Action::SignalGroup(libc::SIGCONT))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libc::{SIGCONT, SIGINT, SIGTERM, SIGTSTP, SIGTTIN};

    #[test]
    fn signals_are_passed_on_by_kind() {
        let mut p = Pid1::new(false);
        assert_eq!(p.step(Event::Signal(SIGINT)), [Action::SignalGroup(SIGINT)]);
        assert_eq!(p.step(Event::Signal(SIGTERM)), [Action::SignalCommand(SIGTERM)]);
        assert_eq!(p.step(Event::Signal(SIGTTIN)), [Action::SignalGroup(SIGTSTP)]);
        let mut p = Pid1::new(true);
        assert_eq!(p.step(Event::Signal(SIGTERM)), [Action::SignalAll(SIGTERM)]);
    }

    #[test]
    fn stops_at_the_launchers_request_are_not_reported() {
        let mut p = Pid1::new(false);
        p.step(Event::Signal(SIGTSTP));
        assert!(p.step(Event::Stopped(SIGTSTP)).is_empty());
        p.step(Event::Signal(SIGCONT));
        assert_eq!(p.step(Event::Stopped(SIGTSTP)), [Action::ReportStop(SIGTSTP)]);
    }

    #[test]
    fn wait_ends_with_the_command_and_wait_all_with_the_last() {
        let status = Status::Signaled(9);
        let mut p = Pid1::new(false);
        assert_eq!(
            p.step(Event::Ended(status)),
            [Action::ReportEnd(status), Action::Exit(137)]
        );
        let mut p = Pid1::new(true);
        assert_eq!(p.step(Event::Ended(status)), [Action::ReportEnd(status)]);
        assert_eq!(p.step(Event::NoneLeft), [Action::Exit(137)]);
    }

    #[test]
    fn terminal_is_granted_only_to_the_living() {
        let mut p = Pid1::new(true);
        assert_eq!(
            p.step(Event::TerminalGranted),
            [Action::TakeTerminal, Action::SignalGroup(SIGCONT)]
        );
        p.step(Event::Ended(Status::Exited(0)));
        assert!(p.step(Event::TerminalGranted).is_empty());
    }
}
