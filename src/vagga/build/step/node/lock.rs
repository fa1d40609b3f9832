//! npm's lock file as data (format: npm documentation, package-lock.json): cutting it down to what is wanted. Nothing is
//! read or run here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Members of an entry that name other packages.
const NEEDS: [&str; 4] = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
];

/// True when the lock file refers to directories of the project: workspaces, `file:`, `link:`.
pub fn has_local_packages(lock: &Value) -> bool {
    let is_local = |text: Option<&Value>| {
        text.and_then(Value::as_str)
            .is_some_and(|t| t.starts_with("file:") || t.starts_with("link:"))
    };
    let members = |key: &str| lock.get(key).and_then(Value::as_object).into_iter().flatten();
    let linked = members("packages")
        .any(|(_, entry)| entry.get("link") == Some(&Value::Bool(true)) || is_local(entry.get("resolved")));
    linked || members("dependencies").any(|(_, entry)| is_local(entry.get("version")))
}

/// Removes every package that the root entry does not lead to (npm would install it). Lock files of version 1, which
/// have no root entry, stay as they are.
pub fn prune(lock: &mut Value) {
    let Some(packages) = lock.get_mut("packages").and_then(Value::as_object_mut) else {
        return;
    };
    if !packages.contains_key("") {
        return;
    }
    let needed = reachable(packages);
    packages.retain(|path, _| needed.contains(path));
}

/// Paths of the entries that the root entry leads to, itself included.
fn reachable(packages: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::from([String::new()]);
    let mut open = vec![String::new()];
    while let Some(path) = open.pop() {
        for name in packages.get(&path).into_iter().flat_map(needs) {
            if let Some(next) = resolve(packages, &path, name) {
                if found.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
    }
    found
}

fn needs(entry: &Value) -> impl Iterator<Item = &String> {
    NEEDS
        .iter()
        .filter_map(|key| entry.get(key)?.as_object())
        .flat_map(Map::keys)
}

/// Where a package finds another one: below itself, else beside one of the packages that it is in.
fn resolve(packages: &Map<String, Value>, from: &str, name: &str) -> Option<String> {
    let mut at = from;
    loop {
        let path = match at {
            "" => format!("node_modules/{name}"),
            _ => format!("{at}/node_modules/{name}"),
        };
        if packages.contains_key(&path) {
            return Some(path);
        }
        if at.is_empty() {
            return None;
        }
        at = at
            .rsplit_once("node_modules/")
            .map_or("", |(outer, _)| outer)
            .trim_end_matches('/');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn packages_of_the_project_are_noticed() {
        assert!(has_local_packages(
            &json!({"packages": {"node_modules/x": {"link": true}}})
        ));
        assert!(has_local_packages(
            &json!({"packages": {"node_modules/x": {"resolved": "file:../x"}}})
        ));
        assert!(has_local_packages(
            &json!({"dependencies": {"x": {"version": "file:x"}}})
        ));
        assert!(!has_local_packages(
            &json!({"packages": {"": {}}, "dependencies": {"x": {"version": "1.0.0"}}})
        ));
        assert!(!has_local_packages(&json!(null)));
    }

    #[test]
    fn what_nothing_needs_goes() {
        let needs = |names: &[&str]| {
            let map: Map<_, _> = names.iter().map(|n| (n.to_string(), json!("*"))).collect();
            json!({ "dependencies": map })
        };
        let mut lock = json!({"packages": {
            "": needs(&["a", "@s/b", "missing"]),
            "node_modules/a": needs(&["c", "d"]),
            "node_modules/a/node_modules/c": needs(&["d", "a"]),
            "node_modules/@s/b": needs(&["c"]),
            "node_modules/c": {},
            "node_modules/d": {},
            "node_modules/d/node_modules/c": {},
            "node_modules/e": needs(&["a"]),
        }});
        prune(&mut lock);
        let left: Vec<&String> = lock["packages"].as_object().unwrap().keys().collect();
        assert_eq!(
            left,
            [
                "",
                "node_modules/@s/b",
                "node_modules/a",
                "node_modules/a/node_modules/c",
                "node_modules/c",
                "node_modules/d",
            ]
        );
        let mut old = json!({"lockfileVersion": 1, "dependencies": {"x": {}}});
        prune(&mut old);
        assert!(old["dependencies"].get("x").is_some());
    }
}
