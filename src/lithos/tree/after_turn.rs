//! What the tree does between the turns of its loop, whatever happened in it: metrics, output logs, memory.

use std::time::{Duration, Instant, SystemTime};

use log::Level;

use super::supervisor::Supervisor;
use crate::sys::{memory, monotonic};

/// Time between two looks at output logs, if any is to be rotated. Otherwise an idle tree never wakes up.
const ROTATION: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Puts large and old output logs aside, when it is time to look.
    pub fn rotate(&mut self) {
        let now = Instant::now();
        if self.rotates_at.is_some_and(|at| at <= now) {
            for problem in self.rotation.look(SystemTime::now()) {
                self.journal.error(&problem);
            }
            self.rotates_at = now.checked_add(ROTATION);
        }
    }

    /// Gives back the memory that reading the configuration has needed, once everything has been started.
    pub fn settle(&mut self) {
        let quiet = || self.lives.values().all(|live| live.outer.is_none()) && self.machine.is_settled();
        if self.settling && quiet() {
            self.settling = false;
            if let Err(e) = memory::give_back() {
                self.journal
                    .say(Level::Debug, &format!("memory is not given back: {e}"));
            }
        }
    }

    /// Writes the metrics.
    pub fn publish(&mut self) {
        self.machine.figures.queue = self.machine.queue() as u64;
        self.machine.figures.standbys = self.standbys.parked() as u64;
        let published = self.publisher.publish(&self.machine.figures, monotonic::millis());
        if let Err(e) = published {
            self.journal.error(&e);
        }
    }
}
