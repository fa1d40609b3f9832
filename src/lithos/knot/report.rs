//! What a knot writes: the log of the sandbox, and the markers around the output of processes.
//!
//! Files are opened before the switch of roots and kept; nothing here can stop a container.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use log::{Level, LevelFilter};

use super::message::Outcome;
use crate::sys::calendar::Date;

/// Both files of one container.
#[derive(Debug)]
pub struct Report {
    name: String,
    log: Option<File>,
    output: File,
    level: LevelFilter,
    stderr: bool,
}

impl Report {
    /// Opens the files for appending and makes missing ones.
    ///
    /// Errors: the output log cannot be opened. Without the other log messages go to standard error.
    pub fn open(name: &str, log: &Path, output: &Path, level: &str, stderr: bool) -> io::Result<Report> {
        let log = append(log);
        let output = append(output)
            .map_err(|e| io::Error::new(e.kind(), format!("output log {}: {e}", output.display())))?;
        Ok(Report {
            name: name.to_string(),
            stderr: stderr || log.is_err(),
            log: log.ok(),
            output,
            // As documented, an unknown word means this.
            level: level.parse().unwrap_or(LevelFilter::Warn),
        })
    }

    /// The file that processes write to.
    pub fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Descriptors to keep.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let log = self.log.iter().map(AsFd::as_fd);
        log.chain([self.output.as_fd()]).collect()
    }

    /// A line of the log.
    pub fn say(&self, level: Level, text: &str) {
        if level > self.level {
            return;
        }
        let line = format!("[{}][{level}] {}\n", Date::now(), one_line(text));
        if let Some(mut log) = self.log.as_ref() {
            let _ = log.write_all(line.as_bytes());
        }
        if self.stderr {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    /// Before the process is started.
    pub fn starting(&self, program: &str, arguments: &[String]) {
        let mut text = format!("Starting {:?}: {program:?}", self.name);
        for argument in arguments {
            text.push_str(&format!(" {argument:?}"));
        }
        self.marker(&text);
        self.say(Level::Info, &format!("Starting {:?}", self.name));
    }

    /// After it ended.
    pub fn ended(&self, outcome: &Outcome) {
        let (name, uptime) = (&self.name, outcome.uptime as u64);
        let oom = if outcome.oom { ", out of memory" } else { "" };
        self.marker(&format!("Process {name:?} {outcome}{oom}, uptime {uptime}s"));
        let level = if outcome.normal { Level::Info } else { Level::Error };
        self.say(
            level,
            &format!("Process {name:?} {outcome}{oom}, uptime {uptime}s"),
        );
    }

    /// It did not stop in its time.
    pub fn overdue(&self, after: Duration, uptime: Duration) {
        let (name, uptime) = (&self.name, uptime.as_secs());
        let text =
            format!("Process {name:?} did not respond to SIGTERM in {after:?}, uptime {uptime}s. Killing..");
        self.marker(&text);
        self.say(Level::Error, &text);
    }

    fn marker(&self, text: &str) {
        let line = format!("{}: ----- {text} -----\n", Date::now());
        let _ = (&self.output).write_all(line.as_bytes());
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// What comes from configurations and images must not begin lines of its own.
fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;

    #[test]
    fn markers_and_log_lines_have_their_form() {
        let t = Temp::new();
        let (log, output) = (t.0.join("log"), t.0.join("out"));
        let report = Report::open("app/web.0", &log, &output, "warn", false).unwrap();
        report.starting("/bin/x", &["a b".into(), "\n".into()]);
        let text = std::fs::read_to_string(&output).unwrap();
        assert!(
            text.ends_with("Z: ----- Starting \"app/web.0\": \"/bin/x\" \"a b\" \"\\n\" -----\n"),
            "{text}"
        );
        report.say(Level::Info, "not shown");
        report.say(Level::Error, "two\nlines");
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(
            text.ends_with("Z][ERROR] two lines\n") && text.lines().count() == 1,
            "{text}"
        );
    }
}
