//! The state of one container, from waiting for its start to its end.

use serde_derive::{Deserialize, Serialize};

/// One container by its number, whether it runs or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Where it is.
    pub state: State,
    /// Time of the last start, milliseconds of the monotonic clock.
    #[serde(default)]
    pub started: Option<u64>,
    /// Ends in quick succession.
    #[serde(default)]
    pub ends: u32,
}

/// Where a container is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing runs; to be started at this time.
    Waiting {
        /// Milliseconds of the monotonic clock.
        until: u64,
    },
    /// The knot sets it up.
    Starting {
        /// Configuration it starts with.
        json: String,
        /// It has been told to stop.
        stop: bool,
    },
    /// The container exists.
    Running {
        /// Its init, the knot.
        pid: i32,
        /// Configuration it runs with.
        json: String,
        /// It serves, as far as one knows.
        ready: bool,
        /// It has been told to stop.
        stop: bool,
    },
}

impl Slot {
    /// To be started at a time.
    pub fn waiting(until: u64) -> Slot {
        Slot {
            state: State::Waiting { until },
            started: None,
            ends: 0,
        }
    }

    /// Configuration of what is alive.
    pub fn json(&self) -> Option<&str> {
        match &self.state {
            State::Waiting { .. } => None,
            State::Starting { json, .. } | State::Running { json, .. } => Some(json),
        }
    }

    /// It has been told to stop and is not gone yet.
    pub fn is_stopping(&self) -> bool {
        match self.state {
            State::Waiting { .. } => false,
            State::Starting { stop, .. } | State::Running { stop, .. } => stop,
        }
    }

    /// It serves and will go on.
    pub fn is_available(&self) -> bool {
        matches!(
            self.state,
            State::Running {
                ready: true,
                stop: false,
                ..
            }
        )
    }

    /// Remembers that it was told to stop. `true`: it had to be told.
    pub fn stop(&mut self) -> bool {
        match &mut self.state {
            State::Waiting { .. } => false,
            State::Starting { stop, .. } | State::Running { stop, .. } => !std::mem::replace(stop, true),
        }
    }
}
