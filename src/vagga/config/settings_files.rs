//! Reads the settings: files of the user, `VAGGA_SETTINGS`, files of the project; later ones override.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::load::failure;
use super::schema::settings::OUTSIDE;
use super::schema::{PROJECT_SETTINGS, USER_SETTINGS};
use super::Settings;
use crate::config::problem::{Problems, Stage};
use crate::config::{Document, Value};
use crate::vagga::failure::{exit, Failure};

/// Files of the user below `$HOME`.
const USER_FILES: [&str; 3] = [
    ".config/vagga/settings.yaml",
    ".vagga/settings.yaml",
    ".vagga.yaml",
];
/// Files of the project.
const PROJECT_FILES: [&str; 2] = [".vagga.settings.yaml", ".vagga/settings.yaml"];
/// Variable that holds settings.
const VARIABLE: &str = "VAGGA_SETTINGS";

/// Keys whose values accumulate instead of replacing each other.
const ACCUMULATING: [&str; 3] = ["environ", "external_volumes", "propagate_environ"];

/// Settings so far, by key.
type Merged = BTreeMap<String, Value>;

/// Reads all settings that apply to the project in `root`.
///
/// Errors: exit 126 with all problems of the first source that has any.
pub fn read(root: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Failure> {
    let home = env("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let mut merged = Merged::new();
    for name in USER_FILES {
        if let Some(path) = home
            .as_ref()
            .map(|home| home.join(name))
            .filter(|path| path.exists())
        {
            merge_user(&mut merged, Document::read(&path), root, home.as_deref())?;
        }
    }
    if let Some(text) = env(VARIABLE).filter(|text| !text.is_empty()) {
        merge_user(
            &mut merged,
            Document::parse("<env:VAGGA_SETTINGS>", &text),
            root,
            home.as_deref(),
        )?;
    }
    for name in PROJECT_FILES {
        let path = root.join(name);
        if path.exists() {
            let value = Document::read(&path).check(&PROJECT_SETTINGS);
            let value = value.map_err(|problems| failure(&explain_refusal(problems)))?;
            merge(&mut merged, value);
        }
    }
    decode(merged, home.as_deref())
}

/// Names the rule when a project file holds a key that only the user may set.
fn explain_refusal(mut problems: Problems) -> Problems {
    for problem in &mut problems.list {
        if problem.stage != Stage::Validation {
            continue;
        }
        let refused = OUTSIDE.iter().map(|key| key.name.replace('_', "-"));
        for key in refused.chain(["site-settings".to_string()]) {
            let dashed = problem.text.replace('_', "-");
            let text = format!("Keys {{{key:?}}} are not expected");
            if dashed.starts_with(&text) {
                problem.text = format!(
                    "{text}: {key:?} is not allowed in project settings, since it reaches outside of the project; \
                     set it in ~/.vagga.yaml"
                );
            }
        }
    }
    problems
}

fn merge_user(
    merged: &mut Merged,
    document: Document,
    root: &Path,
    home: Option<&Path>,
) -> Result<(), Failure> {
    let value = document
        .check(&USER_SETTINGS)
        .map_err(|problems| failure(&problems))?;
    let (sites, general): (Vec<_>, Vec<_>) = value
        .into_entries()
        .into_iter()
        .partition(|(key, _)| key.as_str() == Some("site_settings"));
    merge(merged, Value::Map(general));
    for (_, sites) in sites {
        let here = |key: &Value| {
            let dir = key.as_str().and_then(|dir| expand_home(dir, home).ok());
            dir.is_some_and(|dir| Path::new(&dir) == root)
        };
        let site = sites.into_entries().into_iter().find(|(key, _)| here(key));
        if let Some((_, site)) = site {
            merge(merged, site);
        }
    }
    Ok(())
}

/// Lays the keys of `value` that are set over those of `merged`.
fn merge(merged: &mut Merged, value: Value) {
    for (key, value) in value.into_entries() {
        let Some(key) = key.as_str().filter(|_| value != Value::Null) else {
            continue;
        };
        let accumulates = ACCUMULATING.contains(&key);
        match (merged.get_mut(key), value) {
            (Some(Value::Map(old)), Value::Map(new)) if accumulates => {
                old.retain(|(key, _)| new.iter().all(|(other, _)| other != key));
                old.extend(new);
            }
            (Some(Value::List(old)), Value::List(new)) if accumulates => old.extend(new),
            (_, value) => {
                merged.insert(key.to_string(), value);
            }
        }
    }
}

fn decode(mut merged: Merged, home: Option<&Path>) -> Result<Settings, Failure> {
    let shared = merged.remove("shared_cache");
    for key in ["storage_dir", "cache_dir", "image_cache_keyring"] {
        let text = merged.get(key).and_then(Value::as_str);
        if let Some(path) = text.map(|text| expand_home(text, home)) {
            merged.insert(key.into(), Value::Text(path?));
        }
    }
    if let Some(Value::Map(volumes)) = merged.get_mut("external_volumes") {
        for (_, path) in volumes {
            if let Some(text) = path.as_str() {
                *path = Value::Text(expand_home(text, home)?);
            }
        }
    }
    if shared == Some(Value::Bool(false)) {
        merged.remove("cache_dir");
    }
    let entries = merged.into_iter().map(|(key, value)| (Value::Text(key), value));
    Value::Map(entries.collect())
        .decode()
        .map_err(|e| Failure::new(exit::CONFIG, format!("settings cannot be merged: {e}")))
}

/// Replaces `~` at the start.
fn expand_home(text: &str, home: Option<&Path>) -> Result<String, Failure> {
    let rest = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => return Ok(text.to_string()),
    };
    match home.and_then(Path::to_str) {
        Some(home) => Ok(format!("{}{rest}", home.trim_end_matches('/'))),
        None => Err(Failure::new(
            exit::CONFIG,
            format!("settings: {text:?} cannot be resolved, HOME is not set"),
        )),
    }
}
