//! `!NpmDependencies`, `!YarnDependencies`: dependencies named by `package.json`, and `yarn.lock`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Encoder, VersionError};
use crate::vagga::config::step::{NpmDependencies, YarnDependencies};

/// Groups of `package.json` in the order in which they are hashed, and whether they are wanted.
pub fn groups(d: &NpmDependencies) -> [(bool, &'static str); 6] {
    [
        (d.package, "dependencies"),
        (d.dev, "devDependencies"),
        (d.peer, "peerDependencies"),
        (d.bundled, "bundledDependencies"),
        (d.bundled, "bundleDependencies"),
        (d.optional, "optionalDependencies"),
    ]
}

/// Files that pin what a `package.json` asks for, relative to the project; the first that exists counts.
pub fn lock_files(package: &Path) -> [PathBuf; 2] {
    ["npm-shrinkwrap.json", "package-lock.json"].map(|name| package.with_file_name(name))
}

/// The dependencies; then the lock file, which the original did not know, if there is one.
pub fn npm(e: &mut Encoder, d: &NpmDependencies) -> Result<(), VersionError> {
    let package = read_json(e, &d.file)?;
    for (_, group) in groups(d).iter().filter(|(enabled, _)| *enabled) {
        for (name, spec) in entries(&package, group)? {
            e.field(&name, spec);
        }
    }
    for path in lock_files(&d.file) {
        if let Some(lock) = e.read_optional(&path)? {
            e.field("lock", lock);
            break;
        }
    }
    Ok(())
}

/// `F(production)`, the groups that yarn installs, then the bytes of `yarn.lock`, which must cover them.
pub fn yarn(e: &mut Encoder, d: &YarnDependencies) -> Result<(), VersionError> {
    e.field("production", d.production);
    let lock_path = d.dir.join("yarn.lock");
    let Some(lock) = e.read_optional(&lock_path)? else {
        return Err(VersionError::NotReady(format!("{lock_path:?} does not exist")));
    };
    let package = read_json(e, &d.dir.join("package.json"))?;
    let patterns = lock_patterns(&lock);
    let groups = [
        (true, "dependencies"),
        (!d.production, "devDependencies"),
        (d.optional, "optionalDependencies"),
    ];
    for (_, group) in groups.iter().filter(|(enabled, _)| *enabled) {
        for (name, spec) in entries(&package, group)? {
            if !patterns.contains(format!("{name}@{spec}").as_str()) {
                return Err(VersionError::NotReady(format!(
                    "{lock_path:?} is stale: it does not mention {name}@{spec}"
                )));
            }
            e.field(&name, spec);
        }
    }
    e.raw(lock.as_bytes());
    Ok(())
}

/// Names and version specifications of one group, in byte order. Bundled dependencies are in reality an array of
/// names that must stand in `dependencies` too; such an array adds nothing.
pub fn entries(package: &Value, group: &str) -> Result<Vec<(String, String)>, VersionError> {
    match package.get(group) {
        None | Some(Value::Null | Value::Array(_) | Value::Bool(_)) => Ok(Vec::new()),
        Some(Value::Object(map)) => Ok(map
            .iter()
            .map(|(name, spec)| (name.clone(), spec.as_str().unwrap_or("*").to_string()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()),
        Some(_) => Err(VersionError::failed(format!("{group:?} must be a mapping"))),
    }
}

/// Reads and parses a JSON file of the project.
pub fn read_json(e: &Encoder, path: &Path) -> Result<Value, VersionError> {
    let text = e.read_text(path)?;
    serde_json::from_str(&text)
        .map_err(|error| VersionError::failed(format!("can't parse {path:?}: {error}")))
}

/// The `name@spec` patterns of a yarn 1 lock file: lines `pattern[, pattern…]:`, patterns optionally quoted.
fn lock_patterns(lock: &str) -> BTreeSet<&str> {
    lock.lines()
        .filter(|line| !line.starts_with([' ', '\t', '#']))
        .filter_map(|line| line.trim_end().strip_suffix(':'))
        .flat_map(|line| line.split(", "))
        .map(|pattern| pattern.trim().trim_matches('"'))
        .filter(|pattern| !pattern.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_patterns_are_found() {
        let lock =
            "# yarn lockfile v1\n\n\"@b/x@^7.0.0\", a@1:\n  version \"1\"\n  dependencies:\n    c \"1\"\n";
        assert_eq!(lock_patterns(lock), BTreeSet::from(["@b/x@^7.0.0", "a@1"]));
    }
}
