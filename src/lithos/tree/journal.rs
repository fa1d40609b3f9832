//! The log of the tree: lines `[TIME][LEVEL] TEXT` appended to one file. A log that cannot be written stops nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use log::{Level, LevelFilter};

use crate::sys::calendar::Date;

/// Where messages go.
#[derive(Debug)]
pub struct Journal {
    file: Option<File>,
    level: LevelFilter,
    stderr: bool,
}

impl Journal {
    /// Opens the file for appending. An unknown level means `warn`. Errors: it cannot be opened.
    pub fn open(path: &Path, level: &str, stderr: bool) -> io::Result<Journal> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        Ok(Journal {
            file: Some(file?),
            level: level.parse().unwrap_or(LevelFilter::Warn),
            stderr,
        })
    }

    /// Adds a line.
    pub fn say(&mut self, level: Level, text: &str) {
        if level > self.level {
            return;
        }
        let line = format!("[{}][{level}] {}\n", Date::now(), text.replace('\n', "; "));
        if let Some(file) = &mut self.file {
            let _ = file.write_all(line.as_bytes());
        }
        if self.stderr {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    /// Something that needs the operator.
    pub fn error(&mut self, text: &str) {
        self.say(Level::Error, text);
    }

    /// Something odd.
    pub fn warn(&mut self, text: &str) {
        self.say(Level::Warn, text);
    }

    /// Routine.
    pub fn info(&mut self, text: &str) {
        self.say(Level::Info, text);
    }
}
