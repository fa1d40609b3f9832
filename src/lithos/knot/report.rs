//! What a knot writes: the log of the sandbox, and the markers around the output of processes.
//!
//! Files are opened before the switch of roots and kept; nothing here can stop a container.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use log::Level;

use super::message::Outcome;
use crate::lithos::config::sandbox::OutputFormat;
use crate::lithos::log::journal::Journal;
use crate::lithos::log::lines::{Form, Lines};
use crate::sys::calendar::Date;

/// Both files of one container.
#[derive(Debug)]
pub struct Report {
    form: Form,
    journal: Journal,
    output: File,
    /// Lines of output that could not be written since the last one that could.
    lost: u64,
}

impl Report {
    /// Opens the file of the output for appending and makes a missing one.
    ///
    /// Errors: it cannot be opened.
    pub fn open(form: Form, journal: Journal, output: &Path) -> io::Result<Report> {
        let output = append(output)
            .map_err(|e| io::Error::new(e.kind(), format!("output log {}: {e}", output.display())))?;
        Ok(Report {
            form,
            lost: 0,
            journal,
            output,
        })
    }

    /// The file that processes write to.
    pub fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Descriptors to keep.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.journal.fds().chain([self.output.as_fd()]).collect()
    }

    /// A line of the log.
    pub fn say(&self, level: Level, text: &str) {
        self.journal.say(level, text);
    }

    /// See [`Journal::leave_root`].
    pub fn leave_root(&mut self) {
        self.journal.leave_root();
    }

    /// Before the process is started.
    pub fn starting(&self, program: &str, arguments: &[String]) {
        let name = &self.form.name;
        let mut text = format!("Starting {name:?}: {program:?}");
        for argument in arguments {
            text.push_str(&format!(" {argument:?}"));
        }
        self.marker(&text);
        self.say(Level::Info, &format!("Starting {name:?}"));
    }

    /// After it ended.
    pub fn ended(&self, outcome: &Outcome) {
        let (name, uptime) = (&self.form.name, outcome.uptime as u64);
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
        let (name, uptime) = (&self.form.name, uptime.as_secs());
        let text =
            format!("Process {name:?} did not respond to SIGTERM in {after:?}, uptime {uptime}s. Killing..");
        self.marker(&text);
        self.say(Level::Error, &text);
    }

    fn marker(&self, text: &str) {
        let line = self.form.marker(&Date::now().to_string(), text);
        let _ = (&self.output).write_all(&line);
    }

    /// The lines of the process have another form than it writes them in.
    pub fn has_form(&self) -> bool {
        self.form.format != OutputFormat::Plain
    }

    /// Writes the lines that are complete with these bytes.
    pub fn relay(&mut self, lines: &mut Lines, bytes: &[u8]) {
        let text = lines.take(bytes, &self.form, &Date::now().to_string());
        self.write(&text);
    }

    /// Writes a last line that has no end.
    pub fn relay_end(&mut self, lines: &mut Lines) {
        let text = lines.end(&self.form, &Date::now().to_string());
        self.write(&text);
    }

    fn write(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if self.lost > 0 {
            let note = format!(
                "{} lines of output were lost: the log could not be written",
                self.lost
            );
            // The end of what was written by halves.
            let note = [
                b"\n".as_slice(),
                &self.form.marker(&Date::now().to_string(), &note),
            ]
            .concat();
            if (&self.output).write_all(&note).is_ok() {
                self.say(
                    Level::Warn,
                    &format!("{}: {} lines of output were lost", self.form.name, self.lost),
                );
                self.lost = 0;
            }
        }
        if self.lost > 0 || (&self.output).write_all(text).is_err() {
            self.lost += text.iter().filter(|b| **b == b'\n').count() as u64;
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;

    #[test]
    fn markers_and_log_lines_have_their_form() {
        let t = Temp::new();
        let (log, output) = (t.0.join("log"), t.0.join("out"));
        let form = Form {
            format: OutputFormat::Plain,
            name: "app/web.0".into(),
        };
        let journal = Journal::open(&log, "warn", false).unwrap();
        let report = Report::open(form, journal, &output).unwrap();
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
            text.ends_with("Z][ERROR] two; lines\n") && text.lines().count() == 1,
            "{text}"
        );
    }
}
