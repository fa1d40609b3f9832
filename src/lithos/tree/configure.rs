//! What follows from reading the configuration: history, rotation, answers, and the machine's new wishes.

use std::time::Instant;

use super::supervisor::Supervisor;
use super::{last_good, reading};
use crate::lithos::history;
use crate::lithos::taken::{self, Taken};
use crate::sys::calendar::Date;
use crate::sys::monotonic;

impl Supervisor {
    /// Reads the configuration and brings what runs in line with it.
    pub fn configure(&mut self) {
        self.settling = true;
        let begun = monotonic::millis();
        let read = reading::read(&self.master, &self.master_path);
        for problem in &read.problems {
            self.journal.error(&format!("configuration: {problem}"));
        }
        self.machine.figures.sandboxes = read.sandboxes as u64;
        let (rules, e) = last_good::rotation(&self.master.runtime_dir, read.rotated, &read.readings);
        e.iter().for_each(|e| self.journal.warn(e));
        self.rotation.set(rules);
        self.rotates_at = (!self.rotation.is_empty()).then(Instant::now);
        if let Some(dir) = &self.master.config_log_dir {
            for (sandbox, processes) in &read.processes {
                let line = history::line(Date::now(), processes);
                if let Err(e) = history::append(dir, sandbox, &line) {
                    self.journal.error(&format!("history of {sandbox}: {e}"));
                }
            }
        }
        let actions = self.machine.configure(&read.readings, monotonic::millis());
        if let Err(e) = last_good::write(&self.master.runtime_dir, &self.machine) {
            self.journal.error(&format!("last good configuration: {e}"));
        }
        self.tell_taken(&reading::taken(&read.readings, begun));
        self.act(actions);
        self.plan_standbys();
    }

    /// Answers those who wait for a reload.
    pub fn tell_taken(&mut self, answer: &Taken) {
        if let Err(e) = taken::write(&self.master.runtime_dir, answer) {
            self.journal
                .warn(&format!("lithos_switch will not learn of this reload: {e}"));
        }
    }
}
