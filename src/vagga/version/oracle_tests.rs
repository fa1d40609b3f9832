//! Hashes of public configurations, recorded from the original: at least those that depend on nothing outside the
//! corpus must be equal. The corpus is not part of the repository; without it there is nothing to compare.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::sys::namespace::{IdMap, IdMapping, MapMethod};
use crate::vagga::config;

fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["../shared/corpus", "../../shared/corpus"]
        .iter()
        .map(|p| here.join(p))
        .find(|p| p.join("oracle.json").exists())
}

/// What we answer in the words of the oracle: the hash, or the exit code.
fn answer(dir: &Path, container: &str) -> Value {
    let Ok(project) = config::load_project(dir, &|_| None) else {
        return serde_json::json!({ "exit": 126 });
    };
    let meta = std::fs::metadata(dir).unwrap();
    let single = |outside| {
        IdMap(vec![IdMapping {
            inside: 0,
            outside,
            count: 1,
        }])
    };
    let ids = IdMaps {
        uid: single(meta.uid()),
        gid: single(meta.gid()),
        method: MapMethod::SingleId,
    };
    let storage = Storage {
        vagga_dir: dir.join(".vagga"),
        base: dir.join(".vagga"),
        link_prefix: PathBuf::new(),
        cache: dir.join(".vagga/.cache"),
    };
    match version(&project, &storage, &ids, container) {
        Ok(version) => Value::String(version.hex()),
        Err(VersionError::NotReady(_)) => serde_json::json!({ "exit": 29 }),
        Err(VersionError::Failed(f)) => serde_json::json!({ "exit": f.exit, "message": f.message }),
    }
}

#[test]
fn recorded_hashes_are_equal() {
    let Some(corpus) = corpus() else {
        return;
    };
    let text = std::fs::read_to_string(corpus.join("oracle.json")).unwrap();
    let oracle: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let (mut equal, mut different) = (0, Vec::new());
    for (key, record) in &oracle {
        let repository = key.split('/').next().unwrap();
        let file = record["config"].as_str().unwrap();
        let dir = corpus.join("vagga-yaml").join(repository).join(file);
        for (container, expected) in record["hashes"].as_object().unwrap() {
            let ours = answer(dir.parent().unwrap(), container);
            let same = match expected {
                Value::String(_) => ours == *expected,
                _ => ours["exit"] == expected["exit"],
            };
            match same {
                true => equal += 1,
                false => different.push(format!("{key} {container}: expected {expected}, got {ours}")),
            }
        }
    }
    println!("{equal} equal, {} different", different.len());
    assert!(different.is_empty(), "{equal} equal\n{}", different.join("\n"));
}
