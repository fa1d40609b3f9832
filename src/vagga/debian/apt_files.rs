//! Texts of the files that configure apt and dpkg in an image, and of those that are there only while it is built.

use blake2::Blake2b512;

use super::mirror::{Archive, Family};
use crate::vagga::fetch::{digest, Fallback};

/// Keeps services from starting: `invoke-rc.d` and `deb-systemd-invoke` ask this script (policy-rc.d(8)); 101 says no.
/// There during builds only.
pub const POLICY_RC_D: &str =
    "#!/bin/sh\n# made by vagga: no services start while a container is built\nexit 101\n";

/// `/etc/dpkg/dpkg.cfg.d/02apt-speedup`: an image is thrown away if its build is interrupted.
pub const DPKG_SPEEDUP: &str = "force-unsafe-io\n";

/// `/etc/apt/apt.conf.d/01norecommend`.
pub const NO_RECOMMENDS: &str = "APT::Install-Recommends \"0\";\nAPT::Install-Suggests \"0\";\n";

/// Where the configuration for the time of the build is, in memory.
pub const BUILD_CONF_PATH: &str = "/run/vagga/apt.conf";

/// Where guests of builds find the host's certificates.
const CA_BUNDLE: &str = "/run/vagga/ca-certificates.crt";

/// apt's configuration for the time of the build, named by `APT_CONFIG`. `certificates`: the host's are there.
/// `proxies`: what the host's apt uses, as far as no variable says otherwise.
pub fn build_conf(certificates: bool, skip_locking: bool, proxies: &Fallback) -> String {
    let mut text = String::from(
        "APT::Sandbox::User \"root\";\n\
         APT::Get::Assume-Yes \"true\";\n\
         APT::Keep-Downloaded-Packages \"true\";\n\
         Binary::apt-get::APT::Keep-Downloaded-Packages \"true\";\n\
         Acquire::Retries \"3\";\n\
         Acquire::Languages \"none\";\n\
         Dir::Cache::pkgcache \"\";\n\
         Dir::Cache::srcpkgcache \"\";\n\
         Dpkg::Use-Pty \"0\";\n\
         Dpkg::Options { \"--force-confold\"; };\n",
    );
    if certificates {
        text.push_str(&format!("Acquire::https::CaInfo \"{CA_BUNDLE}\";\n"));
    }
    if skip_locking {
        text.push_str("Debug::NoLocking \"true\";\n");
    }
    for (scheme, proxy) in [("http", &proxies.http), ("https", &proxies.https)] {
        if let Some(proxy) = proxy {
            text.push_str(&format!("Acquire::{scheme}::Proxy \"{proxy}\";\n"));
        }
        for host in &proxies.direct {
            text.push_str(&format!("Acquire::{scheme}::Proxy::{host} \"DIRECT\";\n"));
        }
    }
    text
}

/// The text of a deb822 sources file for archives (sources.list(5)). Archives of one URL become one paragraph.
pub fn sources(archives: &[Archive], components: &[String], trust: &SourceTrust) -> String {
    let mut paragraphs: Vec<(&str, Vec<&str>)> = Vec::new();
    for archive in archives {
        match paragraphs.iter_mut().find(|(url, _)| *url == archive.url) {
            Some((_, suites)) => suites.push(&archive.suite),
            None => paragraphs.push((&archive.url, vec![&archive.suite])),
        }
    }
    let trust = match trust {
        SourceTrust::SignedBy(path) => format!("Signed-By: {path}\n"),
        SourceTrust::Unverified => "Trusted: yes\n".to_string(),
        SourceTrust::Default => String::new(),
    };
    let paragraph = |(url, suites): (&str, Vec<&str>)| {
        format!(
            "Types: deb\nURIs: {url}\nSuites: {}\nComponents: {}\n{trust}",
            suites.join(" "),
            components.join(" ")
        )
    };
    paragraphs
        .into_iter()
        .map(paragraph)
        .collect::<Vec<_>>()
        .join("\n")
}

/// How apt shall check a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceTrust {
    /// With this keyring in the image.
    SignedBy(String),
    /// Not at all (`trusted: true`).
    Unverified,
    /// With all keys in `trusted.gpg.d`.
    Default,
}

