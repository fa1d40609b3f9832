//! `docs/differences.md` answers every numbered fault of the original: none of the numbers is missing from its tables.

#![cfg(feature = "vagga")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Rows of the tables below a heading (`## …` or `### …`), up to the next heading that is not deeper.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let depth = |line: &str| line.chars().take_while(|c| *c == '#').count();
    let own = depth(heading);
    let below = page.lines().skip_while(|line| *line != heading).skip(1);
    let rows = below.take_while(|line| depth(line) == 0 || depth(line) > own);
    rows.filter(|line| line.starts_with("| ")).collect()
}

/// Numbers that the first cell of a row stands for: `7`, `3, 4`, `54–56`, `1 to 4`, `security 1`.
fn numbers(row: &str) -> BTreeSet<u32> {
    let cell = row.split('|').nth(1).unwrap_or("");
    let range = cell.contains('–') || cell.contains(" to ");
    let found: BTreeSet<u32> = cell
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse().ok())
        .collect();
    match (range, found.first(), found.last()) {
        (true, Some(first), Some(last)) => (*first..=*last).collect(),
        _ => found,
    }
}

fn all(rows: &[&str]) -> BTreeSet<u32> {
    rows.iter().flat_map(|row| numbers(row)).collect()
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/differences.md");
    fs::read_to_string(path).expect("the page is part of the repository")
}

#[test]
fn every_fault_of_the_commands_is_answered() {
    let page = page();
    let found = all(&rows(&page, "## Commands (by section of the manual's list)"));
    assert_eq!(found, (1..=61).collect());
}

#[test]
fn every_fault_of_the_containers_is_answered() {
    let page = page();
    assert_eq!(all(&rows(&page, "### Functional bugs")), (1..=27).collect());
    let holes = rows(&page, "### Versioning holes and security");
    let security = holes
        .iter()
        .position(|row| row.contains("security 1"))
        .expect("a row of it");
    let (holes, security) = holes.split_at(security);
    assert_eq!(all(holes), (1..=7).collect());
    assert_eq!(all(security), (1..=5).collect());
}

#[test]
fn every_test_named_by_the_page_exists() {
    let page = page();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for row in rows(&page, "## Commands (by section of the manual's list)") {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let Some(named) = cells.last().filter(|_| !numbers(row).is_empty()) else {
            continue;
        };
        for name in named.split(", ") {
            let file = root.join(format!("bats/vagga/{name}.bats"));
            let beside = root.join(format!("src/vagga/{name}.rs"));
            assert!(file.exists() || beside.exists(), "{name:?} in {row}");
        }
    }
}
