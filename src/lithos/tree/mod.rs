//! The supervisor of all containers of a machine, `lithos_tree`.
//!
//! `machine` decides, everything else carries out. Nothing here may panic, and nothing that is read, be it configuration,
//! a record or a message, may stop a container that should run.

pub mod adoption;
mod after_turn;
mod configure;
mod dry_run;
pub mod figures;
pub mod handover;
pub mod inspect;
pub mod last_good;
pub mod leftovers;
pub mod machine;
mod pid_file;
mod publish;
mod reading;
pub mod records;
mod reload;
mod settings;
mod sockets;
mod spawn;
mod standby;
mod start;
mod supervisor;

pub use dry_run::Preview;
pub use machine::Verdict;
use settings::{Key, TOOL};
use supervisor::Supervisor;

use std::path::Path;

use crate::cli::Parsed;
use crate::lithos::{init, program};

/// The program. Returns the exit code.
pub fn main() -> i32 {
    if let Err(e) = crate::sys::start::begin() {
        eprintln!("Fatal error: standard descriptors: {e}");
        return 1;
    }
    let parsed = match TOOL.start() {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    if parsed.has(Key::DryRun) {
        return preview(&parsed);
    }
    match start::start(&parsed) {
        Ok(mut supervisor) => supervise(&mut supervisor),
        Err((code, text)) => {
            eprintln!("Fatal error: {text}");
            code
        }
    }
}

/// Until the orderly end. A defect of ours must not be the end of the containers: the program starts afresh then.
fn supervise(supervisor: &mut Supervisor) -> i32 {
    let run = std::panic::AssertUnwindSafe(|| supervisor.run());
    if std::panic::catch_unwind(run).is_err() {
        // Handled: see `sys::crash`.
        std::process::abort();
    }
    supervisor.publisher.remove();
    if init::is_first() {
        let how = init::End::of_signal(supervisor.asked).unwrap_or(init::End::PowerOff);
        init::end(how);
    }
    0
}

/// What a reload of the tree with this master file would do. Changes nothing. Errors: one line that names the file.
pub fn preview_of(master: &Path) -> Result<Preview, String> {
    let (read, text) = settings::read_master(master)?;
    Ok(dry_run::look(&start::Loaded {
        path: master.to_path_buf(),
        master: read,
        text,
    }))
}

fn preview(parsed: &Parsed<Key>) -> i32 {
    let loaded = match program::own().and_then(|_| start::load(parsed, None)) {
        Ok(loaded) => loaded,
        Err(why) => return TOOL.fatal(&why),
    };
    let text: String = dry_run::lines(&loaded)
        .iter()
        .map(|line| format!("{line}\n"))
        .collect();
    match crate::cli::output::print(&text) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}
