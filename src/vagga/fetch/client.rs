//! The HTTP client: one agent with the host's trust store, proxies, timeouts, resuming and retries.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::header::{CONTENT_RANGE, ETAG, LAST_MODIFIED, LOCATION};
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::RootCerts;
use ureq::Body;

use super::address::{escape, join};
use super::digest::hex;
use super::route::{Proxies, Routes};
use super::{trust, FetchError, OnProgress};

/// How often a transfer is begun or taken up again before it counts as failed.
const ATTEMPTS: u32 = 4;
/// Bytes that make up for the attempts before: a long transfer may break often as long as it goes on.
const GAIN: u64 = 1 << 20;
/// Redirects followed in one transfer.
const REDIRECTS: u32 = 10;
/// Bytes read at once.
const CHUNK: usize = 128 * 1024;

/// Connections that are kept. Opening a client reads the trust store, so one serves many files.
#[derive(Debug, Clone)]
pub struct Client {
    routes: Routes,
    /// False when this host has no certificates to verify servers with.
    trusts: bool,
    /// Neither an address nor a redirect may be without encryption.
    https_only: bool,
    /// Credentials, for one server only.
    credentials: Option<Credentials>,
}

/// What a server wants to see before it answers.
#[derive(Debug, Clone)]
struct Credentials {
    /// Scheme and host with port, in lower case.
    origin: String,
    /// Value of the header `Authorization`.
    value: String,
}

/// A small document.
#[derive(Debug)]
pub struct Document {
    /// Status of the answer.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
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
    pub fn new(proxies: &Proxies) -> Client {
        let certificates = trust::certificates();
        Client {
            trusts: !certificates.is_empty(),
            credentials: None,
            https_only: false,
            routes: Routes::new(proxies, &RootCerts::new_with_certs(&certificates)),
        }
    }

    /// The same connections; `value` is sent as `Authorization` to the server of `url`, and to no other that a redirect
    /// may lead to.
    pub fn authorized(&self, url: &str, value: Option<String>) -> Client {
        let credentials = value.map(|value| Credentials {
            origin: origin(url),
            value,
        });
        Client {
            credentials,
            ..self.clone()
        }
    }

    /// Fetches a small document whatever its status is; `accept` are media types.
    ///
    /// Errors: one line naming the URL; more than `limit` bytes are one.
    pub fn document(&self, url: &str, accept: &str, limit: u64) -> Result<Document, FetchError> {
        let headers = [("Accept", accept.to_owned())];
        let mut attempt = 1;
        loop {
            match self.try_document(url, &headers, limit) {
                Err(Trouble::Passing(why)) if attempt < ATTEMPTS => {
                    log::info!("{url}: {why}; trying again");
                    thread::sleep(Duration::from_millis(200 << attempt));
                    attempt += 1;
                }
                Err(Trouble::Passing(why) | Trouble::Final(why)) => return Err(failed(url, &why)),
                Ok(document) => return Ok(document),
            }
        }
    }

    fn try_document(&self, url: &str, headers: &[(&str, String)], limit: u64) -> Result<Document, Trouble> {
        let mut response = self.answer(url, headers)?;
        if matches!(response.status().as_u16(), 408 | 425 | 429 | 500..=599) {
            check_status(response.status())?;
        }
        let mut body = Vec::new();
        let mut reader = response.body_mut().as_reader().take(limit + 1);
        reader
            .read_to_end(&mut body)
            .map_err(|e| Trouble::Passing(stopped(body.len() as u64, None, &e.to_string())))?;
        if body.len() as u64 > limit {
            return Err(Trouble::Final(too_large(Some(limit))));
        }
        Ok(Document {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body,
        })
    }

    /// The same client, which follows no redirect to an address without encryption.
    pub fn https_only(self) -> Client {
        Client {
            https_only: true,
            ..self
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
        let (mut attempt, mut most) = (1, 0);
        loop {
            let why = match self.attempt(url, &mut file, &mut validator, limit, progress) {
                Ok(fetched) => return Ok(fetched),
                Err(Trouble::Passing(why)) => why,
                Err(Trouble::Final(why)) => return Err(failed(url, &why)),
            };
            let have = file.metadata().map_or(0, |m| m.len());
            if have >= most + GAIN {
                (attempt, most) = (1, have);
            }
            if attempt >= ATTEMPTS {
                return Err(failed(url, &why));
            }
            log::info!("{url}: {why}; trying again");
            thread::sleep(Duration::from_millis(200 << attempt));
            attempt += 1;
        }
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
        let mut headers = Vec::new();
        match validator {
            Validator::None => have = 0,
            Validator::Tag(tag) => headers.push(("If-Range", tag.clone())),
            Validator::Digest => {}
        }
        if have > 0 {
            headers.push(("Range", format!("bytes={have}-")));
        } else {
            headers.clear();
        }
        let mut response = self.answer(url, &headers)?;
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

    /// The answer at the end of all redirects.
    fn answer(&self, url: &str, headers: &[(&str, String)]) -> Result<Response<Body>, Trouble> {
        let mut here = escape(url);
        for _ in 0..=REDIRECTS {
            let mut request = self.routes.agent_for(&here).get(&here);
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            if let Some(known) = self.credentials.as_ref().filter(|c| c.origin == origin(&here)) {
                request = request.header("Authorization", &known.value);
            }
            let response = request.call().map_err(|e| self.trouble(&e))?;
            let Some(location) = redirect(&response) else {
                return Ok(response);
            };
            here = join(&here, &escape(&location))
                .filter(|next| !self.https_only || next.starts_with("https://"))
                .ok_or_else(|| Trouble::Final(format!("it is redirected to {location:?}")))?;
        }
        Err(Trouble::Final("there are too many redirects".into()))
    }

    fn trouble(&self, error: &ureq::Error) -> Trouble {
        use ureq::Error;
        let text = error.to_string();
        match error {
            Error::Rustls(_) | Error::Tls(_) => Trouble::Final(self.about_trust(text)),
            // What the TLS library reports while it reads: a certificate that is not trusted, mostly.
            Error::Io(e) if e.kind() == io::ErrorKind::InvalidData => Trouble::Final(self.about_trust(text)),
            Error::BadUri(_) | Error::Http(_) | Error::InvalidProxyUrl => Trouble::Final(text),
            _ => Trouble::Passing(text),
        }
    }

    fn about_trust(&self, text: String) -> String {
        if !self.trusts {
            return format!(
                "{text} (this host has no certificates: install ca-certificates or set SSL_CERT_FILE)"
            );
        }
        format!(
            "{text} (a certificate that is trusted here must be in the host's bundle or in SSL_CERT_FILE)"
        )
    }
}

/// Scheme, host and port of an address: what must be equal for credentials to be sent.
fn origin(url: &str) -> String {
    let end = url
        .find("://")
        .map(|at| at + 3)
        .and_then(|at| Some(at + url.get(at..)?.find(['/', '?', '#'])?));
    url.get(..end.unwrap_or(url.len()))
        .unwrap_or(url)
        .to_ascii_lowercase()
}

/// Where an answer sends us, if it does.
fn redirect(response: &Response<Body>) -> Option<String> {
    let location = response.headers().get(LOCATION)?;
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
        .then(|| String::from_utf8_lossy(location.as_bytes()).into_owned())
}

fn failed(url: &str, why: &str) -> FetchError {
    FetchError(format!("Error downloading file {url}: {why}"))
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
