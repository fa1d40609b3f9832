//! Where a step's file comes from: the project, an external volume, or the network by way of the cache.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};

use super::client::{Client, Fetched};
use super::digest::{hex, sha256_of};
use super::{FetchError, OnProgress};
use crate::sys::at;
use crate::sys::fs::{lock_waiting, Lock};
use crate::sys::path::Root;

/// Digits of a SHA-256 digest.
const DIGEST_LEN: usize = 64;
/// Fewer digits than this say nothing.
const DIGEST_MIN: usize = 8;
/// Most bytes of a name in the cache, so that suffixes still fit in a file name.
const NAME_MAX: usize = 200;

/// One file wanted by a step.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Addresses of the same file, tried in order. The first decides the name in the cache.
    pub urls: &'a [String],
    /// Beginning of the SHA-256 digest in hex, of any case; all 64 digits unless the user chose fewer.
    pub sha256: Option<&'a str>,
    /// The cache directory.
    pub cache: &'a Path,
    /// The project: sources that begin with `.` are below it.
    pub project: &'a Path,
    /// Sources that begin with `/volumes/NAME`.
    pub external_volumes: &'a BTreeMap<PathBuf, PathBuf>,
}

/// Makes the file available and returns its path: a local source as it is, a download in the cache.
///
/// Errors: one line; a digest that does not fit is `Hashsum mismatch: expected X but was Y`.
pub fn fetch(
    client: &mut Option<Client>,
    request: &Request,
    make: impl FnOnce() -> Client,
    progress: OnProgress,
) -> Result<PathBuf, FetchError> {
    obtain(client, request, make, progress, true)
}

/// [`fetch`] that fetches again what is in the cache; if that fails, what was there stays.
pub fn refresh(
    client: &mut Option<Client>,
    request: &Request,
    make: impl FnOnce() -> Client,
    progress: OnProgress,
) -> Result<PathBuf, FetchError> {
    obtain(client, request, make, progress, false)
}

fn obtain(
    client: &mut Option<Client>,
    request: &Request,
    make: impl FnOnce() -> Client,
    progress: OnProgress,
    cached: bool,
) -> Result<PathBuf, FetchError> {
    let expected = request.sha256.map(check_digest).transpose()?;
    let url = request
        .urls
        .first()
        .ok_or_else(|| FetchError("no URL is given".into()))?;
    if let Some(path) = local_path(url, request.project, request.external_volumes) {
        let path = path?;
        verify(&path, expected.as_deref(), url)?;
        return Ok(path);
    }
    let target = request
        .cache
        .join("downloads")
        .join(cache_name(url, expected.as_deref()));
    if cached && is_usable(&target, expected.as_deref()) {
        return Ok(target);
    }
    let dir = request.cache.join("downloads");
    fs::create_dir_all(&dir).map_err(|e| FetchError(format!("{}: {e}", dir.display())))?;
    let _lock = lock_for(&target)?;
    if !cached || !is_usable(&target, expected.as_deref()) {
        let client = client.get_or_insert_with(make);
        download(client, request.urls, &target, expected.as_deref(), progress)?;
    }
    Ok(target)
}

/// Fetches into `target` from the first address that works.
fn download(
    client: &Client,
    urls: &[String],
    target: &Path,
    expected: Option<&str>,
    progress: OnProgress,
) -> Result<(), FetchError> {
    let part = with_suffix(target, ".part");
    let mut last = None;
    for url in urls {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            last = Some(FetchError(format!(
                "{url}: is neither an http nor an https address: files of the project begin with `./`, others with \
                 /volumes/NAME (external-volumes in your settings)"
            )));
            continue;
        }
        match download_one(client, url, &part, expected, progress) {
            Ok(()) => {
                return fs::rename(&part, target)
                    .map_err(|e| FetchError(format!("{}: {e}", target.display())))
            }
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(|| FetchError("no URL is given".into())))
}

