//! The HTTP client: one agent with the host's trust store, proxies, timeouts, resuming and retries.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::header::{CONTENT_RANGE, ETAG, LAST_MODIFIED};
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use super::{trust, FetchError, OnProgress};

/// How often a transfer is begun or taken up again before it counts as failed.
const ATTEMPTS: u32 = 4;
/// Bytes read at once.
const CHUNK: usize = 128 * 1024;

/// Whether the proxy variables of the environment apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxies {
    /// `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy` and their upper-case forms.
    Environment,
    /// Connect directly (setting `proxy-env-vars: false`).
    None,
}

/// A connection pool. Opening one reads the trust store, so one serves many files.
#[derive(Debug, Clone)]
pub struct Client {
    direct: Agent,
    http: Option<Agent>,
    https: Option<Agent>,
}

/// A finished transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// SHA-256 of the whole file, lower-case hex.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
}

/// What tells that a file on the server is still the one whose beginning is here.
enum Validator {
    /// Nothing: a new attempt begins at the first byte.
    None,
    /// The server's entity tag or date, sent as `If-Range`.
    Tag(String),
    /// The digest that the caller will check.
    Digest,
}

/// Why one attempt failed.
enum Trouble {
    /// Another attempt may help.
    Passing(String),
    /// It will not.
    Final(String),
}

impl Client {
    /// A client for this process.
    pub fn new(proxies: Proxies) -> Client {
        let proxy = |names: &[&str]| match proxies {
            Proxies::Environment => names.iter().find_map(|name| proxy_from(name)),
            Proxies::None => None,
        };
        let roots = RootCerts::new_with_certs(&trust::certificates());
        Client {
            http: proxy(&["http_proxy", "all_proxy", "ALL_PROXY"]).map(|p| agent(&roots, Some(p))),
            https: proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
                .map(|p| agent(&roots, Some(p))),
            direct: agent(&roots, None),
        }
    }

    fn agent_for(&self, url: &str) -> &Agent {
        let proxied = if url.starts_with("https:") {
            &self.https
        } else {
            &self.http
        };
        match proxied {
            Some(agent) if !bypasses_proxy(url, &no_proxy()) => agent,
            _ => &self.direct,
        }
    }

    /// Fetches `url` into `part`. With `resume`, what `part` holds from an earlier call is kept and continued: only
    /// for files whose digest the caller checks, since nothing else tells whether the beginning still fits.
    ///
    /// Errors: one line naming the URL; 4xx answers are final, other trouble is retried a few times.
    pub fn download(
        &self,
        url: &str,
        part: &Path,
        resume: bool,
        limit: Option<u64>,
        progress: OnProgress,
    ) -> Result<Fetched, FetchError> {
        let mut file = open_part(part, resume).map_err(|e| FetchError(format!("{}: {e}", part.display())))?;
        let mut validator = if resume {
            Validator::Digest
        } else {
            Validator::None
        };
        for attempt in 1.. {
            match self.attempt(url, &mut file, &mut validator, limit, progress) {
                Ok(fetched) => return Ok(fetched),
                Err(Trouble::Passing(why)) if attempt < ATTEMPTS => {
                    log::info!("{url}: {why}; trying again");
                    thread::sleep(Duration::from_millis(200 << attempt));
                }
                Err(Trouble::Passing(why) | Trouble::Final(why)) => {
                    return Err(FetchError(format!("Error downloading file {url}: {why}")))
                }
            }
        }
        unreachable!("the loop above has no end")
    }

    fn attempt(
        &self,
        url: &str,
        file: &mut File,
        validator: &mut Validator,
        limit: Option<u64>,
        progress: OnProgress,
    ) -> Result<Fetched, Trouble> {
        let mut have = file.metadata().map_or(0, |m| m.len());
        let mut request = self.agent_for(url).get(url);
        match validator {
            Validator::Tag(tag) if have > 0 => {
                request = request
                    .header("Range", format!("bytes={have}-"))
                    .header("If-Range", tag.as_str())
            }
            Validator::Digest if have > 0 => request = request.header("Range", format!("bytes={have}-")),
            _ => have = 0,
        }
        let mut response = request.call().map_err(|e| Trouble::Passing(describe(&e)))?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && have > 0 {
            file.set_len(0).map_err(disk)?;
            return Err(Trouble::Passing("the server has less than was received".into()));
        }
        check_status(response.status())?;
        if response.status() != StatusCode::PARTIAL_CONTENT || !continues_at(response.headers(), have) {
            have = 0;
        }
        if !matches!(validator, Validator::Digest) {
            *validator = validator_of(response.headers()).map_or(Validator::None, Validator::Tag);
        }
        let total = response.body().content_length().map(|n| n + have);
        if limit.is_some_and(|limit| total.unwrap_or(0) > limit) {
            return Err(Trouble::Final(too_large(limit)));
        }
        let mut hash = restart(file, have).map_err(disk)?;
        let size = copy(
            response.body_mut().as_reader(),
            file,
            have,
            total,
            limit,
            &mut hash,
            progress,
        )?;
        Ok(Fetched {
            sha256: hex(&hash.finalize()),
            size,
        })
    }
}

