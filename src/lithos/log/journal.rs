//! What supervisors say: lines `[TIME][LEVEL] TEXT` appended to a file, or syslog. A log that cannot be written stops nothing.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use log::{Level, LevelFilter};

use super::syslog::Syslog;
use crate::sys::calendar::Date;

/// Where messages go.
#[derive(Debug)]
pub struct Journal {
    file: Option<File>,
    level: LevelFilter,
    stderr: bool,
    syslog: Option<Syslog>,
    /// The daemon did not take the last message.
    unheard: Cell<bool>,
}

impl Journal {
    /// Opens the file for appending, makes a missing one. An unknown level means `warn`, as documented.
    ///
    /// Errors: it cannot be opened.
    pub fn open(path: &Path, level: &str, stderr: bool) -> io::Result<Journal> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Journal {
            file: Some(file),
            ..Journal::stderr(level, stderr)
        })
    }

    /// The same with standard error in place of a file that cannot be opened.
    pub fn open_or_stderr(path: &Path, level: &str, stderr: bool) -> Journal {
        Journal::open(path, level, stderr).unwrap_or_else(|_| Journal::stderr(level, true))
    }

    fn stderr(level: &str, stderr: bool) -> Journal {
        Journal {
            file: None,
            level: level.parse().unwrap_or(LevelFilter::Warn),
            stderr,
            syslog: None,
            unheard: Cell::new(false),
        }
    }

    /// Syslog in place of the file, which gets what syslog does not take. A text that says why there is none is said here.
    pub fn to_syslog(mut self, syslog: Result<Option<Syslog>, String>) -> Journal {
        match syslog {
            Ok(syslog) => self.syslog = syslog,
            Err(why) => {
                if !self.stderr {
                    eprintln!("Warning: {why}");
                }
                self.warn(&why);
            }
        }
        self
    }

    /// Descriptors to keep.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let syslog = self.syslog.iter().map(AsFd::as_fd);
        self.file.iter().map(AsFd::as_fd).chain(syslog)
    }

    /// The root of the host is left: a daemon that was not reached is not looked for any more, as its path would lead into a
    /// container.
    pub fn leave_root(&mut self) {
        if let Some(lost) = self.syslog.take_if(|syslog| !syslog.is_connected()) {
            drop(lost);
        }
    }

    /// Adds a line.
    pub fn say(&self, level: Level, text: &str) {
        if level > self.level {
            return;
        }
        let text = one_line(text);
        if self.syslog.is_none() || !self.heard(level, &text) {
            self.append(level, &text);
        }
        if self.stderr {
            let _ = io::stderr().write_all(line(level, &text).as_bytes());
        }
    }

    /// Whether syslog has taken it. That it does not is said once in the file, until it does again.
    fn heard(&self, level: Level, text: &str) -> bool {
        let sent = self.syslog.as_ref().map(|syslog| syslog.send(level, text));
        match sent {
            Some(Ok(())) => self.unheard.set(false),
            Some(Err(e)) if !self.unheard.replace(true) => {
                self.append(
                    Level::Warn,
                    &format!("syslog cannot be reached ({e}): messages go here"),
                );
            }
            _ => {}
        }
        !self.unheard.get()
    }

    fn append(&self, level: Level, text: &str) {
        if let Some(mut file) = self.file.as_ref() {
            let _ = file.write_all(line(level, text).as_bytes());
        }
    }

    /// Something that needs the operator.
    pub fn error(&self, text: &str) {
        self.say(Level::Error, text);
    }

    /// Something odd.
    pub fn warn(&self, text: &str) {
        self.say(Level::Warn, text);
    }

    /// Routine.
    pub fn info(&self, text: &str) {
        self.say(Level::Info, text);
    }
}

fn line(level: Level, text: &str) -> String {
    format!("[{}][{level}] {text}\n", Date::now())
}

/// What comes from configurations and images must not begin lines of its own, nor move a terminal.
fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.trim_end().replace('\n', "; ").chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;

    #[test]
    fn lines_have_their_form_and_level() {
        let t = Temp::new();
        let path = t.0.join("log");
        let journal = Journal::open(&path, "warn", false).unwrap();
        journal.info("not shown");
        journal.error("two\nlines\x1b");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.ends_with("Z][ERROR] two; lines \n") && text.lines().count() == 1,
            "{text}"
        );
        assert!(Journal::open(&t.0.join("no/log"), "warn", false).is_err());
    }
}
