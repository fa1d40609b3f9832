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
    if let Some(lock) = lock(e, d)? {
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
    missed(e, d)
}

/// What decides what is installed and the original did not see: pinned packages for development, options. Each only
/// when it differs from the default, so that everything else keeps its hash. (`require-dev` of `composer.json` matters
/// only as long as nothing is pinned, which the first build does.)
fn missed(e: &mut Encoder, d: &ComposerDependencies) -> Result<(), VersionError> {
    let lock = lock(e, d)?;
    let pinned = lock
        .as_ref()
        .and_then(|lock| lock.get("packages-dev")?.as_array());
    for package in pinned.into_iter().flatten().filter(|_| d.dev) {
        e.field("development", package);
    }
    e.opt("prefer", &d.prefer);
    let flags = [
        (!d.dev, "no_dev"),
        (d.ignore_platform_reqs, "ignore_platform_reqs"),
        (d.no_autoloader, "no_autoloader"),
        (d.no_scripts, "no_scripts"),
        (d.no_plugins, "no_plugins"),
        (d.optimize_autoloader, "optimize_autoloader"),
        (d.classmap_authoritative, "classmap_authoritative"),
    ];
    for (_, name) in flags.iter().filter(|(given, _)| *given) {
        e.field(name, true);
    }
    Ok(())
}

fn lock(e: &Encoder, d: &ComposerDependencies) -> Result<Option<Value>, VersionError> {
    let path = Path::new(d.working_dir.as_deref().unwrap_or("")).join("composer.lock");
    match e.read_optional(&path)? {
        Some(_) => read_json(e, &path).map(Some),
        None => Ok(None),
    }
}

fn member(e: &mut Encoder, title: &str, object: &Value, key: &str) {
    e.field(title, object.get(key).unwrap_or(&Value::Null));
}
