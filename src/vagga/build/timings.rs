//! `timings.log`: how long each phase of a build took.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Writes one line per phase: total seconds, seconds of the phase, text.
#[derive(Debug)]
pub struct Timings {
    file: File,
    start: Instant,
    last: Instant,
}

impl Timings {
    /// Creates the file and writes the `Start` line with the time of day.
    pub fn start(path: &Path) -> io::Result<Timings> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        let now = Instant::now();
        let mut timings = Timings {
            file,
            start: now,
            last: now,
        };
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        timings.mark(&format!("Start {}", since_epoch.as_secs()));
        Ok(timings)
    }

    /// Ends a phase. A log that cannot be written does not stop a build.
    pub fn mark(&mut self, text: &str) {
        let now = Instant::now();
        let line = format!(
            "{:9.3} {:9.3} {text}\n",
            (now - self.start).as_secs_f64(),
            (now - self.last).as_secs_f64()
        );
        self.last = now;
        if let Err(e) = self.file.write_all(line.as_bytes()) {
            log::warn!("can't write timings.log: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::storage::tests::Temp;

    #[test]
    fn one_line_per_phase() {
        let t = Temp::new("timings");
        let path = t.0.join("timings.log");
        let mut log = Timings::start(&path).unwrap();
        log.mark("Prepare");
        log.mark("Step: !Sh true");
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("    0.000     0.000 Start "), "{text}");
        assert!(lines[2].ends_with("Step: !Sh true"));
    }
}
