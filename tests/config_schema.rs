//! The JSON schema of the configuration: valid itself, and no stricter than the reader.
//!
//! Python's `jsonschema` is the judge; without it the test says that it was not run. The corpus is looked for as in
//! `config_corpus`.

#![cfg(feature = "vagga")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use orchestration::config::json_schema::json_schema;
use orchestration::config::{load_text, Document};
use orchestration::vagga::config::schema::CONFIG;
use orchestration::vagga::config::Config;
use serde_json::{json, Value};

const JUDGE: &str = r#"
import json, sys
from jsonschema import Draft202012Validator as Validator
given = json.load(sys.stdin)
Validator.check_schema(given["schema"])
validator = Validator(given["schema"])
for name, view in given["views"].items():
    errors = sorted(validator.iter_errors(view), key=lambda e: len(e.absolute_path))
    print(json.dumps([name, [list(map(str, e.absolute_path)) for e in errors]]))
"#;

/// For each view the paths of what does not fit; nothing when there is no judge on this machine.
fn judge(views: &[(String, Value)]) -> Option<Vec<(String, Value)>> {
    let found = Command::new("python3")
        .args(["-c", "import jsonschema"])
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        eprintln!("NOT RUN: there is no python3 with jsonschema here");
        return None;
    }
    let views: serde_json::Map<String, Value> = views.iter().cloned().collect();
    let given = json!({ "schema": json_schema("urn:test", "vagga.yaml", &CONFIG), "views": views });
    let mut child = Command::new("python3")
        .args(["-W", "ignore", "-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start python3");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(given.to_string().as_bytes())
        .expect("write to python3");
    drop(stdin);
    let output = child.wait_with_output().expect("wait for python3");
    assert!(output.status.success(), "the schema itself is not valid");
    let lines = String::from_utf8(output.stdout).expect("text");
    let line = |line: &str| serde_json::from_str::<(String, Value)>(line).expect("a pair");
    Some(lines.lines().map(line).collect())
}

/// Every YAML file below a directory.
fn yaml_files(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            yaml_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            into.push(path);
        }
    }
}

#[test]
fn what_the_reader_accepts_fits_the_schema() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("SHARED_DIR").map_or_else(|| manifest.join("../shared"), PathBuf::from);
    let mut files = vec![manifest.join("vagga.yaml")];
    for dir in [
        shared.join("corpus/vagga-yaml"),
        manifest.join("examples"),
        manifest.join("vagga-tests"),
    ] {
        yaml_files(&dir, &mut files);
    }
    let mut views = Vec::new();
    for path in files {
        let accepted = Document::read(&path).decode::<Config>(&CONFIG).is_ok();
        if accepted {
            views.push((path.display().to_string(), Document::read(&path).json_view()));
        }
    }
    assert!(views.len() >= 2, "the examples at least");
    println!("{} files", views.len());
    let Some(verdicts) = judge(&views) else { return };
    let wrong: Vec<_> = verdicts
        .iter()
        .filter(|(_, errors)| *errors != json!([]))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_the_view_shows_to_be_wrong_does_not_fit() {
    let wrong = [
        "foo: 1",
        "commands: 5",
        "commands: {a: !Command {container: c}}",
        "commands: {a: !Command {container: c, run: x, contianer: c}}",
        "commands: {a: !Command {container: c, run: x, user-id: -1}}",
        "commands: {a: !Command {container: c, run: []}}",
        "commands: {a: !Command {container: c, run: x, isolate-network: yes please}}",
        "commands: {a: !Supervise {mode: sometimes}}",
        "commands: {a: !Supervise {children: {b: !Command {container: c, run: x, restart: maybe}}}}",
        "commands: {a: !Command {container: c, run: x, volumes: {relative: !Empty}}}",
        "containers: {c: {uids: [a-b]}}",
        "containers: {c: {setup: 5}}",
        "containers: {c: {auto-clean: 1}}",
    ];
    let right = [
        "",
        "_anything: [1, {a: b}]",
        "commands: {a: !Command {container: c, run: x, _note: 1, user-id: 0x10, environ: {V: 1.10}}}",
        "commands: {a: !Command {container: c, run: [1, true], work_dir: a, banner-delay: 1_0}}",
        "containers: {c: {setup: [!Sh x, !Copy {source: /work, path: /x, umask: 0o22}, !UbuntuUniverse], uids: [5, 7-9]}}",
        "containers: {c: {setup: , hosts-file-path: ~, volumes: {/x: !Tmpfs {size: 1 Mi}}}}",
    ];
    let mut views = Vec::new();
    for text in wrong.iter().chain(&right) {
        let accepted = load_text::<Config>("t", text, &CONFIG);
        assert_eq!(accepted.is_ok(), right.contains(text), "{text}: {accepted:?}");
        views.push((text.to_string(), Document::parse("t", text).json_view()));
    }
    for (text, errors) in judge(&views).into_iter().flatten() {
        assert_eq!(
            errors == json!([]),
            right.contains(&text.as_str()),
            "{text}: {errors}"
        );
    }
}
