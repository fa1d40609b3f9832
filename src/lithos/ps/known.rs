//! What the kernel does not tell about a tree: how often its processes were restarted, from its metrics, and what of its
//! configuration runs, from its records and files. Only of trees of root or of the own user: everybody can name a program
//! `lithos_tree`. What cannot be read is not shown.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::lithos::running::{sort, Knot, Tree};
use crate::lithos::tree::{self, Verdict};
use crate::metrics::values::Value;
use crate::metrics::{reader, Description};

/// One tree.
#[derive(Debug, Default)]
pub struct Known {
    /// Restarts by `SB/PROC`.
    restarts: BTreeMap<String, u64>,
    /// What a reload would do, by `SB/PROC.N`; `None` = nobody knows.
    verdicts: Option<BTreeMap<String, Verdict>>,
    /// Files that were edited since the start, by `SB/PROC.N`.
    edited: BTreeMap<String, Vec<&'static str>>,
}

/// Between what runs and what is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// There is none.
    None,
    /// It runs with another configuration or image than the one that is configured now.
    Outdated,
    /// It runs and is not configured.
    Unwanted,
    /// It runs as it is configured, but files that are read when it starts were edited in place.
    Edited,
}

impl Known {
    /// Asks what there is to ask.
    pub fn of(tree: &Tree) -> Known {
        let process = PathBuf::from(format!("/proc/{}", tree.pid));
        if tree.pid == 0 || !is_trusted(&process) {
            return Known::default();
        }
        // The command line may have a path relative to where the tree was started; it stays there.
        let here = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        let names: Vec<String> = tree.knots.iter().map(entry).collect();
        let preview = tree::preview_of(&here.join(&tree.master)).ok();
        let (verdicts, edited) = preview.map(|p| (p.verdicts, p.edited)).unzip();
        Known {
            restarts: restarts(&process, names.iter().map(String::as_str)).unwrap_or_default(),
            verdicts,
            edited: edited.unwrap_or_default(),
        }
    }

    /// Restarts of all instances of the process that a container belongs to.
    pub fn restarts(&self, knot: &Knot) -> Option<u64> {
        self.restarts.get(&entry(knot)).copied()
    }

    /// `None`: nobody knows.
    pub fn drift(&self, knot: &Knot) -> Option<Drift> {
        Some(match self.verdicts.as_ref()?.get(&knot.full_name()) {
            Some(Verdict::Keep) if self.edited(knot).is_some() => Drift::Edited,
            Some(Verdict::Keep) => Drift::None,
            Some(Verdict::Replace) => Drift::Outdated,
            // It began while we looked.
            Some(Verdict::Start) => Drift::None,
            Some(Verdict::Stop) | None => Drift::Unwanted,
        })
    }

    /// What people are told about that.
    pub fn mark(&self, knot: &Knot) -> Option<String> {
        match self.drift(knot)? {
            Drift::Outdated => Some("<outdated>".into()),
            Drift::Unwanted => Some("<not configured>".into()),
            Drift::Edited => Some(format!("<edited: {}>", self.edited(knot)?.join(", "))),
            Drift::None => None,
        }
    }

    /// Files that were edited since the container was started, if there are any.
    pub fn edited(&self, knot: &Knot) -> Option<&[&'static str]> {
        self.edited.get(&knot.full_name()).map(Vec::as_slice)
    }

    /// Containers of a tree; those that are configured and do not run have PID 0.
    pub fn with_missing(&self, tree: &Tree) -> Vec<Knot> {
        let mut knots = tree.knots.clone();
        let missing = self.missing().unwrap_or_default();
        knots.extend(missing.iter().filter_map(|name| {
            let (sandbox, rest) = name.split_once('/')?;
            let (process, index) = rest.rsplit_once('.')?;
            Some(Knot {
                pid: 0,
                name: (sandbox.into(), process.into(), index.into()),
                instance: String::new(),
                heads: Vec::new(),
                standby: false,
            })
        }));
        sort(&mut knots);
        knots
    }

    /// Names of what is configured and does not run.
    pub fn missing(&self) -> Option<Vec<&str>> {
        let verdicts = self.verdicts.as_ref()?.iter();
        let start = verdicts.filter(|(_, verdict)| **verdict == Verdict::Start);
        Some(start.map(|(name, _)| name.as_str()).collect())
    }

    #[cfg(test)]
    pub fn sample() -> Known {
        let verdict = |name: &str, verdict| (format!("shop/web.{name}"), verdict);
        Known {
            restarts: BTreeMap::from([("shop/web".into(), 3), ("blog/php".into(), 0)]),
            verdicts: Some(BTreeMap::from([
                verdict("0", Verdict::Keep),
                verdict("1", Verdict::Start),
                verdict("2", Verdict::Replace),
                verdict("10", Verdict::Stop),
                ("blog/php.0".into(), Verdict::Keep),
            ])),
            edited: BTreeMap::from([("blog/php.0".into(), vec!["container file", "sandbox file"])]),
        }
    }
}

fn entry(knot: &Knot) -> String {
    format!("{}/{}", knot.name.0, knot.name.1)
}

fn is_trusted(process: &Path) -> bool {
    let me = nix::unistd::geteuid().as_raw();
    std::fs::metadata(process).is_ok_and(|about| about.uid() == 0 || about.uid() == me)
}

/// From the metric files that the environment of the tree names.
fn restarts<'a>(process: &Path, entries: impl Iterator<Item = &'a str>) -> Option<BTreeMap<String, u64>> {
    let environ = std::fs::read(process.join("environ")).ok()?;
    let path = environ
        .split(|b| *b == 0)
        .find_map(|line| line.strip_prefix(b"CANTAL_PATH="))?;
    let values: BTreeMap<String, Value> = reader::read(Path::new(OsStr::from_bytes(path)))
        .ok()?
        .into_iter()
        .collect();
    let of_entry = |entry: &str| {
        let group = format!("processes.{}", entry.replacen('/', ".", 1));
        match values.get(&Description::new(&group, "restarts").to_json()) {
            Some(Value::Counter(count)) => Some((entry.to_string(), *count)),
            _ => None,
        }
    };
    Some(entries.filter_map(of_entry).collect())
}
