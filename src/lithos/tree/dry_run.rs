//! `--dry-run`: what a reload would do, from the records and the configuration. Changes nothing.

use std::collections::BTreeMap;

use super::machine::{Machine, Verdict};
use super::records::Records;
use super::start::Loaded;
use super::{adoption, last_good, reading};
use crate::lithos::program;
use crate::sys::monotonic;

/// What there is, and what would become of it.
#[derive(Debug, Default)]
pub struct Preview {
    /// What is wrong with the configuration, a line each.
    pub problems: Vec<String>,
    /// Containers that nobody supervises: PID and name.
    pub strays: Vec<(i32, String)>,
    /// By `SB/PROC.N`.
    pub verdicts: BTreeMap<String, Verdict>,
}

/// Looks at records, processes and configuration.
pub fn look(loaded: &Loaded) -> Preview {
    let mut machine = Machine::new(0);
    let mut problems = Vec::new();
    match last_good::read(&loaded.master.runtime_dir) {
        Ok(known) => machine.restore(known),
        Err(e) => problems.push(format!("last good configuration: {e}")),
    }
    let knot = program::sibling("lithos_knot").unwrap_or_default();
    let records = Records::new(&loaded.master.runtime_dir);
    let findings = adoption::find(&records, &loaded.path, &knot);
    for one in findings.adopted {
        machine.adopt(one.found, monotonic::millis());
    }
    let read = reading::read(&loaded.master, &loaded.path);
    problems.extend(read.problems.iter().map(ToString::to_string));
    machine.know(&read.readings, monotonic::millis());
    Preview {
        problems,
        strays: findings.strays,
        verdicts: machine.preview(),
    }
}

/// The lines to print: problems, then one for each container.
pub fn lines(loaded: &Loaded) -> Vec<String> {
    let preview = look(loaded);
    let problems = preview
        .problems
        .iter()
        .map(|problem| format!("error   {problem}"));
    let strays = preview.strays.iter();
    let strays = strays.map(|(pid, name)| format!("stray   {name} (pid {pid})"));
    let verdicts = preview.verdicts.iter();
    let verdicts = verdicts.map(|(name, verdict)| format!("{} {name}", word(*verdict)));
    problems.chain(strays).chain(verdicts).collect()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Start => "start  ",
        Verdict::Stop => "stop   ",
        Verdict::Replace => "replace",
        Verdict::Keep => "keep   ",
    }
}