/// Fetches one address into `part`. What was received of a file of known digest stays there after a broken transfer,
/// to be continued by the next build; a wrong digest is given a second chance when its beginning was an old one.
fn download_one(
    client: &Client,
    url: &str,
    part: &Path,
    expected: Option<&str>,
    progress: OnProgress,
) -> Result<(), FetchError> {
    let resume = expected.is_some_and(|digest| digest.len() == DIGEST_LEN);
    let continued = resume && fs::metadata(part).is_ok_and(|m| m.len() > 0);
    let fetched = client
        .download(url, part, resume, None, progress)
        .inspect_err(|_| {
            if !resume || fs::metadata(part).is_ok_and(|m| m.len() == 0) {
                let _ = fs::remove_file(part);
            }
        })?;
    let result = matches(&fetched, expected, url);
    if result.is_err() {
        let _ = fs::remove_file(part);
        if continued {
            return download_one(client, url, part, expected, progress);
        }
    }
    result
}

fn matches(fetched: &Fetched, expected: Option<&str>, url: &str) -> Result<(), FetchError> {
    match expected {
        Some(expected) if !fetched.sha256.starts_with(expected) => {
            Err(mismatch(expected, &fetched.sha256, url))
        }
        _ => Ok(()),
    }
}

fn mismatch(expected: &str, actual: &str, what: &str) -> FetchError {
    FetchError(format!(
        "Hashsum mismatch: expected {expected} but was {actual} ({what})"
    ))
}

/// A cached file that has the digest asked for. One that has not is removed, to be fetched again.
fn is_usable(path: &Path, expected: Option<&str>) -> bool {
    if !path.is_file() {
        return false;
    }
    let Some(expected) = expected else {
        return true;
    };
    match sha256_of(path) {
        Ok(actual) if actual.starts_with(expected) => true,
        _ => {
            log::warn!("{}: not what its digest says, fetching it again", path.display());
            false
        }
    }
}

fn verify(path: &Path, expected: Option<&str>, name: &str) -> Result<(), FetchError> {
    if !path.is_file() {
        return Err(FetchError(format!(
            "can't read {name:?}: no such file ({})",
            path.display()
        )));
    }
    let Some(expected) = expected else {
        return Ok(());
    };
    let actual = sha256_of(path).map_err(|e| FetchError(format!("can't read {name:?}: {e}")))?;
    if actual.starts_with(expected) {
        Ok(())
    } else {
        Err(mismatch(expected, &actual, name))
    }
}

/// The digits in lower case, if they are a digest or a long enough beginning of one.
fn check_digest(text: &str) -> Result<String, FetchError> {
    let digits = text.to_ascii_lowercase();
    if !digits.bytes().all(|c| c.is_ascii_hexdigit())
        || digits.len() > DIGEST_LEN
        || digits.len() < DIGEST_MIN
    {
        return Err(FetchError(format!(
            "sha256: {text:?} is not a SHA-256 digest: {DIGEST_LEN} hex digits are expected"
        )));
    }
    if digits.len() < DIGEST_LEN {
        log::warn!("sha256: {text} is only the beginning of a digest: write all {DIGEST_LEN} digits");
    }
    Ok(digits)
}

/// Host path of a source that is not downloaded: `./x` of the project, `/volumes/NAME/x` of an external volume.
/// `None` for everything else.
pub fn local_path(
    url: &str,
    project: &Path,
    volumes: &BTreeMap<PathBuf, PathBuf>,
) -> Option<Result<PathBuf, FetchError>> {
    if url.starts_with('.') {
        return Some(below(project, Path::new(url), url));
    }
    let rest = Path::new(url.strip_prefix("/volumes/")?);
    let volume = volumes
        .iter()
        .find_map(|(name, host)| Some((host, rest.strip_prefix(name).ok()?)));
    Some(match volume {
        Some((host, rest)) if rest.as_os_str().is_empty() => Ok(host.clone()),
        Some((host, rest)) => below(host, rest, url),
        None => Err(FetchError(format!(
            "{url}: no such volume: add it to external-volumes in your settings"
        ))),
    })
}

/// Where `path` is below `base`, links resolved: one that leads out is not followed, since what is read here ends up
/// in a container.
fn below(base: &Path, path: &Path, url: &str) -> Result<PathBuf, FetchError> {
    if path.components().any(|c| c == Component::ParentDir) {
        return Err(FetchError(format!("{url}: must not leave its directory")));
    }
    let resolve = || -> io::Result<PathBuf> {
        let file = Root::open(base)?.open_with(path, OFlag::O_PATH, 0)?;
        fs::read_link(at::handle(file.as_fd()))
    };
    resolve().map_err(|e| FetchError(format!("can't read {url:?}: {e} (in {})", base.display())))
}

