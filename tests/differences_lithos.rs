//! `docs/differences-lithos.md` answers every fault of the original lithos, numbered or not, and what it names as proof
//! exists.

#![cfg(feature = "lithos")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/differences-lithos.md")).expect("the page is part of the repository")
}

/// Cells of the rows of the table below a heading, without the head of the table.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let below = page.lines().skip_while(|line| *line != heading).skip(1);
    let table = below
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with("| "));
    let cells = |row: &'a str| row.trim_matches('|').split('|').map(str::trim).collect();
    table.skip(1).map(cells).collect()
}

#[track_caller]
fn answered(heading: &str, expected: &str) {
    let page = page();
    let found: Vec<&str> = rows(&page, heading).iter().map(|row| row[0]).collect();
    let unique: BTreeSet<&str> = found.iter().copied().collect();
    assert_eq!(unique.len(), found.len(), "{heading}: an item twice");
    assert_eq!(unique, expected.split(' ').collect(), "{heading}");
}

#[test]
fn every_fault_is_answered() {
    answered("## Security", "F1 F2 F3 F8 F9 F10 F11 F12 a b c d");
    answered(
        "## Availability",
        "F4 F5 F6 F17 F19 F21 F23 F24 F25 F27 F32 F34 F35 a b",
    );
    answered(
        "## Correctness",
        "F7 F13 F14 F15 F16 F18 F20 F22 F26 F28 F29 F30 F31 F33 a b c d e f",
    );
}

/// The file that a reference names, and what must stand in it.
fn place(reference: &str) -> Option<(PathBuf, &str)> {
    let (file, words) = reference.split_once(": ")?;
    let path = match file.ends_with(".bats") {
        true => root().join("bats/lithos").join(file),
        false => root().join(file),
    };
    Some((path, words))
}

/// Whether a line of the file is the test that the words name.
fn names_a_test(path: &Path, text: &str, words: &str) -> bool {
    let is_head = |line: &&str| match path.extension().and_then(|e| e.to_str()) {
        Some("bats") => line.starts_with("@test "),
        Some("sh") => line.trim_start().starts_with("it "),
        Some("rs") => line.trim_start().starts_with("fn "),
        _ => true,
    };
    text.lines().filter(is_head).any(|line| line.contains(words))
}

#[test]
fn every_proof_exists() {
    let page = page();
    let mut wrong = Vec::new();
    for heading in [
        "## Security",
        "## Availability",
        "## Correctness",
        "## Deviations from the contract",
    ] {
        for row in rows(&page, heading) {
            let shown_by = row.last().copied().unwrap_or_default();
            if shown_by == "–" && row.iter().any(|cell| cell.contains("not done")) {
                continue;
            }
            for reference in shown_by.split("; ") {
                let found = place(reference).is_some_and(|(path, words)| {
                    fs::read_to_string(&path).is_ok_and(|text| names_a_test(&path, &text, words))
                });
                if !found {
                    wrong.push(format!("{}: {reference}", row[0]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "no such test:\n{}", wrong.join("\n"));
}
