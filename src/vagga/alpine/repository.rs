//! Where packages come from: mirrors, releases, `/etc/apk/repositories`; pure text.

/// Mirror when neither the setting nor the step names one (documented default).
const MIRROR: &str = "https://dl-cdn.alpinelinux.org/alpine/";
/// Release of containers that need Alpine without saying which.
pub const DEFAULT_VERSION: &str = "v3.23";
/// Branches that are no releases.
const ROLLING: [&str; 2] = ["edge", "latest-stable"];

/// A line of `/etc/apk/repositories`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Without trailing slash.
    pub url: String,
    /// Packages are taken from it only when they are asked for as `name@tag`.
    pub tag: Option<String>,
}

impl Repository {
    /// Reads a line; `None` for comments, blanks and what only newer versions of apk know.
    fn parse(line: &str) -> Option<Repository> {
        let line = line.trim();
        let (tag, url) = match line.strip_prefix('@') {
            Some(rest) => {
                let (tag, url) = rest.split_once([' ', '\t'])?;
                (Some(tag.to_string()), url.trim())
            }
            None => (None, line),
        };
        let is_url = url.starts_with('/')
            || ["http://", "https://", "file:"]
                .iter()
                .any(|s| url.starts_with(s));
        (is_url && !url.contains([' ', '\t'])).then(|| Repository {
            url: url.trim_end_matches('/').to_string(),
            tag,
        })
    }

    /// The line for it.
    pub fn line(&self) -> String {
        match &self.tag {
            Some(tag) => format!("@{tag} {}", self.url),
            None => self.url.clone(),
        }
    }
}

/// The repositories of the file, in order.
pub fn parse(text: &str) -> Vec<Repository> {
    text.lines().filter_map(Repository::parse).collect()
}

/// The mirror, with a slash at the end.
pub fn mirror(setting: Option<&str>) -> String {
    let url = setting.filter(|s| !s.is_empty()).unwrap_or(MIRROR);
    format!("{}/", url.trim_end_matches('/'))
}

/// True for `v3.22` and the like, and for the branches that are none.
pub fn is_version(text: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let release = text.strip_prefix('v').and_then(|rest| rest.split_once('.'));
    ROLLING.contains(&text) || release.is_some_and(|(major, minor)| digits(major) && digits(minor))
}

/// Major and minor number of a release; `None` for the rolling ones.
pub fn numbers(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.strip_prefix('v')?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// One component of a URL that somebody writes: a branch or the name of a repository.
pub fn is_component(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-._".contains(&b);
    !text.is_empty() && text.bytes().all(plain) && text != "." && text != ".."
}

/// The machine's architecture as Alpine calls it.
pub fn native_arch() -> &'static str {
    match std::env::consts::ARCH {
        "arm" => "armv7",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_written() {
        let text = "# comment\nhttps://m/alpine/v3.20/main/\n\n@edge  http://m/edge/main\n/media/x\nv3 something\n@bad\n";
        let found = parse(text);
        let lines: Vec<String> = found.iter().map(Repository::line).collect();
        assert_eq!(
            lines,
            [
                "https://m/alpine/v3.20/main",
                "@edge http://m/edge/main",
                "/media/x"
            ]
        );
    }

    #[test]
    fn versions_and_mirrors() {
        for good in ["v3.22", "v10.0", "edge", "latest-stable"] {
            assert!(is_version(good), "{good}");
        }
        for bad in [
            "v3.3-1", "3.22", "v3", "v3.", "v.1", "v3.1.2", "", "v3.x", "../v3.1",
        ] {
            assert!(!is_version(bad), "{bad}");
        }
        assert_eq!(mirror(None), MIRROR);
        assert_eq!(mirror(Some("http://m/a")), "http://m/a/");
        assert_eq!(mirror(Some("http://m/a//")), "http://m/a/");
        assert_eq!((numbers("v3.8"), numbers("edge")), (Some((3, 8)), None));
        assert!(is_component("v3.22") && !is_component("..") && !is_component("a/b"));
    }
}
