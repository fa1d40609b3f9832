//! `lithos_ps`: shows the trees that run, with the containers below them. Read-only and without configuration.

mod figures;
mod flags;
mod json;
mod known;
mod monitor;
mod text;

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use self::flags::{Key, TOOL};
use super::running::{self, Snapshot};
use crate::cli::output::print;
use crate::cli::Parsed;
use crate::sys::tty;

/// Entry point of the executable; returns the exit code.
pub fn main() -> i32 {
    TOOL.run(work)
}

fn work(parsed: Parsed<Key>) -> Result<i32, String> {
    for (a, b, message) in [
        (
            Key::Json,
            Key::Monitor,
            "Options --json and --monitor exclude each other",
        ),
        (
            Key::Color,
            Key::NoColor,
            "Options --force-color and --no-color exclude each other",
        ),
    ] {
        if parsed.has(a) && parsed.has(b) {
            return Ok(TOOL.wrong(message));
        }
    }
    let terminal = tty::is_terminal(io::stdout().as_fd());
    if parsed.has(Key::Monitor) {
        return match terminal {
            true => monitor::run(look),
            false => Err("--monitor needs a terminal; use --json".to_string()),
        };
    }
    let snapshot = look()?;
    let trees = running::forest(&snapshot);
    let known: Vec<known::Known> = trees.iter().map(known::Known::of).collect();
    let trees: Vec<_> = trees.iter().zip(&known).collect();
    let text = match parsed.has(Key::Json) {
        true => json::render(&trees, snapshot.boot),
        false => text::render(&trees, snapshot.uptime, colored(&parsed, terminal)),
    };
    print(&text)
        .map(|()| 0)
        .map_err(|e| format!("Can't write to stdout: {e}"))
}

/// The variable is the convention of no-color.org.
fn colored(parsed: &Parsed<Key>, terminal: bool) -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    parsed.has(Key::Color) || terminal && !unwanted && !parsed.has(Key::NoColor)
}

fn look() -> Result<Snapshot, String> {
    running::scan(Path::new("/proc")).map_err(|e| format!("Can't read /proc: {e}"))
}
