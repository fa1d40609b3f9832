//! Names of images: `HOST[:PORT]/PATH[:TAG][@sha256:…]`, or a file.

use super::{Digest, OciError};

/// Tag of a name that has none.
const LATEST: &str = "latest";
/// Longest name of a repository (distribution specification).
const MAX_NAME: usize = 255;

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a registry.
    Registry(Name),
    /// A file or directory of the project or of an external volume, or an address to fetch an archive from.
    File(String),
}

impl Source {
    /// Decides by the form of the text. `registry` is where names without a host are looked up.
    ///
    /// Errors: names that are not right, or that name no host while `registry` is `None`.
    pub fn parse(text: &str, registry: Option<&str>) -> Result<Source, OciError> {
        let is_file = text.starts_with('.')
            || text.starts_with('/')
            || ["http://", "https://"]
                .iter()
                .any(|scheme| text.starts_with(scheme));
        match is_file {
            true => Ok(Source::File(text.to_owned())),
            false => Name::parse(text, registry).map(Source::Registry),
        }
    }
}

/// An image of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Host with port.
    pub registry: String,
    /// Path of the repository.
    pub repository: String,
    /// Its tag, unless a digest is given.
    pub tag: String,
    /// Digest of its manifest or index.
    pub digest: Option<Digest>,
}

impl Name {
    fn parse(text: &str, registry: Option<&str>) -> Result<Name, OciError> {
        let bad = |why: &str| OciError::new(format!("image name {text:?}: {why}"));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (host, rest) = match rest.split_once('/') {
            Some((host, rest)) if is_host(host) => (host, rest),
            _ => match registry {
                Some(registry) => (registry, rest),
                None => {
                    return Err(bad("it names no registry")
                        .with_hint("write HOST/NAME:TAG, or set `image-registry` in your settings"))
                }
            },
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, tag),
            None => (rest, LATEST),
        };
        if !is_repository(repository) {
            return Err(bad(
                "names consist of lower-case letters, digits, `.`, `_`, `-` and `/`",
            ));
        }
        if !is_tag(tag) {
            return Err(bad("the tag is not right"));
        }
        Ok(Name {
            registry: host.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest,
        })
    }

    /// What a registry is asked for: the digest, else the tag.
    pub fn reference(&self) -> String {
        self.digest
            .as_ref()
            .map_or_else(|| self.tag.clone(), Digest::to_string)
    }

    /// Scheme and host. Only registries of this machine are asked without encryption.
    pub fn base(&self) -> String {
        let scheme = if is_loopback(&self.registry) {
            "http"
        } else {
            "https"
        };
        format!("{scheme}://{}", self.registry)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

/// Like Docker: the first part is a host when it has a dot or a port, or is `localhost`.
fn is_host(text: &str) -> bool {
    let sound = text
        .bytes()
        .all(|c| c.is_ascii_alphanumeric() || b".:-[]".contains(&c));
    sound && (text.contains(['.', ':']) || text == "localhost")
}

/// `localhost`, `127.0.0.0/8`, `::1`, with or without a port.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse().is_ok_and(|a: std::net::IpAddr| a.is_loopback())
}

fn is_repository(text: &str) -> bool {
    let sound = |part: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edge(part.chars().next())
            && edge(part.chars().last())
            && part
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c))
    };
    text.len() <= MAX_NAME && text.split('/').all(sound)
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        match Source::parse(text, Some("hub.example")) {
            Ok(Source::Registry(name)) => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn hosts_tags_and_digests() {
        let n = name("quay.example:5000/a/b-c:1.2");
        assert_eq!(
            (n.registry.as_str(), n.repository.as_str(), n.tag.as_str()),
            ("quay.example:5000", "a/b-c", "1.2")
        );
        assert_eq!(n.base(), "https://quay.example:5000");
        let n = name("library/debian");
        assert_eq!(n.to_string(), "hub.example/library/debian:latest");
        let digest = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(name(&format!("h.example/x@{digest}")).reference(), digest);
        assert_eq!(name("localhost:5000/x").base(), "http://localhost:5000");
        assert_eq!(name("127.0.0.1:5000/x:y").base(), "http://127.0.0.1:5000");
        assert_eq!(name("[::1]:5000/x:y").base(), "http://[::1]:5000");
    }

    #[test]
    fn files_and_bad_names() {
        for file in ["./x.tar", "/volumes/i/x", "https://x/y.tar", "../x"] {
            assert!(matches!(Source::parse(file, None), Ok(Source::File(_))), "{file}");
        }
        for bad in [
            "h.example/X",
            "h.example/",
            "h.example/a//b",
            "h.example/a:",
            "h.example/a:b/c",
            "h.example/a@sha256:12",
            "h.example/a b",
            "h.example/../a",
            "h.example/a?x",
            "",
        ] {
            assert!(Source::parse(bad, Some("hub.example")).is_err(), "{bad}");
        }
        let error = Source::parse("debian", None).unwrap_err();
        assert!(error.hint.unwrap().contains("image-registry"));
    }
}
