//! The status block of a group: while children share a terminal, its lowest lines say how each of them is.
//!
//! Children write to the terminal themselves, unseen by us: the block stays out of their way by a scrolling region
//! (DECSTBM) that ends above it. What is shown follows from the group by pure functions ([`rows`], [`screen`]); here
//! is decided when, and the bytes are written, each time in one piece. Nothing is redrawn unless something changed,
//! so there are no clocks that run, only times of the day.
//!
//! The block goes away whenever the terminal is not ours: before a child gets it, before we stop, at the end.

mod rows;
mod screen;

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Instant, SystemTime};

use crate::sys::{clock, tty};

use super::group::Group;
use super::terminal::Terminal;
use screen::Screen;

/// The status block of one group.
#[derive(Debug)]
pub struct Status {
    title: String,
    screen: Option<Screen>,
    /// What is on the screen.
    shown: Vec<String>,
}

impl Status {
    /// For the group of this name. `None` where nobody watches, or the terminal is too simple.
    pub fn new(name: &str) -> Option<Status> {
        let simple = |term: std::ffi::OsString| term.is_empty() || term == "dumb";
        let terminal = std::env::var_os("TERM").is_some_and(|term| !simple(term));
        (terminal && tty::is_terminal(io::stderr().as_fd())).then(|| Status {
            title: name.to_string(),
            screen: None,
            shown: Vec::new(),
        })
    }

    /// True while the block is on the screen.
    pub fn is_shown(&self) -> bool {
        self.screen.is_some()
    }

    /// Brings the screen up to date, if the terminal is ours and anything has changed.
    pub fn refresh(&mut self, group: &Group, terminal: &Terminal) {
        let lines = self.lines(group);
        if lines == self.shown || group.lends_terminal() || !terminal.is_ours() {
            return;
        }
        let mut bytes = String::new();
        if self.screen.is_none() {
            let size = tty::size(io::stderr().as_fd());
            self.screen = size.and_then(|size| Screen::new(size, lines.len()));
            bytes.extend(self.screen.as_ref().map(Screen::begin));
        }
        bytes.extend(self.screen.as_ref().map(|screen| screen.draw(&lines)));
        write(&bytes);
        self.shown = lines;
    }

    /// Gives the whole screen back; the next [`Status::refresh`] begins anew.
    pub fn hide(&mut self) {
        self.shown.clear();
        if self.screen.take().is_some() {
            write(screen::END);
        }
    }

    fn lines(&self, group: &Group) -> Vec<String> {
        let (instant, wall) = (Instant::now(), SystemTime::now());
        let time = |at: Instant| clock::time_of_day(wall - instant.saturating_duration_since(at));
        rows::lines(&self.title, &group.standings(), &time)
    }
}

/// However the group ends, the screen is whole again.
impl Drop for Status {
    fn drop(&mut self) {
        self.hide();
    }
}

/// In one piece, so that nothing of the children comes between.
fn write(bytes: &str) {
    let _ = io::stderr().write_all(bytes.as_bytes());
}