/// One agent. Only per-read and connect timeouts are set: a resolve or global timeout would start threads.
fn agent(roots: &RootCerts, proxy: Option<Proxy>) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .tls_config(TlsConfig::builder().root_certs(roots.clone()).build())
        .proxy(proxy)
        .user_agent(concat!("vagga/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .build()
        .new_agent()
}

fn proxy_from(name: &str) -> Option<Proxy> {
    let value = std::env::var(name).ok().filter(|v| !v.is_empty())?;
    match Proxy::new(&value) {
        Ok(proxy) => Some(proxy),
        Err(_) => {
            log::warn!("{name}={value} is not the address of a proxy: ignored");
            None
        }
    }
}

fn no_proxy() -> String {
    std::env::var("no_proxy")
        .or_else(|_| std::env::var("NO_PROXY"))
        .unwrap_or_default()
}

/// True when the host of `url` is in the list: `*`, a name, or a domain with or without a leading dot.
fn bypasses_proxy(url: &str, list: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host_port.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => host_port.split(':').next().unwrap_or(host_port),
    };
    list.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            let name = entry.trim_start_matches("*.").trim_start_matches('.');
            entry == "*"
                || host.eq_ignore_ascii_case(name)
                || (host.len() > name.len()
                    && host
                        .to_ascii_lowercase()
                        .ends_with(&format!(".{}", name.to_ascii_lowercase())))
        })
}

fn open_part(part: &Path, resume: bool) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(!resume)
        .open(part)
}

fn check_status(status: StatusCode) -> Result<(), Trouble> {
    match status.as_u16() {
        200 | 206 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(Trouble::Passing(format!("the server answered {status}"))),
        _ => Err(Trouble::Final(format!("the server answered {status}"))),
    }
}

/// True when a partial answer begins at byte `have`, which is what was asked for.
fn continues_at(headers: &HeaderMap, have: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|v| v.to_str().ok());
    range.is_some_and(|r| {
        r.strip_prefix("bytes ")
            .is_some_and(|r| r.starts_with(&format!("{have}-")))
    })
}

/// What `If-Range` may carry: a strong entity tag, or the date (RFC 9110 §13.1.5).
fn validator_of(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    text(ETAG)
        .filter(|tag| !tag.starts_with("W/"))
        .or_else(|| text(LAST_MODIFIED))
}

/// Cuts `file` to its first `have` bytes and returns the hash of them, ready to go on.
fn restart(file: &mut File, have: u64) -> io::Result<Sha256> {
    file.set_len(have)?;
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    io::copy(&mut file.take(have), &mut hash)?;
    file.seek(SeekFrom::Start(have))?;
    Ok(hash)
}

/// Copies the body, and checks that it is as long as announced.
fn copy(
    mut body: impl Read,
    file: &mut File,
    mut have: u64,
    total: Option<u64>,
    limit: Option<u64>,
    hash: &mut Sha256,
    progress: OnProgress,
) -> Result<u64, Trouble> {
    let mut chunk = vec![0; CHUNK];
    loop {
        progress(have, total);
        let n = body
            .read(&mut chunk)
            .map_err(|e| Trouble::Passing(stopped(have, total, &e.to_string())))?;
        let Some(data) = chunk.get(..n).filter(|data| !data.is_empty()) else {
            break;
        };
        hash.update(data);
        file.write_all(data).map_err(disk)?;
        have += n as u64;
        if limit.is_some_and(|limit| have > limit) {
            return Err(Trouble::Final(too_large(limit)));
        }
    }
    match total {
        Some(total) if total != have => {
            Err(Trouble::Passing(stopped(have, Some(total), "connection closed")))
        }
        _ => Ok(have),
    }
}

fn stopped(have: u64, total: Option<u64>, why: &str) -> String {
    match total {
        Some(total) => format!("the transfer stopped after {have} of {total} bytes: {why}"),
        None => format!("the transfer stopped after {have} bytes: {why}"),
    }
}

fn too_large(limit: Option<u64>) -> String {
    format!(
        "the file is larger than the {} bytes expected",
        limit.unwrap_or(0)
    )
}

fn disk(error: io::Error) -> Trouble {
    Trouble::Final(format!("cannot write to the cache: {error}"))
}

fn describe(error: &ureq::Error) -> String {
    let text = error.to_string();
    if text.contains("UnknownIssuer") {
        return format!("{text} (is the certificate of the proxy in the host's bundle or in SSL_CERT_FILE?)");
    }
    text
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use rustc_serialize::hex::ToHex;
    bytes.to_hex()
}

#[cfg(test)]
mod tests {
    use super::bypasses_proxy;

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        for (url, list, expected) in [
            ("http://a.example.org/x", "example.org", true),
            ("http://a.example.org:80/x", ".example.org", true),
            ("http://badexample.org/x", "example.org", false),
            ("https://u:p@host/x", "other, host", true),
            ("http://[::1]:80/", "::1", true),
            ("http://x/", "*", true),
            ("http://x/", "", false),
        ] {
            assert_eq!(bypasses_proxy(url, list), expected, "{url} {list}");
        }
    }
}
