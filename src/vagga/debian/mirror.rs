//! Which archives a release is made of: mirror, suites, default components and keyrings of Debian and Ubuntu.

use std::path::Path;

use serde_derive::{Deserialize, Serialize};

use super::sources::Source;

/// Mirror of Debian when neither the settings nor the host name one (documented default).
const DEBIAN: &str = "http://deb.debian.org/debian";
/// The same for Ubuntu, amd64 and i386.
const UBUNTU: &str = "http://archive.ubuntu.com/ubuntu";
/// Other architectures of Ubuntu.
const UBUNTU_PORTS: &str = "http://ports.ubuntu.com/ubuntu-ports";

/// The distributions this room knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    Debian,
    Ubuntu,
}

impl Family {
    /// Name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Family::Debian => "Debian",
            Family::Ubuntu => "Ubuntu",
        }
    }

    /// Lower-case name for file names.
    pub fn id(self) -> &'static str {
        match self {
            Family::Debian => "debian",
            Family::Ubuntu => "ubuntu",
        }
    }

    /// Components when none are given.
    pub fn components(self) -> Vec<String> {
        let names: &[&str] = match self {
            Family::Debian => &["main"],
            Family::Ubuntu => &["main", "restricted"],
        };
        names.iter().map(ToString::to_string).collect()
    }

    /// Name of the setting that chooses the mirror.
    pub fn setting(self) -> &'static str {
        match self {
            Family::Debian => "debian-mirror",
            Family::Ubuntu => "ubuntu-mirror",
        }
    }

    /// Where hosts keep the archive keys, in order of preference.
    pub fn host_keyrings(self) -> &'static [&'static str] {
        match self {
            Family::Debian => &[
                "/usr/share/keyrings/debian-archive-keyring.pgp",
                "/usr/share/keyrings/debian-archive-keyring.gpg",
            ],
            Family::Ubuntu => &["/usr/share/keyrings/ubuntu-archive-keyring.gpg"],
        }
    }

    /// Package that brings the keyring to a host.
    pub fn keyring_package(self) -> &'static str {
        match self {
            Family::Debian => "debian-archive-keyring",
            Family::Ubuntu => "ubuntu-keyring (on Debian: ubuntu-archive-keyring)",
        }
    }
}

/// One suite at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Base URL without trailing slash.
    pub url: String,
    pub suite: String,
    /// Without it there is no system; others are left out with a warning when the mirror lacks them.
    pub required: bool,
}

/// The archives of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    pub url: String,
    /// Base URL of the security archive, if there is (or may be) one.
    pub security: String,
}

/// Chooses the mirror: the one given (by the step or the setting), else the host's, else the default.
pub fn choose(family: Family, given: Option<&str>, host: &[Source], arch: &str) -> Mirror {
    let trim = |url: &str| url.trim_end_matches('/').to_string();
    if let Some(url) = given {
        let url = trim(url);
        let security = security_beside(family, &url);
        return Mirror { url, security };
    }
    let main = host
        .iter()
        .find(|s| is_main(family, s) && serves(family, &s.url, arch))
        .map(|s| s.url.clone());
    let security = host
        .iter()
        .find(|s| is_security(family, s) && serves(family, &s.url, arch))
        .map(|s| s.url.clone());
    let default = match (family, arch) {
        (Family::Debian, _) => DEBIAN,
        (Family::Ubuntu, "amd64" | "i386") => UBUNTU,
        (Family::Ubuntu, _) => UBUNTU_PORTS,
    };
    let url = main.unwrap_or_else(|| default.to_string());
    let security = security.unwrap_or_else(|| security_beside(family, &url));
    Mirror { url, security }
}

/// Debian keeps security updates in an archive of its own, `…/debian-security` beside `…/debian`.
fn security_beside(family: Family, url: &str) -> String {
    match (family, url.strip_suffix("/debian")) {
        (Family::Debian, Some(base)) => format!("{base}/debian-security"),
        _ => url.to_string(),
    }
}

/// The suites of `codename` at `mirror`, the release itself first.
pub fn archives(family: Family, codename: &str, mirror: &Mirror) -> Vec<Archive> {
    let archive = |url: &str, suite: String, required| Archive {
        url: url.to_string(),
        suite,
        required,
    };
    let mut all = vec![archive(&mirror.url, codename.to_string(), true)];
    let rolling = matches!(codename, "sid" | "unstable" | "experimental" | "rc-buggy");
    if family == Family::Debian && rolling {
        return all;
    }
    all.push(archive(&mirror.url, format!("{codename}-updates"), false));
    let old = matches!(codename, "buster" | "stretch" | "jessie" | "wheezy");
    let security = if family == Family::Debian && old {
        "/updates"
    } else {
        "-security"
    };
    all.push(archive(&mirror.security, format!("{codename}{security}"), false));
    all
}

/// An entry of the host for the archive itself (not for a third party that imitates its layout).
fn is_main(family: Family, source: &Source) -> bool {
    is_official(family, source) && !is_security_suite(&source.suite)
}

fn is_security(family: Family, source: &Source) -> bool {
    is_official(family, source) && is_security_suite(&source.suite)
}

