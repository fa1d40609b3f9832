//! Keys of third-party archives: from a key server, a PPA's description, or a file of the project, into the image's
//! `trusted.gpg.d`. (`apt-key` is gone; apt reads armored keys there since 1.4.)

use std::fs;
use std::path::{Path, PathBuf};

use super::bootstrap;
use super::fingerprint;
use super::system::AptSystem;
use super::verify;
use crate::sys::fs::Scratch;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::fetch::{Client, Proxies};

/// Key server when none is given (documented default).
const SERVER: &str = "hkps://keyserver.ubuntu.com:443";
/// Where Launchpad says which key signs a PPA.
const LAUNCHPAD: &str = "https://api.launchpad.net/devel";
/// Where PPAs are.
const PPA: &str = "https://ppa.launchpadcontent.net";
/// Largest answer taken, in bytes.
const MAX_ANSWER: u64 = 4 << 20;

/// `!AptTrust`: makes apt trust `keys`: ids, fingerprints, or files of the project (with a `/`).
pub fn trust(b: &mut Builder, server: Option<&str>, keys: &[String]) -> Result<(), StepError> {
    for key in keys {
        if key.contains('/') {
            let path = b.project.root.join(key);
            let bytes = fs::read(&path).at("read key file", &path)?;
            let name = path
                .file_stem()
                .map_or("key".into(), |n| n.to_string_lossy().into_owned());
            install(b, &name, &bytes)?;
            continue;
        }
        let id = check_id(b, key)?;
        let bytes = from_server(b, server.unwrap_or(SERVER), &id)?;
        install(b, &id, &bytes)?;
    }
    Ok(())
}

/// `!UbuntuPPA`: adds the archive and the key that Launchpad names for it.
pub fn add_ppa(b: &mut Builder, system: &mut AptSystem, ppa: &str) -> Result<(), StepError> {
    let bad = || StepError::new(format!("bad PPA {ppa:?}")).with_hint("write !UbuntuPPA owner/name");
    let (owner, name) = ppa.split_once('/').ok_or_else(bad)?;
    let plain = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || "-+.".contains(c));
    if !plain(owner) || !plain(name) {
        return Err(bad());
    }
    let about = format!("{LAUNCHPAD}/~{owner}/+archive/ubuntu/{name}");
    let answer = download(b, &about).map_err(|e| e.with_hint("does the PPA exist?"))?;
    let key = signing_key(&answer)
        .ok_or_else(|| StepError::new(format!("{about} names no signing key for PPA {ppa:?}")))?;
    let bytes = from_server(b, SERVER, &key)?;
    install(b, &key, &bytes)?;
    system.add_source(
        b,
        Some(&format!("{PPA}/{owner}/{name}/ubuntu")),
        None,
        &["main".to_string()],
        false,
    )
}

fn signing_key(answer: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(answer).ok()?;
    let key = value.get("signing_key_fingerprint")?.as_str()?;
    (key.len() >= 40 && key.bytes().all(|b| b.is_ascii_hexdigit())).then(|| key.to_string())
}

/// A key id in upper case; short ones can be forged by anybody.
fn check_id(b: &mut Builder, key: &str) -> Result<String, StepError> {
    let id = fingerprint::normalize(key);
    let hex = id.bytes().all(|c| c.is_ascii_hexdigit());
    match id.len() {
        16 | 40 | 64 if hex => Ok(id),
        8 if hex => {
            b.progress.warn(&format!(
                "short key ids like {id} can be forged: write the whole fingerprint"
            ));
            Ok(id)
        }
        _ => Err(StepError::new(format!("bad key {key:?}"))
            .with_hint("write a fingerprint (40 hex digits), or the path of a key file with a slash in it")),
    }
}

/// Asks a key server, and checks that the answer is the key that was asked for. Falls back to an earlier answer.
fn from_server(b: &mut Builder, server: &str, id: &str) -> Result<Vec<u8>, StepError> {
    let url = format!(
        "{}/pks/lookup?op=get&options=mr&search=0x{id}",
        server_url(server)
    );
    let kept = keys_dir(b)?.join(format!("{id}.asc"));
    let armored = match download(b, &url) {
        Ok(bytes) => bytes,
        Err(e) => match fs::read(&kept) {
            Ok(bytes) => {
                b.progress.warn(&format!("{e}: using the key from the cache"));
                bytes
            }
            Err(_) => {
                return Err(e.with_hint(
                    "is the key server reachable? The key can also be given as a file of the project",
                ))
            }
        },
    };
    let found = verify::dearmor(&armored)
        .map(|binary| fingerprint::fingerprints(&binary))
        .unwrap_or_default();
    if !fingerprint::matches(&found, id) {
        return Err(StepError::new(format!(
            "{server} did not send key {id} (but {})",
            summary(&found)
        )));
    }
    fs::write(&kept, &armored).at("write", &kept)?;
    Ok(armored)
}

fn summary(fingerprints: &[String]) -> String {
    match fingerprints {
        [] => "no key at all".to_string(),
        some => some.join(", "),
    }
}

fn keys_dir(b: &Builder) -> Result<PathBuf, StepError> {
    b.cache_dir(Path::new("debian/keys"))
}

/// `hkps:` is HTTPS, `hkp:` HTTP on port 11371 (draft-gallagher-openpgp-hkp).
fn server_url(server: &str) -> String {
    let server = server.trim_end_matches('/');
    match server.split_once("://") {
        Some(("hkps", host)) => format!("https://{host}"),
        Some(("hkp", host)) if host.contains(':') => format!("http://{host}"),
        Some(("hkp", host)) => format!("http://{host}:11371"),
        Some(_) => server.to_string(),
        None => format!("https://{server}"),
    }
}

fn download(b: &Builder, url: &str) -> Result<Vec<u8>, StepError> {
    let proxies = Proxies::by_setting(b.project.settings.proxy_env_vars);
    let dir = keys_dir(b)?;
    let scratch = Scratch::new(&dir, "answer").at("make a temporary directory in", &dir)?;
    let part = scratch.path().join("key");
    Client::new(&proxies)
        .download(url, &part, false, Some(MAX_ANSWER), &mut |_, _| {})
        .map_err(|e| StepError::new(e.to_string()))
        .and_then(|_| fs::read(&part).at("read", &part))
}

/// Writes a key where apt looks for keys of sources that name none.
fn install(b: &mut Builder, name: &str, bytes: &[u8]) -> Result<(), StepError> {
    let ending = if verify::is_armored(bytes) { "asc" } else { "gpg" };
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    bootstrap::write_bytes(b, &format!("/etc/apt/trusted.gpg.d/vagga-{name}.{ending}"), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_become_urls() {
        assert_eq!(server_url(SERVER), "https://keyserver.ubuntu.com:443");
        assert_eq!(server_url("hkp://k"), "http://k:11371");
        assert_eq!(server_url("hkp://k:80/"), "http://k:80");
        assert_eq!(server_url("http://127.0.0.1:8000"), "http://127.0.0.1:8000");
        assert_eq!(server_url("k.example.org"), "https://k.example.org");
    }

    #[test]
    fn launchpad_names_the_key() {
        let key = "A".repeat(40);
        assert_eq!(
            signing_key(format!("{{\"signing_key_fingerprint\": \"{key}\"}}").as_bytes()),
            Some(key)
        );
        assert_eq!(signing_key(b"{\"signing_key_fingerprint\": \"../x\"}"), None);
        assert_eq!(signing_key(b"[]"), None);
    }
}
