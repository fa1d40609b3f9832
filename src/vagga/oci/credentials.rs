//! Who we are to a registry: the files that `docker login`, `podman login` and `skopeo login` write
//! (containers-auth.json(5)). They are read only when a registry asks, and sent only to it and to the token server it
//! names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_derive::Deserialize;

use super::OciError;

/// Largest file read, in bytes.
const MAX_FILE: u64 = 1 << 20;

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

/// What is known for one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// `NAME:PASSWORD` in base64: the value of `Authorization: Basic`.
    pub auth: Option<String>,
    /// A token to send as it is.
    #[serde(rename = "registrytoken")]
    pub token: Option<String>,
}

/// Looks a repository up in the files of `places`; the first file that knows it counts.
///
/// Errors: a file that cannot be read or is not right, by name.
pub fn find(places: &[PathBuf], registry: &str, repository: &str) -> Result<Option<Entry>, OciError> {
    for path in places {
        if let Some(entry) = read(path)?.and_then(|file| lookup(&file, registry, repository)) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Where the files are, by the variables of the environment: `REGISTRY_AUTH_FILE` alone, else the usual places.
pub fn places(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    if let Some(path) = variable("REGISTRY_AUTH_FILE") {
        return vec![path];
    }
    let below = |name: &str, path: &str| variable(name).map(|dir| dir.join(path));
    [
        below("XDG_RUNTIME_DIR", "containers/auth.json"),
        below("XDG_CONFIG_HOME", "containers/auth.json"),
        below("HOME", ".config/containers/auth.json"),
        below("DOCKER_CONFIG", "config.json"),
        below("HOME", ".docker/config.json"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn read(path: &Path) -> Result<Option<File>, OciError> {
    let fail = |why: String| OciError::new(format!("{}: {why}", path.display()));
    match std::fs::metadata(path) {
        Ok(m) if m.len() > MAX_FILE => return Err(fail("is too large for a file of credentials".into())),
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail(e.to_string())),
    }
    let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|e| fail(format!("is not a file of credentials: {e}")))
}

/// The most specific key that fits: the repository, its parents, the host; Docker also writes addresses.
fn lookup(file: &File, registry: &str, repository: &str) -> Option<Entry> {
    let full = format!("{registry}/{repository}");
    let ancestors = Path::new(&full).ancestors().filter_map(Path::to_str);
    let mut names = ancestors.filter(|name| !name.is_empty());
    let direct = names.find_map(|name| file.auths.get(name));
    let by_address = || {
        let host = |key: &str| {
            let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
            rest.split('/').next().unwrap_or_default().to_owned()
        };
        let mut entries = file.auths.iter().filter(|(key, _)| key.contains("://"));
        entries
            .find(|(key, _)| host(key) == registry)
            .map(|(_, entry)| entry)
    };
    direct.or_else(by_address).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(auth: &str) -> Entry {
        Entry {
            auth: Some(auth.into()),
            token: None,
        }
    }

    #[test]
    fn the_most_specific_entry_counts() {
        let text = r#"{"auths":{"h.example/a":{"auth":"A"},"h.example":{"auth":"H"},
            "https://hub.example/v1/":{"auth":"U"},"t.example":{"registrytoken":"T"}},"credsStore":"x"}"#;
        let file: File = serde_json::from_str(text).unwrap();
        let get = |registry, repository| lookup(&file, registry, repository);
        assert_eq!(get("h.example", "a/b"), Some(entry("A")));
        assert_eq!(get("h.example", "b"), Some(entry("H")));
        assert_eq!(get("hub.example", "library/x"), Some(entry("U")));
        assert_eq!(get("t.example", "x").unwrap().token.as_deref(), Some("T"));
        assert_eq!(get("example", "h"), None);
        assert_eq!(get("badh.example", "a"), None);
    }

    #[test]
    fn one_variable_names_the_file() {
        let only = |name: &str| (name == "REGISTRY_AUTH_FILE").then(|| "/x".into());
        assert_eq!(places(&only), [PathBuf::from("/x")]);
        let home = |name: &str| (name == "HOME").then(|| "/h".into());
        assert_eq!(
            places(&home),
            ["/h/.config/containers/auth.json", "/h/.docker/config.json"].map(PathBuf::from)
        );
    }

    #[test]
    fn a_broken_file_is_named() {
        let path = std::env::temp_dir().join(format!("vagga-auth-{}", std::process::id()));
        std::fs::write(&path, "{").unwrap();
        let error = find(std::slice::from_ref(&path), "h", "r").unwrap_err().message;
        std::fs::remove_file(&path).unwrap();
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        assert_eq!(find(&[path], "h", "r"), Ok(None));
    }
}
