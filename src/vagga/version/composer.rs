//! `!ComposerDependencies`: members of `composer.lock` and `composer.json` as compact JSON with sorted keys.

use std::path::Path;

use serde_json::Value;

use super::node::read_json;
use super::{Encoder, VersionError};
use crate::vagga::config::step::ComposerDependencies;

const PACKAGE_KEYS: [&str; 6] = ["name", "version", "source", "dist", "extra", "autoload"];
const PROJECT_KEYS: [&str; 8] = [
    "require",
    "conflict",
    "replace",
    "provide",
    "autoload",
    "repositories",
    "minimum-stability",
    "prefer-stable",
];

/// Missing members are hashed as `null`.
pub fn dependencies(e: &mut Encoder, d: &ComposerDependencies) -> Result<(), VersionError> {
    let dir = Path::new(d.working_dir.as_deref().unwrap_or(""));
    let lock = dir.join("composer.lock");
    if e.read_optional(&lock)?.is_some() {
        let lock = read_json(e, &lock)?;
        let packages = lock.get("packages").and_then(Value::as_array);
        for package in packages.into_iter().flatten() {
            for key in PACKAGE_KEYS {
                member(e, key, package, key);
            }
            for key in ["require", "require-dev"] {
                member(e, key, package, key);
            }
        }
    }
    let project = read_json(e, &dir.join("composer.json"))?;
    for key in PROJECT_KEYS {
        member(e, key, &project, key);
    }
    // The title does not fit the member: a slip of the original that every existing hash contains.
    member(e, "require-dev", &project, "autoload-dev");
    Ok(())
}

fn member(e: &mut Encoder, title: &str, object: &Value, key: &str) {
    e.field(title, object.get(key).unwrap_or(&Value::Null));
}
