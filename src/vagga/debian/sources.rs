//! Sources of packages that apt is configured for, the host's or an image's (sources.list(5), both formats).

use std::io::Read;
use std::path::{Path, PathBuf};

use super::deb822;
use crate::sys::path::Root;

/// Largest file read, in bytes.
const MAX: u64 = 1 << 20;

/// One archive of binary packages the host is configured for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Base URL without trailing slash.
    pub url: String,
    pub suite: String,
    pub components: Vec<String>,
    /// Keyring named for it, or keys given in place.
    pub signed_by: Option<String>,
}

/// Reads `/etc/apt/sources.list` and `sources.list.d` in a root, be it the host's or an image's. Files that are
/// missing, unreadable, broken or huge are skipped: they only serve to find a default.
pub fn read(root: &Root) -> Vec<Source> {
    let parts = Path::new("/etc/apt/sources.list.d");
    let mut files: Vec<_> = root
        .read_dir(parts)
        .into_iter()
        .flatten()
        .map(|entry| parts.join(entry.name))
        .collect();
    files.sort();
    files.insert(0, PathBuf::from("/etc/apt/sources.list"));
    let mut all = Vec::new();
    for file in files {
        let mut bytes = Vec::new();
        let open = root.open_read(&file);
        if open.and_then(|f| f.take(MAX).read_to_end(&mut bytes)).is_err() {
            continue;
        }
        match file.extension().and_then(|e| e.to_str()) {
            Some("list") => all.extend(parse_lines(&String::from_utf8_lossy(&bytes))),
            Some("sources") => all.extend(parse_deb822(&bytes)),
            _ => {}
        }
    }
    all
}

/// The one-line format: `deb [option=value …] URI suite component…`.
pub fn parse_lines(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
    let mut rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    let mut signed_by = None;
    if let Some(options) = rest.strip_prefix('[') {
        let (options, after) = options.split_once(']')?;
        signed_by = options
            .split_whitespace()
            .find_map(|o| o.strip_prefix("signed-by="))
            .map(str::to_string);
        rest = after;
    }
    let mut words = rest.split_whitespace();
    let (url, suite) = (words.next()?, words.next()?);
    Some(Source {
        url: url.trim_end_matches('/').to_string(),
        suite: suite.to_string(),
        components: words.map(str::to_string).collect(),
        signed_by,
    })
}

/// The deb822 format.
pub fn parse_deb822(bytes: &[u8]) -> Vec<Source> {
    let mut all = Vec::new();
    for stanza in deb822::parse(bytes).unwrap_or_default() {
        let words = |name: &str| stanza.get(name).unwrap_or_default().split_whitespace();
        let enabled = !matches!(stanza.get("Enabled"), Some("no" | "false" | "0"));
        if !enabled || !words("Types").any(|t| t == "deb") {
            continue;
        }
        for url in words("URIs") {
            for suite in words("Suites") {
                all.push(Source {
                    url: url.trim_end_matches('/').to_string(),
                    suite: suite.to_string(),
                    components: words("Components").map(str::to_string).collect(),
                    signed_by: stanza.get("Signed-By").map(str::to_string),
                });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_both_formats() {
        let lines = parse_lines(
            "# c\ndeb http://m/debian/ bookworm main contrib # x\ndeb-src http://m/debian bookworm main\n\
             deb [arch=amd64 signed-by=/k.gpg] https://s/debian-security bookworm-security main\ndeb\ndebris a b\n",
        );
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].url, "http://m/debian");
        assert_eq!(lines[0].components, ["main", "contrib"]);
        assert_eq!(lines[1].signed_by.as_deref(), Some("/k.gpg"));
        let stanzas = parse_deb822(
            b"Types: deb deb-src\nURIs: http://m/debian/\nSuites: trixie trixie-updates\nComponents: main\n\n\
              Types: deb\nEnabled: no\nURIs: x\nSuites: y\n",
        );
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[1].suite, "trixie-updates");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-z:/\\[\\]# =\n-]{0,120}") {
            let _ = parse_lines(&text);
            let _ = parse_deb822(text.as_bytes());
        }
    }
}
