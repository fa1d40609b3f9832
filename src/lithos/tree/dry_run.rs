//! `--dry-run`: what a reload would do, from the records and the configuration. Changes nothing.

use super::machine::{Machine, Verdict};
use super::records::Records;
use super::start::Loaded;
use super::{adoption, last_good, reading};
use crate::lithos::program;
use crate::sys::monotonic;

/// The lines to print: problems, then one for each container.
pub fn lines(loaded: &Loaded) -> Vec<String> {
    let mut machine = Machine::new(0);
    let mut lines = Vec::new();
    match last_good::read(&loaded.master.runtime_dir) {
        Ok(known) => machine.restore(known),
        Err(e) => lines.push(format!("error   last good configuration: {e}")),
    }
    let knot = program::sibling("lithos_knot").unwrap_or_default();
    let records = Records::new(&loaded.master.runtime_dir);
    let findings = adoption::find(&records, &loaded.path, &knot);
    lines.extend(
        findings
            .strays
            .iter()
            .map(|(pid, name)| format!("stray   {name} (pid {pid})")),
    );
    for one in findings.adopted {
        machine.adopt(one.found, monotonic::millis());
    }
    let read = reading::read(&loaded.master, &loaded.path);
    lines.extend(read.problems.iter().map(|problem| format!("error   {problem}")));
    machine.know(&read.readings, monotonic::millis());
    let verdicts = machine.preview().into_iter();
    lines.extend(verdicts.map(|(name, verdict)| format!("{} {name}", word(verdict))));
    lines
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Start => "start  ",
        Verdict::Stop => "stop   ",
        Verdict::Replace => "replace",
        Verdict::Keep => "keep   ",
    }
}
