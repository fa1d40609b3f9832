//! Public configurations: what vagga 0.8 accepted is accepted, and lists the same commands.
//!
//! The files are not part of the repository. They are looked for in `$SHARED_DIR/corpus`, by default
//! `../shared/corpus` beside the repository; without them the test says that it was not run.

#![cfg(feature = "vagga")]

use std::path::{Path, PathBuf};

use orchestration::vagga::config::{load_project, Config};
use serde_json::Value;

/// Directory of the corpus, or nothing.
fn corpus() -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = match std::env::var_os("SHARED_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => manifest.join("../shared"),
    };
    let dir = shared.join("corpus");
    if dir.join("oracle.json").is_file() {
        return Some(dir);
    }
    eprintln!(
        "NOT RUN: there is no corpus in {} (set SHARED_DIR)",
        dir.display()
    );
    None
}

/// Copies the folder of the configuration to a project named `vagga.yaml` as the oracle read it.
fn lay_out(corpus: &Path, key: &str, config: &str, into: &Path) -> PathBuf {
    let repository = key.split('/').next().unwrap_or(key);
    copy_tree(&corpus.join("vagga-yaml").join(repository), into);
    let config = into.join(config);
    let dir = config
        .parent()
        .expect("a configuration is in a folder")
        .to_path_buf();
    if config.file_name().is_some_and(|name| name != "vagga.yaml") {
        std::fs::rename(&config, dir.join("vagga.yaml")).expect("rename");
    }
    dir
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("create a directory");
    for entry in std::fs::read_dir(from).expect("read the corpus") {
        let entry = entry.expect("read the corpus");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type of an entry").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            let bytes = std::fs::read(entry.path()).expect("read a file");
            std::fs::write(target, bytes).expect("write a file");
        }
    }
}

/// Names as `vagga _list` prints them: commands without underscore, each followed by its aliases.
fn listed(config: &Config) -> Vec<String> {
    let mut names = Vec::new();
    for (name, command) in config.commands.iter().filter(|(name, _)| !name.starts_with('_')) {
        names.push(name.clone());
        let aliases = command.common().aliases.iter();
        names.extend(
            aliases
                .filter(|a| !a.starts_with('_') && !config.commands.contains_key(*a))
                .cloned(),
        );
    }
    names
}

fn names_of(list: &str) -> Vec<String> {
    let lines = list.lines().filter(|line| !line.starts_with(' '));
    lines
        .filter_map(|line| Some(line.split_whitespace().next()?.to_string()))
        .collect()
}

#[test]
fn every_accepted_configuration_is_accepted_and_lists_the_same() {
    let Some(corpus) = corpus() else { return };
    let text = std::fs::read_to_string(corpus.join("oracle.json")).expect("read the oracle");
    let oracle: Value = serde_json::from_str(&text).expect("the oracle is JSON");
    let scratch = std::env::temp_dir().join(format!("vagga-corpus-{}", std::process::id()));
    let mut wrong = Vec::new();
    for (i, (key, answer)) in oracle.as_object().expect("a mapping").iter().enumerate() {
        let config = answer["config"].as_str().expect("the name of the configuration");
        let dir = lay_out(&corpus, key, config, &scratch.join(i.to_string()));
        let loaded = load_project(&dir, &|_| None);
        match (answer["accepted"].as_bool(), loaded) {
            (Some(true), Ok(project)) => {
                let expected = names_of(answer["list"].as_str().unwrap_or(""));
                let found = listed(&project.config);
                if expected != found {
                    wrong.push(format!("{key}: expected {expected:?}, found {found:?}"));
                }
            }
            (Some(true), Err(failure)) => wrong.push(format!("{key}: {failure}")),
            (_, Ok(_)) => wrong.push(format!("{key}: should have been refused")),
            (_, Err(failure)) => {
                assert_eq!(failure.exit, 126, "{key}");
                println!("{key} is refused, as it should be:\n{failure}");
            }
        }
    }
    std::fs::remove_dir_all(&scratch).expect("clean up");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
