//! What a build shows on stderr: on a terminal one live line (step, elapsed time, bytes), elsewhere plain lines.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::sys::tty;

/// The live line is redrawn at most this often.
const REDRAW: Duration = Duration::from_millis(100);

/// Progress of the build of one container.
#[derive(Debug)]
pub struct Progress {
    container: String,
    total: usize,
    step: usize,
    title: String,
    step_start: Instant,
    terminal: bool,
    /// The live line is on the screen now.
    live: bool,
    /// The current step's title was printed as a line of its own.
    announced: bool,
    last_draw: Option<Instant>,
}

impl Progress {
    /// Progress on stderr for a container with so many steps.
    pub fn new(container: &str, total: usize) -> Progress {
        Progress {
            container: container.to_string(),
            total,
            step: 0,
            title: String::new(),
            step_start: Instant::now(),
            terminal: tty::is_terminal(std::io::stderr().as_fd()),
            live: false,
            announced: false,
            last_draw: None,
        }
    }

    /// The next step begins.
    pub fn step(&mut self, title: &str) {
        self.clear();
        self.step += 1;
        self.title = title.to_string();
        self.step_start = Instant::now();
        self.announced = false;
        self.last_draw = None;
        if self.terminal {
            self.draw("");
        } else {
            self.announce();
        }
    }

    /// So many steps were done in an earlier build.
    pub fn skip(&mut self, steps: usize) {
        self.step = steps;
        if steps > 0 {
            let range = if steps == 1 {
                "1".into()
            } else {
                format!("1-{steps}")
            };
            self.note(&format!("{} [{range}/{}] as before", self.container, self.total));
        }
    }

    /// A program is about to write to the terminal: the title becomes a line of its own and the live line goes away.
    pub fn before_output(&mut self) {
        self.clear();
        self.announce();
    }

    /// Part of the step's work is done: so many bytes of perhaps so many.
    pub fn bytes(&mut self, what: &str, done: u64, total: Option<u64>) {
        if !self.terminal || self.last_draw.is_some_and(|t| t.elapsed() < REDRAW) {
            return;
        }
        let amount = match total {
            Some(total) if total > 0 => format!(
                "{what} {} of {} ({}%)",
                size(done),
                size(total),
                done.saturating_mul(100) / total
            ),
            _ => format!("{what} {}", size(done)),
        };
        self.draw(&amount);
    }

    /// A line of its own, e.g. a notice of a step.
    pub fn note(&mut self, text: &str) {
        self.clear();
        eprintln!("{text}");
    }

    /// A line `warning: …`.
    pub fn warn(&mut self, text: &str) {
        self.note(&format!("warning: {text}"));
    }

    /// Removes the live line.
    pub fn clear(&mut self) {
        if self.live {
            eprint!("\r\x1b[K");
            self.live = false;
        }
    }

    fn announce(&mut self) {
        if !self.announced && self.step > 0 {
            eprintln!("{}", self.prefix());
            self.announced = true;
        }
    }

    fn prefix(&self) -> String {
        format!("{} [{}/{}] {}", self.container, self.step, self.total, self.title)
    }

    fn draw(&mut self, amount: &str) {
        let seconds = self.step_start.elapsed().as_secs();
        let line = format!("{}  {amount}  {seconds}s", self.prefix());
        let width = terminal_width().saturating_sub(1);
        let line: String = line.chars().take(width).collect();
        eprint!("\r\x1b[K{line}");
        let _ = std::io::stderr().flush();
        self.live = true;
        self.last_draw = Some(Instant::now());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn terminal_width() -> usize {
    tty::width(std::io::stderr().as_fd()).map_or(80, usize::from)
}

/// A number of bytes for people, powers of 1000.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let name = UNITS.get(unit).unwrap_or(&"B");
    match unit > 0 && value < 100.0 {
        true => format!("{value:.1} {name}"),
        false => format!("{value:.0} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1500), "1.5 kB");
        assert_eq!(size(123_456_789), "123 MB");
    }
}