fn is_security_suite(suite: &str) -> bool {
    suite.ends_with("-security") || suite.ends_with("/updates")
}

fn is_official(family: Family, source: &Source) -> bool {
    let Some((scheme, rest)) = source.url.split_once(':') else {
        return false;
    };
    if !matches!(scheme, "http" | "https" | "file") || !source.components.iter().any(|c| c == "main") {
        return false;
    }
    let named = |keyring: &str| source.signed_by.as_deref().is_some_and(|s| s.contains(keyring));
    let rest = rest.trim_start_matches('/');
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    let prefix = ["", "pub/", "pub/linux/", "mirror/", "mirrors/", "archive/"];
    let (keyring, names): (_, &[&str]) = match family {
        Family::Debian => ("debian-archive-keyring", &["debian", "debian-security"]),
        Family::Ubuntu => ("ubuntu-archive-keyring", &["ubuntu", "ubuntu-ports"]),
    };
    // `archive/debian/20250520T000000Z` is a snapshot of the archive.
    let known = |name: &&str| {
        prefix.iter().any(|p| {
            let rest = path.strip_prefix(p).and_then(|r| r.strip_prefix(*name));
            rest.is_some_and(|r| r.is_empty() || (*p == "archive/" && r.starts_with('/')))
        })
    };
    named(keyring) || names.iter().any(known) || (scheme == "file" && names.iter().any(|n| path.ends_with(n)))
}

/// Ubuntu splits its architectures over two archives.
fn serves(family: Family, url: &str, arch: &str) -> bool {
    family != Family::Ubuntu || url.ends_with("ubuntu-ports") != matches!(arch, "amd64" | "i386")
}

/// Name for a file of an archive in a cache directory, and apt's name for its lists: scheme dropped, `/` → `_`.
pub fn flat_name(url: &str, suite: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    format!("{}/dists/{suite}", rest.trim_end_matches('/'))
        .trim_start_matches('/')
        .replace('_', "%5f")
        .replace('/', "_")
}

/// The machine's Debian architecture.
pub fn native_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "i386",
        "arm" => "armhf",
        "powerpc64" => "ppc64el",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// The path of a `file:` URL.
pub fn local_path(url: &str) -> Option<&Path> {
    let rest = url.strip_prefix("file:")?;
    let rest = rest
        .strip_prefix("//")
        .filter(|r| r.starts_with('/'))
        .unwrap_or(rest);
    rest.starts_with('/').then(|| Path::new(rest))
}

#[cfg(test)]
mod tests {
    use super::super::sources;
    use super::*;

    #[test]
    fn given_beats_host_beats_default() {
        let host = sources::parse_lines(
            "deb https://download.example.com/linux/debian bookworm stable\n\
             deb http://repo.example.com/zabbix/6.0/debian bookworm main\n\
             deb http://ftp.example.org/debian bookworm-updates main\n\
             deb http://security.example.org/debian-security bookworm-security main\n",
        );
        let m = choose(Family::Debian, None, &host, "amd64");
        assert_eq!(m.url, "http://ftp.example.org/debian");
        assert_eq!(m.security, "http://security.example.org/debian-security");
        let m = choose(Family::Debian, Some("file:/srv/repo/"), &host, "amd64");
        assert_eq!(
            (m.url.as_str(), m.security.as_str()),
            ("file:/srv/repo", "file:/srv/repo")
        );
        let m = choose(Family::Debian, Some("https://m/debian"), &host, "amd64");
        assert_eq!(m.security, "https://m/debian-security");
        let m = choose(Family::Debian, None, &[], "amd64");
        assert_eq!(
            (m.url.as_str(), m.security.ends_with("/debian-security")),
            (DEBIAN, true)
        );
        assert_eq!(choose(Family::Ubuntu, None, &host, "amd64").url, UBUNTU);
        assert_eq!(choose(Family::Ubuntu, None, &host, "arm64").url, UBUNTU_PORTS);
    }

    #[test]
    fn suites_of_releases() {
        let m = choose(Family::Debian, Some("http://m/debian"), &[], "amd64");
        let names = |family, codename| -> Vec<String> {
            archives(family, codename, &m)
                .into_iter()
                .map(|a| a.suite)
                .collect()
        };
        assert_eq!(
            names(Family::Debian, "trixie"),
            ["trixie", "trixie-updates", "trixie-security"]
        );
        assert_eq!(names(Family::Debian, "buster")[2], "buster/updates");
        assert_eq!(names(Family::Debian, "sid"), ["sid"]);
        assert_eq!(names(Family::Ubuntu, "noble")[2], "noble-security");
    }

    #[test]
    fn names_and_paths() {
        assert_eq!(flat_name("http://u:p@m/debian/", "sid"), "m_debian_dists_sid");
        assert_eq!(flat_name("file:/srv/a_b", "x"), "file:_srv_a%5fb_dists_x");
        assert_eq!(local_path("file:///srv/x"), Some(Path::new("/srv/x")));
        assert_eq!(local_path("file:/srv/x"), Some(Path::new("/srv/x")));
        assert_eq!(local_path("http://x"), None);
    }
}
