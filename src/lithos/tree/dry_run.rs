//! `--dry-run`: what a reload would do, from the records and the configuration. Changes nothing.

use std::collections::BTreeMap;

use super::machine::{Machine, Verdict};
use super::records::Records;
use super::start::Loaded;
use super::{adoption, last_good, reading};
use crate::config::Document;
use crate::lithos::config::{Level, Master};
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
    /// Files that were edited since their containers were started, of what is kept.
    pub edited: BTreeMap<String, Vec<&'static str>>,
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
    let mut origins = BTreeMap::new();
    for one in findings.adopted {
        origins.extend(one.origin.map(|origin| (one.found.name.clone(), origin)));
        machine.adopt(one.found, monotonic::millis());
    }
    let read = reading::read(&loaded.master, &loaded.path);
    problems.extend(read.problems.iter().map(ToString::to_string));
    machine.know(&read.readings, monotonic::millis());
    let verdicts = machine.preview();
    let of_master = Document::parse_bytes("", loaded.text.as_bytes()).mark(Master::APART);
    let edited = origins.iter().filter_map(|(name, then)| {
        let files = then.edited(&read.origin(name, of_master)?);
        let is_kept = verdicts.get(name) == Some(&Verdict::Keep);
        (is_kept && !files.is_empty()).then(|| (name.clone(), files))
    });
    Preview {
        problems,
        strays: findings.strays,
        edited: edited.collect(),
        verdicts,
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
    let verdicts = verdicts.map(|(name, verdict)| {
        let edited = preview
            .edited
            .get(name)
            .map(|files| format!(" (edited: {}; takes effect at its next start)", files.join(", ")));
        format!("{} {name}{}", word(*verdict), edited.unwrap_or_default())
    });
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
