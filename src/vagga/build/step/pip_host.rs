//! The package index the host's pip is configured for: builds use the same unless the project names one.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What of pip's configuration makes sense in a container: option and variable.
const OPTIONS: [(&str, &str); 4] = [
    ("index-url", "PIP_INDEX_URL"),
    ("extra-index-url", "PIP_EXTRA_INDEX_URL"),
    ("trusted-host", "PIP_TRUSTED_HOST"),
    ("timeout", "PIP_DEFAULT_TIMEOUT"),
];

/// Variables for pip in the container, from the caller's environment and the host's configuration files.
pub fn index_environment() -> Vec<(String, String)> {
    let mut files = vec![PathBuf::from("/etc/pip.conf")];
    if let Some(home) = std::env::var_os("HOME").map(PathBuf::from) {
        files.push(home.join(".pip/pip.conf"));
        files.push(home.join(".config/pip/pip.conf"));
    }
    files.extend(std::env::var_os("PIP_CONFIG_FILE").map(PathBuf::from));
    let mut settings = BTreeMap::new();
    for text in files.iter().filter_map(|f| std::fs::read_to_string(f).ok()) {
        settings.extend(parse(&text));
    }
    OPTIONS
        .iter()
        .filter_map(|(option, variable)| {
            let value = std::env::var(variable)
                .ok()
                .or_else(|| settings.get(*option).cloned());
            value.filter(|v| !v.is_empty()).map(|v| (variable.to_string(), v))
        })
        .collect()
}

/// Options of sections `[global]` and `[install]`; continuation lines are joined by blanks.
fn parse(text: &str) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    let (mut applies, mut last) = (false, None::<String>);
    for line in text.lines() {
        let plain = line.trim();
        if plain.is_empty() || plain.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = plain.strip_prefix('[').and_then(|s| s.strip_suffix(']')) {
            applies = matches!(section, "global" | "install");
            last = None;
        } else if line.starts_with([' ', '\t']) && last.is_some() {
            if let Some(value) = last.as_ref().and_then(|name| settings.get_mut(name)) {
                value.push(' ');
                value.push_str(plain);
                *value = value.trim().to_string();
            }
        } else if let (true, Some((name, value))) = (applies, plain.split_once(['=', ':'])) {
            let name = name.trim().replace('_', "-");
            settings.insert(name.clone(), value.trim().to_string());
            last = Some(name);
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_sections_that_matter() {
        let settings = parse(
            "; c\n[global]\ncert = /x\nindex_url = https://a/simple\nextra-index-url =\n  https://b\n  https://c\n\
             [freeze]\nindex-url = no\n",
        );
        assert_eq!(settings["index-url"], "https://a/simple");
        assert_eq!(settings["extra-index-url"], "https://b https://c");
    }
}
