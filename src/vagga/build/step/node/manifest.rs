//! `package.json` as data: what of it, and of its lock file, a step wants. Nothing is read or run here.

use serde_json::Value;

use super::lock;
use crate::vagga::build::error::StepError;
use crate::vagga::config::step::NpmDependencies;
use crate::vagga::version::{self, VersionError};

/// `NAME@SPEC` of every package in the groups that are wanted, each once.
pub fn specs(package: &Value, s: &NpmDependencies) -> Result<Vec<String>, StepError> {
    let mut all: Vec<String> = Vec::new();
    for (_, group) in version::npm_groups(s).iter().filter(|(wanted, _)| *wanted) {
        let entries = version::npm_entries(package, group).map_err(|e| match e {
            VersionError::Failed(failure) => StepError::new(failure.message),
            VersionError::NotReady(why) => StepError::new(why),
        })?;
        for (name, spec) in entries {
            let text = format!("{name}@{spec}");
            if !all.contains(&text) {
                all.push(text);
            }
        }
    }
    Ok(all)
}

/// `NAME@SPEC` of every package that yarn may install.
pub fn all_specs(package: &Value) -> Vec<String> {
    let groups = ["dependencies", "devDependencies", "optionalDependencies"];
    let entries = groups
        .iter()
        .filter_map(|group| version::npm_entries(package, group).ok());
    entries
        .flatten()
        .map(|(name, spec)| format!("{name}@{spec}"))
        .collect()
}

/// Both files without the groups that are not wanted. Scripts of the project do not run without the project.
pub fn select(mut package: Value, mut lock: Value, s: &NpmDependencies) -> (Value, Value) {
    let root = lock
        .get_mut("packages")
        .and_then(|packages| packages.get_mut(""))
        .and_then(Value::as_object_mut);
    for object in package.as_object_mut().into_iter().chain(root) {
        object.remove("scripts");
        for (_, group) in version::npm_groups(s).iter().filter(|(wanted, _)| !wanted) {
            object.remove(*group);
        }
    }
    lock::prune(&mut lock);
    (package, lock)
}

/// True for a package that npm fetches with git: `git+https://…`, `git://…`, `github:user/repo`, `user/repo`, perhaps
/// after `NAME@`.
pub fn from_git(spec: &str) -> bool {
    const SCHEMES: [&str; 6] = ["git+", "git://", "git@", "github:", "gitlab:", "bitbucket:"];
    let is_git = |place: &str| SCHEMES.iter().any(|s| place.starts_with(s));
    let place = match spec.strip_prefix('@') {
        _ if is_git(spec) => spec,
        Some(scoped) => scoped.split_once('@').map_or("", |(_, place)| place),
        None => spec.split_once('@').map_or(spec, |(_, place)| place),
    };
    let place = place.split_once('#').map_or(place, |(place, _)| place);
    let local = place.starts_with(['.', '/', '~', '@']) || place.contains(':');
    is_git(place) || (!local && place.matches('/').count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted() -> NpmDependencies {
        NpmDependencies {
            file: "package.json".into(),
            package: true,
            dev: false,
            peer: false,
            bundled: true,
            optional: false,
        }
    }

    fn package() -> Value {
        json!({
            "scripts": {"prepare": "x"},
            "dependencies": {"b": "^1", "a": {}},
            "devDependencies": {"jest": "29"},
            "bundledDependencies": ["b"],
        })
    }

    #[test]
    fn groups_are_selected() {
        assert_eq!(specs(&package(), &wanted()).unwrap(), ["a@*", "b@^1"]);
        let all = NpmDependencies {
            dev: true,
            ..wanted()
        };
        assert_eq!(specs(&package(), &all).unwrap(), ["a@*", "b@^1", "jest@29"]);
        assert!(specs(&json!({"dependencies": 1}), &wanted()).is_err());
    }

    #[test]
    fn manifest_and_lock_lose_the_same_groups() {
        let lock = json!({"packages": {"": package(), "node_modules/jest": {"dev": true}}});
        let (package, lock) = select(package(), lock, &wanted());
        assert_eq!(lock["packages"], json!({ "": package }));
        assert_eq!(package.get("devDependencies"), None);
        assert_eq!(package.get("scripts"), None);
        assert!(package.get("dependencies").is_some() && package.get("bundledDependencies").is_some());
        // What is no object is left for npm to complain of.
        assert_eq!(select(json!([]), json!(1), &wanted()), (json!([]), json!(1)));
    }

    #[test]
    fn packages_from_repositories() {
        for git in [
            "git://h/x.git",
            "git+https://h/x",
            "git+ssh://git@h/x",
            "x@git+https://h/x#v1",
            "@a/b@github:u/r",
            "u/r",
            "x@u/r#semver:^1",
        ] {
            assert!(from_git(git), "{git}");
        }
        for plain in [
            "x",
            "x@^1.0",
            "@a/b",
            "@a/b@1",
            "x@npm:@a/b@1",
            "./x/y",
            "x@file:../y",
            "https://h/x.tgz",
        ] {
            assert!(!from_git(plain), "{plain}");
        }
    }
}