/// How a sources file (as [`sources`] writes it) tells apt to check: apt wants the same for every line of an archive.
pub fn trust_of(sources: &[u8]) -> SourceTrust {
    let stanzas = super::deb822::parse(sources).unwrap_or_default();
    let field = |name: &str| stanzas.first().and_then(|s| s.get(name));
    match (field("Trusted"), field("Signed-By")) {
        (Some("yes"), _) => SourceTrust::Unverified,
        (_, Some(path)) => SourceTrust::SignedBy(path.to_string()),
        _ => SourceTrust::Default,
    }
}

/// Where the image keeps the archive's own keys.
pub fn keyring_in_image(family: Family) -> &'static str {
    match family {
        Family::Debian => "/usr/share/keyrings/debian-archive-keyring.gpg",
        Family::Ubuntu => "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    }
}

/// Name of the sources file of `!UbuntuRepo`: `<8 hex>-<suite>.list`, the hex from the step's fields as hashed.
pub fn repo_file_name(url: Option<&str>, suite: &str, components: &[String]) -> String {
    let mut fields = Vec::new();
    if let Some(url) = url {
        fields.extend(["url", url]);
    }
    fields.extend(["suite", suite, "components"]);
    fields.extend(components.iter().map(String::as_str));
    let hex = digest::of_texts::<Blake2b512>(fields);
    let suite: String = suite.chars().map(|c| if c == '/' { '_' } else { c }).collect();
    format!("{}-{suite}.list", hex.get(..8).unwrap_or_default())
}

/// One line of a sources file; no line end, as the original wrote it.
pub fn repo_line(url: &str, suite: &str, components: &[String], trust: &SourceTrust) -> String {
    let options = match trust {
        SourceTrust::Unverified => " [trusted=yes]".to_string(),
        SourceTrust::SignedBy(path) => format!(" [signed-by={path}]"),
        SourceTrust::Default => String::new(),
    };
    format!("deb{options} {url} {suite} {}", components.join(" "))
        .trim_end()
        .to_string()
}

/// The package of a request like `bc=1.06-1`, `libc6:i386` or `tool/backports`, without version and suite.
pub fn bare_name(request: &str) -> &str {
    let end = request.find(['=', '/', '<', '>', '~']).unwrap_or(request.len());
    request.get(..end).unwrap_or(request).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    /// Vectors of the original's file names.
    #[test]
    fn repo_files_keep_their_names() {
        let given = repo_file_name(
            Some("http://example.org/deb"),
            "noble",
            &strings(&["main", "extra"]),
        );
        assert_eq!(given, "4cdd20f7-noble.list");
        assert_eq!(
            repo_file_name(None, "noble", &strings(&["universe"])),
            "78123245-noble.list"
        );
        assert_eq!(
            repo_line("http://x", "s", &strings(&["a", "b"]), &SourceTrust::Unverified),
            "deb [trusted=yes] http://x s a b"
        );
        assert_eq!(
            repo_line("http://x", "./", &[], &SourceTrust::Default),
            "deb http://x ./"
        );
    }

    #[test]
    fn sources_are_grouped_by_url() {
        let archive = |url: &str, suite: &str| Archive {
            url: url.into(),
            suite: suite.into(),
            required: true,
        };
        let list = [
            archive("http://m/debian", "a"),
            archive("http://m/debian", "a-updates"),
            archive("http://s", "b"),
        ];
        assert_eq!(
            sources(&list, &strings(&["main"]), &SourceTrust::SignedBy("/k".into())),
            "Types: deb\nURIs: http://m/debian\nSuites: a a-updates\nComponents: main\nSigned-By: /k\n\n\
             Types: deb\nURIs: http://s\nSuites: b\nComponents: main\nSigned-By: /k\n"
        );
        for trust in [
            SourceTrust::Unverified,
            SourceTrust::Default,
            SourceTrust::SignedBy("/k".into()),
        ] {
            assert_eq!(trust_of(sources(&list, &[], &trust).as_bytes()), trust);
        }
    }

    #[test]
    fn names_lose_versions() {
        assert_eq!(bare_name("bc=1.06-1"), "bc");
        assert_eq!(bare_name("bc/trixie-backports"), "bc");
        assert_eq!(bare_name("g++:amd64"), "g++:amd64");
    }
}
