//! One child of a group as a value: its rules, how far it has come, and the pauses before it starts again.
//! Nothing is decided here about its siblings.

use std::time::{Duration, Instant};

use crate::sys::process::Status;
use crate::vagga::config::command::Restart;

/// Pause before the first restart.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Who ran as long as this has recovered: its next pause is the first one again.
const STABLE: Duration = Duration::from_secs(10);

/// What the configuration says about a child. Siblings are named by their index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Siblings that have to be ready first.
    pub after: Vec<usize>,
    /// The shell reports when the child is ready; it has failed if that takes longer. `None`: ready as soon as it
    /// runs.
    pub ready_within: Option<Duration>,
    /// Whether its end is final.
    pub restart: Restart,
}

/// How far a child has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Others have to be ready first.
    Waiting,
    /// The shell has been asked to start it.
    Starting,
    /// It runs.
    Running {
        /// When it was started.
        since: Instant,
        /// Others may rely on it.
        ready: bool,
    },
    /// It was not ready in time and has been asked to stop.
    Dismissed,
    /// It has ended and will be started again.
    Resting {
        /// When.
        until: Instant,
    },
    /// It has ended, or never was.
    Ended {
        /// It has done what it was to do.
        fine: bool,
    },
}

/// One child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Process id, 0 before the first start.
    pub pid: i32,
    /// How far it has come.
    pub life: Life,
    /// What the configuration says.
    pub rules: Rules,
    /// Stopped because a sibling has the terminal.
    pub waits_for_terminal: bool,
    /// Until when it has to be ready, or, once dismissed, gone.
    pub due: Option<Instant>,
    /// How its last process ended.
    pub last_end: Option<String>,
    /// How often it has been started.
    pub starts: u32,
    /// Restarts without a stable run between them.
    restarts: u32,
    since: Option<Instant>,
}

impl Member {
    /// A child that waits.
    pub fn new(name: &str, rules: Rules) -> Member {
        Member {
            name: name.to_string(),
            pid: 0,
            life: Life::Waiting,
            rules,
            waits_for_terminal: false,
            due: None,
            last_end: None,
            starts: 0,
            restarts: 0,
            since: None,
        }
    }

    /// True while it has a process.
    pub fn is_running(&self) -> bool {
        matches!(self.life, Life::Running { .. } | Life::Dismissed)
    }

    /// True when nothing more happens to it.
    pub fn has_ended(&self) -> bool {
        matches!(self.life, Life::Ended { .. })
    }

    /// True when siblings that wait for it need not wait any longer.
    pub fn satisfies(&self) -> bool {
        matches!(
            self.life,
            Life::Running { ready: true, .. } | Life::Ended { fine: true }
        )
    }

    /// It has a process now.
    pub fn started(&mut self, pid: i32, now: Instant) {
        self.pid = pid;
        self.starts = self.starts.saturating_add(1);
        self.since = Some(now);
        self.waits_for_terminal = false;
        self.due = self.rules.ready_within.and_then(|time| now.checked_add(time));
        self.life = Life::Running {
            since: now,
            ready: self.rules.ready_within.is_none(),
        };
    }

    /// Whether a process that has ended with this status is started again; `late` ones have failed in any case.
    pub fn starts_again(&self, status: Status, late: bool) -> bool {
        match self.rules.restart {
            Restart::never => false,
            Restart::on_failure => late || status.exit_code() != 0,
            Restart::always => true,
        }
    }

    /// It will be started again after the pause returned: 100 ms, doubled each time, at most 10 s.
    pub fn rest(&mut self, now: Instant) -> Duration {
        let ran = self
            .since
            .map_or(Duration::ZERO, |since| now.duration_since(since));
        if ran >= STABLE {
            self.restarts = 0;
        }
        let pause = FIRST_PAUSE
            .saturating_mul(1u32.checked_shl(self.restarts).unwrap_or(u32::MAX))
            .min(LONGEST_PAUSE);
        self.restarts = (self.restarts + 1).min(16);
        self.due = None;
        self.life = Life::Resting { until: now + pause };
        pause
    }

    /// Nothing more happens to it.
    pub fn end(&mut self, fine: bool) {
        self.due = None;
        self.life = Life::Ended { fine };
    }

    /// When something is to be done about it without an event.
    pub fn deadline(&self) -> Option<Instant> {
        match self.life {
            Life::Resting { until } => Some(until),
            _ => self.due,
        }
    }

    /// Time stood still for so long (vagga was stopped): nothing of it counts.
    pub fn skip(&mut self, time: Duration) {
        self.due = self.due.map(|at| at + time);
        self.since = self.since.map(|at| at + time);
        match &mut self.life {
            Life::Resting { until: at } | Life::Running { since: at, .. } => *at += time,
            _ => {}
        }
    }
}
