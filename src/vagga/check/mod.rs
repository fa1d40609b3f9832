//! `vagga _check`: all problems of a configuration at once. Nothing is built, run or changed.
//!
//! Problems of one file come from the loader; what the parts say about each other is found here and by
//! [`cross`], and gets a place in the file that says it.

mod lints;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::config::cross::{self, Finding, Severity};
use super::config::load::{self, Reading};
use super::config::lookup::{self, Found};
use super::config::{settings_files, Origins};
use super::failure::Failure;
use crate::config::problem::{Problem, Problems, Stage};
use crate::config::source::Place;
use crate::config::Document;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Problems as they are to be shown, one block each; empty when there are none.
    pub text: String,
    /// Number of errors.
    pub errors: usize,
    /// Number of warnings.
    pub warnings: usize,
}

impl Report {
    fn add(&mut self, problems: &Problems) {
        let is_warning = |p: &&Problem| p.stage == Stage::Finding { error: false };
        let warnings = problems.list.iter().filter(is_warning).count();
        self.warnings += warnings;
        // A missing key is one problem in two lines.
        let second_lines = |p: &&Problem| {
            matches!(&p.stage, Stage::Decode(_)) && !p.excerpt && p.text.starts_with("missing field")
        };
        self.errors += problems.list.len() - warnings - problems.list.iter().filter(second_lines).count();
        if !problems.list.is_empty() {
            self.text.push_str(&format!("{problems}\n"));
        }
    }
}

/// Checks the project of `cwd` (absolute): its files, mixins and settings.
///
/// Errors: exit 126 when there is no project.
pub fn project(cwd: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Report, Failure> {
    let found = lookup::find(cwd)?;
    let mut report = files(&found, true);
    if let Err(failure) = settings_files::read(&found.root, env) {
        report
            .text
            .push_str(&format!("{}\n", failure.to_string().trim_end()));
        report.errors += 1;
    }
    Ok(report)
}

/// Checks one file with its mixins, as if it were the only one of a project in its directory.
pub fn file(path: &Path) -> Report {
    let root = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let found = Found {
        root: root.to_path_buf(),
        main: Some(path.to_path_buf()),
        local: Vec::new(),
    };
    files(&found, false)
}

/// `complete`: what nothing refers to is not used at all.
fn files(found: &Found, complete: bool) -> Report {
    let reading = load::read_files(found, true);
    let mut findings = cross::findings(&reading.config);
    let sound = reading.unread.is_empty();
    findings.extend(lints::findings(&reading.config, &found.root, complete && sound));
    let mut files = by_file(reading, findings, found);
    for problems in files.values_mut() {
        problems.sort();
    }
    let mut report = Report::default();
    files.values().for_each(|problems| report.add(problems));
    report
}

/// All problems with the file they are in.
fn by_file(reading: Reading, findings: Vec<Finding>, found: &Found) -> BTreeMap<PathBuf, Problems> {
    let Reading {
        origins,
        unread,
        refused,
        ..
    } = reading;
    let main = found.main.clone().unwrap_or_else(|| found.root.clone());
    let mut files: BTreeMap<PathBuf, Problems> = BTreeMap::new();
    for file in unread {
        files.insert(file.path, file.problems);
    }
    let mut documents: BTreeMap<PathBuf, Document> = BTreeMap::new();
    let refused = refused.into_iter().map(|text| Finding {
        severity: Severity::Refused,
        path: vec!["mixins".into()],
        text,
    });
    for finding in findings.into_iter().chain(refused) {
        let path = origin(&finding, &origins).unwrap_or(&main);
        let document = documents
            .entry(path.clone())
            .or_insert_with(|| Document::read(path));
        let problems = files.entry(path.clone()).or_insert_with(|| Problems {
            sources: document.sources().clone(),
            list: Vec::new(),
        });
        problems.list.push(placed(&finding, document));
    }
    files
}

/// The file that says it.
fn origin<'a>(finding: &Finding, origins: &'a Origins) -> Option<&'a PathBuf> {
    let name = finding.path.get(1)?;
    match finding.path.first().map(String::as_str) {
        Some("commands") => origins.commands.get(name),
        Some("containers") => origins.containers.get(name),
        _ => None,
    }
}

fn placed(finding: &Finding, document: &Document) -> Problem {
    let start = Place {
        source: 0,
        line: 1,
        column: 1,
    };
    let stage = Stage::Finding {
        error: finding.severity != Severity::Doubtful,
    };
    let place = document.place_of(&finding.path).unwrap_or(start);
    Problem::new(stage, place, finding.text.clone())
}

#[cfg(test)]
mod tests;