/// Name in the cache: eight digits of the digest, else of the SHA-256 of the URL, and the last component of its path.
pub fn cache_name(url: &str, sha256: Option<&str>) -> String {
    let digits = match sha256 {
        Some(digest) => digest.chars().take(DIGEST_MIN).collect::<String>(),
        None => hex(&Sha256::digest(url.as_bytes()))
            .chars()
            .take(DIGEST_MIN)
            .collect(),
    };
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    let name = path
        .split_once('/')
        .and_then(|(_, path)| path.rsplit('/').next())
        .unwrap_or("");
    match name {
        "" | "." | ".." => format!("{digits}-file.bin"),
        // The end of a long name, where the kind of the file is told.
        name => {
            let mut starts = name.char_indices().map(|(at, _)| at);
            let start = starts.find(|at| name.len() - at <= NAME_MAX);
            format!("{digits}-{}", name.get(start.unwrap_or(0)..).unwrap_or(name))
        }
    }
}

/// Holds `TARGET.lock`, waiting for a concurrent download of the same file.
fn lock_for(target: &Path) -> Result<Lock, FetchError> {
    let path = with_suffix(target, ".lock");
    let say = || eprintln!("Other process is downloading {}. Waiting...", target.display());
    lock_waiting(&path, say).map_err(|e| FetchError(format!("can't lock {}: {e}", path.display())))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_cache() {
        let digest = "0123456789abcdef".repeat(4);
        for (url, sha256, expected) in [
            ("http://example.org/tool.bin", None, "7a671f7f-tool.bin"),
            (
                "http://example.org/tool.bin",
                Some(digest.as_str()),
                "01234567-tool.bin",
            ),
            ("http://example.org/a/b?c=/d", Some(digest.as_str()), "01234567-b"),
            ("http://example.org/", Some(digest.as_str()), "01234567-file.bin"),
            ("http://example.org", Some(digest.as_str()), "01234567-file.bin"),
            (
                "http://example.org/a/..",
                Some(digest.as_str()),
                "01234567-file.bin",
            ),
        ] {
            assert_eq!(cache_name(url, sha256), expected);
        }
        let long = cache_name(&format!("http://h/{}ä.tar.gz", "x".repeat(300)), None);
        assert!(long.len() < 220 && long.ends_with("ä.tar.gz"), "{long}");
    }

    #[test]
    fn local_sources() {
        let dir = std::env::temp_dir().join(format!("vagga-local-{}", std::process::id()));
        fs::create_dir_all(dir.join("p/a")).unwrap();
        fs::create_dir_all(dir.join("v")).unwrap();
        for name in ["p/a/b", "v/x", "secret"] {
            fs::write(dir.join(name), name).unwrap();
        }
        for (target, name) in [("a/b", "p/l"), ("../secret", "p/out"), ("/etc/passwd", "p/abs")] {
            std::os::unix::fs::symlink(target, dir.join(name)).unwrap();
        }
        let dir = dir.canonicalize().unwrap();
        let volumes = BTreeMap::from([(PathBuf::from("v"), dir.join("v"))]);
        let path = |url| local_path(url, &dir.join("p"), &volumes);
        for (url, expected) in [
            ("./a/b", "p/a/b"),
            ("./l", "p/a/b"),
            (".", "p"),
            ("/volumes/v/x", "v/x"),
            ("/volumes/v", "v"),
        ] {
            assert_eq!(path(url).unwrap().unwrap(), dir.join(expected), "{url}");
        }
        for url in ["../x", "./a/../../x", "/volumes/w/x", "./none", "./out", "./abs"] {
            assert!(path(url).unwrap().is_err(), "{url}");
        }
        assert!(path("http://x/y").is_none());
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn digests_are_checked_for_form() {
        assert_eq!(check_digest(&"AB".repeat(32)).unwrap(), "ab".repeat(32));
        for bad in ["", "abc", "xyzxyzxyz", &"a".repeat(65)] {
            assert!(check_digest(bad).is_err(), "{bad}");
        }
    }
}
