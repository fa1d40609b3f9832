//! Addresses of repositories: those of steps, and those that repositories give to their sub-modules.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use rustc_serialize::hex::ToHex;
use sha2::{Digest, Sha256};

use crate::vagga::build::error::StepError;
use crate::vagga::fetch;

/// Longest name in the cache, so that suffixes still fit in a file name.
const NAME_MAX: usize = 200;

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As it was written; decides the name in the cache.
    pub url: String,
    /// What git is told.
    pub address: String,
    /// True for a repository of this machine.
    pub local: bool,
}

impl Source {
    /// The address in a step: `./x` and `/work/x` of the project, `/volumes/NAME/x`, or anything git understands.
    pub fn of_step(
        url: &str,
        project: &Path,
        volumes: &BTreeMap<PathBuf, PathBuf>,
    ) -> Result<Source, StepError> {
        check_word(url)?;
        let below = match Path::new(url).strip_prefix("/work") {
            Ok(path) => format!("./{}", path.display()),
            Err(_) => url.to_owned(),
        };
        let address = match fetch::local_path(&below, project, volumes) {
            Some(path) => path
                .map_err(|e| StepError::new(e.to_string()))?
                .to_string_lossy()
                .into_owned(),
            None => below,
        };
        Ok(Source {
            url: url.to_owned(),
            local: is_local(&address),
            address,
        })
    }

    /// The address of a sub-module, which may be relative to this one. Only a repository of this machine may have
    /// sub-modules on this machine, and those of the project must stay in it.
    pub fn submodule(&self, url: &str, project: &Path) -> Result<Source, StepError> {
        check_word(url)?;
        let relative = url.starts_with("./") || url.starts_with("../");
        let address = match relative {
            true => joined(&self.address, url),
            false => Some(url.to_owned()),
        };
        let bad = |why: &str| StepError::new(format!("{}: sub-module {url:?} {why}", self.url));
        let address = address.ok_or_else(|| bad("leads nowhere"))?;
        let local = is_local(&address);
        let allowed = match local {
            false => true,
            true if !relative => false,
            true => {
                !Path::new(&self.address).starts_with(project) || Path::new(&address).starts_with(project)
            }
        };
        match allowed {
            true => Ok(Source {
                url: address.clone(),
                address,
                local,
            }),
            false => Err(bad("is outside of what this build may read")),
        }
    }
}

/// Nothing that git would take for an option.
pub fn check_word(word: &str) -> Result<(), StepError> {
    match word.is_empty() || word.starts_with('-') || word.contains(['\0', '\n']) {
        true => Err(StepError::new(format!(
            "{word:?} is neither an address nor a revision of a repository"
        ))),
        false => Ok(()),
    }
}

/// A path or a `file:` address, not `HOST:PATH` and not `SCHEME://…`.
fn is_local(address: &str) -> bool {
    let before_colon = address.split_once(':').map(|(before, _)| before);
    address.starts_with("file:") || before_colon.is_none_or(|before| before.contains('/'))
}

/// `base` with the leading `./` and `../` of `url` applied, as git does it: a component, or what follows a colon, goes.
fn joined(base: &str, url: &str) -> Option<String> {
    let (mut base, mut rest) = (base.trim_end_matches('/'), url);
    let mut separator = '/';
    loop {
        if let Some(after) = rest.strip_prefix("../") {
            let at = base.rfind(['/', ':'])?;
            separator = if base.get(at..)?.starts_with(':') {
                ':'
            } else {
                '/'
            };
            base = base.get(..at)?;
            if base.ends_with('/') || (separator == ':' && base.contains('/')) {
                return None;
            }
            rest = after;
        } else if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else {
            break;
        }
    }
    let plain = Path::new(rest)
        .components()
        .all(|c| matches!(c, Component::Normal(_)));
    (plain && !rest.is_empty()).then(|| format!("{base}{separator}{rest}"))
}

/// A repository's name in the cache.
pub fn escaped(url: &str) -> String {
    let name = url.replace('%', "%25").replace('/', "%2F");
    if name.len() <= NAME_MAX {
        return name;
    }
    let digest = Sha256::digest(url.as_bytes()).to_hex();
    let start: String = name.chars().take(NAME_MAX / 4).collect();
    format!("{start}-{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_cache() {
        assert_eq!(escaped("https://h/a%b.git"), "https:%2F%2Fh%2Fa%25b.git");
        assert!(escaped(&"x/".repeat(500)).len() < NAME_MAX);
    }

    #[test]
    fn steps_name_repositories() {
        let none = BTreeMap::new();
        let of = |url: &str| Source::of_step(url, Path::new("/nonexistent"), &none);
        for url in ["https://h/r.git", "git@h:r.git", "ssh://h/r"] {
            let source = of(url).unwrap();
            assert!(!source.local && source.address == url, "{url}");
        }
        assert!(of("file:///srv/r").unwrap().local);
        for url in ["", "--upload-pack=x", "../r", "./r", "/volumes/v/r", "a\nb"] {
            assert!(of(url).is_err(), "{url}");
        }
    }

    #[test]
    fn submodules_are_relative_to_their_repository() {
        let project = Path::new("/p");
        for (base, url, expected) in [
            ("https://h/a/b.git", "../c.git", Some("https://h/a/c.git")),
            ("https://h/a/b.git/", "../../c/d", Some("https://h/c/d")),
            ("https://h/a", "../../../x", None),
            ("git@h:a/b", "../c", Some("git@h:a/c")),
            ("git@h:b", "../c", Some("git@h:c")),
            ("https://h/a", "./sub", Some("https://h/a/sub")),
            ("https://h/a", "https://g/x", Some("https://g/x")),
            ("https://h/a", "git@g:x", Some("git@g:x")),
            ("https://h/a", "file:///etc", None),
            ("https://h/a", "/etc", None),
            ("https://h/a", "../b/../../c", None),
            ("https://h/a", "-x", None),
            ("/p/repos/a", "../b", Some("/p/repos/b")),
            ("/p/a", "../../etc", None),
            ("/srv/a", "../b", Some("/srv/b")),
            ("file:///srv/a", "../b", Some("file:///srv/b")),
        ] {
            let source = Source {
                url: base.into(),
                address: base.into(),
                local: is_local(base),
            };
            let result = source.submodule(url, project).map(|s| s.address).ok();
            assert_eq!(result.as_deref(), expected, "{base} {url}");
        }
    }
}
