//! The registry the host's npm is configured for: builds use the same. Credentials stay on the host, since a build
//! runs scripts of everybody whose packages it installs.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Lines of an `.npmrc` for the container, from the caller's environment and the host's configuration files. See
/// npmrc(5) for the files and their order.
pub fn registry_settings() -> String {
    let variable = |name: &str| std::env::var(name).ok();
    let texts = files(&variable)
        .into_iter()
        .filter_map(|file| std::fs::read_to_string(file).ok());
    settings(texts, &variable)
}

/// The host's files, the weakest first.
fn files(variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let chosen = |name: &str| {
        let lower = format!("npm_config_{name}");
        variable(&lower).or_else(|| variable(&lower.to_uppercase()))
    };
    let mut all: Vec<PathBuf> = ["/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc"]
        .map(PathBuf::from)
        .into();
    all.extend(chosen("globalconfig").map(PathBuf::from));
    let own = variable("HOME").map(|home| PathBuf::from(home).join(".npmrc"));
    all.extend(chosen("userconfig").map(PathBuf::from).or(own));
    all
}

fn settings(texts: impl Iterator<Item = String>, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut settings = BTreeMap::new();
    for text in texts {
        settings.extend(parse(&text, variable));
    }
    for name in ["NPM_CONFIG_REGISTRY", "npm_config_registry"] {
        if let Some(value) = variable(name).filter(|v| !v.is_empty()) {
            settings.insert("registry".to_string(), value);
        }
    }
    settings
        .into_iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}

/// What of a file makes sense in a container: `registry`, `@scope:registry`, `strict-ssl`.
fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with([';', '#', '[']))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim().trim_matches(['"', '\''])))
        .filter(|(name, value)| is_taken(name) && !value.is_empty())
        .map(|(name, value)| (name.to_string(), expand(value, variable)))
        .collect()
}

fn is_taken(name: &str) -> bool {
    name == "registry" || name == "strict-ssl" || (name.starts_with('@') && name.ends_with(":registry"))
}

/// Replaces `${NAME}` by the variable, as npm does; an unknown one stays.
fn expand(value: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let Some((before, rest)) = value.split_once("${") else {
        return value.to_string();
    };
    let Some((name, after)) = rest.split_once('}') else {
        return value.to_string();
    };
    let found = variable(name).unwrap_or_else(|| format!("${{{name}}}"));
    format!("{before}{found}{}", expand(after, variable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_taken_and_credentials_are_not() {
        let none = |name: &str| (name == "MIRROR").then(|| "m.example".to_string());
        let text = "; c\nregistry = \"https://${MIRROR}/npm/\"\n@a:registry=https://a/${X}\n\
                    //m.example/npm/:_authToken=secret\n_auth=secret\ncache=/x\nstrict-ssl=false\n";
        let weaker = "registry=https://weak/\n";
        assert_eq!(
            settings([weaker.to_string(), text.to_string()].into_iter(), &none),
            "@a:registry=https://a/${X}\nregistry=https://m.example/npm/\nstrict-ssl=false\n"
        );
    }

    #[test]
    fn the_environment_is_stronger() {
        let set = |name: &str| (name == "NPM_CONFIG_REGISTRY").then(|| "https://e/".to_string());
        let texts = ["registry=https://f/\n".to_string()];
        assert_eq!(settings(texts.into_iter(), &set), "registry=https://e/\n");
        let files = files(&|name| match name {
            "HOME" => Some("/h".into()),
            "NPM_CONFIG_GLOBALCONFIG" => Some("/g".into()),
            _ => None,
        });
        assert_eq!(files.last(), Some(&PathBuf::from("/h/.npmrc")));
        assert!(files.contains(&PathBuf::from("/g")));
    }
}
