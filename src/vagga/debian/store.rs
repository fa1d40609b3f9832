//! The cache of archive files, `<cache>/debian/`: by digest, shared by all builds and projects.
//!
//! ```text
//! sha256/ab/abcd…      package files and indexes, named by their digest, verified before they get the name
//! releases/NAME        the newest InRelease seen of each suite (still signed, verified again on every use)
//! plans/KEY            results of dependency resolution, keyed by the digests of the indexes
//! lock                 held shared by builds, alone by `_clean --cache`
//! tmp/                 downloads in progress (resumed when interrupted)
//! tmp/build.RANDOM/    scratch space of a build, removed by the next one if the build was killed
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::mirror;
use super::Error;
use crate::sys::fs::{lock, lock_waiting, Lock, Scratch};
use crate::vagga::fetch::{self, digest, Client, FetchError, Proxies};

/// Largest file taken without a known size, in bytes: `InRelease` has some 150 kB.
const MAX_FRESH: u64 = 64 << 20;

/// How files come from a mirror; the store does naming, digests, locking and `file:` itself.
pub trait Transport {
    /// Fetches `url` into `part`, continuing after what the file already holds if the server can. `size` is the
    /// expected size in bytes, if known.
    fn get(&mut self, url: &str, part: &Path, size: Option<u64>) -> Result<(), TransportError>;

    /// Fetches many files of known digest to their places, checking the digests.
    /// `scratch` is a directory of the caller alone.
    fn get_all(
        &mut self,
        files: &[fetch::Wanted],
        scratch: &Path,
        progress: fetch::OnProgress,
    ) -> Result<(), TransportError>;
}

/// HTTP by vagga's client, several files at once.
pub struct Http {
    proxies: Proxies,
    client: Option<Client>,
}

impl Http {
    /// `proxies`: see the setting `proxy-env-vars`.
    pub fn new(proxies: Proxies) -> Http {
        Http {
            proxies,
            client: None,
        }
    }
}

impl Transport for Http {
    fn get(&mut self, url: &str, part: &Path, size: Option<u64>) -> Result<(), TransportError> {
        let client = self.client.get_or_insert_with(|| Client::new(&self.proxies));
        client
            .download(
                url,
                part,
                size.is_some(),
                size.or(Some(MAX_FRESH)),
                &mut |_, _| {},
            )
            .map(|_| ())
            .map_err(classify)
    }

    fn get_all(
        &mut self,
        files: &[fetch::Wanted],
        scratch: &Path,
        progress: fetch::OnProgress,
    ) -> Result<(), TransportError> {
        let proxies = &self.proxies;
        fetch::fetch_all(&|| Client::new(proxies), files, scratch, progress).map_err(classify)
    }
}

/// Some servers answer 403 for files they do not have.
fn classify(error: FetchError) -> TransportError {
    let missing = ["answered 404", "answered 403", "answered 410"];
    match missing.iter().any(|m| error.0.contains(m)) {
        true => TransportError::NotFound,
        false => TransportError::Failed(error.0),
    }
}

/// Why a file did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportError {
    /// The server has no such file (HTTP 404, 403 of some mirrors, 410).
    NotFound,
    /// Anything else, in words.
    Failed(String),
}

impl std::fmt::Display for TransportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TransportError::NotFound => f.write_str("not found"),
            TransportError::Failed(why) => f.write_str(why),
        }
    }
}

/// A file known by its content.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Hex.
    pub sha256: &'a str,
    /// Bytes.
    pub size: u64,
}

/// Held by builds as long as they count on files in the store `dir`.
pub fn lock_path(dir: &Path) -> PathBuf {
    dir.join("lock")
}

/// The cache and the way to the mirrors.
pub struct Store<'t> {
    /// Shared with other builds; `_clean --cache` takes it alone.
    _lock: Lock,
    scratch: Scratch,
    dir: PathBuf,
    transport: &'t mut dyn Transport,
}

impl<'t> Store<'t> {
    /// Opens (and creates) the store in `dir`.
    pub fn open(dir: &Path, transport: &'t mut dyn Transport) -> io::Result<Store<'t>> {
        for sub in ["sha256", "releases", "plans", "tmp"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let lock = lock(&lock_path(dir), false, true)?.ok_or(io::ErrorKind::WouldBlock)?;
        let scratch = Scratch::new(&dir.join("tmp"), "build")?;
        Ok(Store {
            _lock: lock,
            scratch,
            dir: dir.to_path_buf(),
            transport,
        })
    }

    /// Scratch space on the same file system, of this process alone.
    pub fn tmp(&self) -> &Path {
        self.scratch.path()
    }

    /// Where the newest `InRelease` of a suite is kept.
    pub fn release_path(&self, url: &str, suite: &str) -> PathBuf {
        self.dir.join("releases").join(mirror::flat_name(url, suite))
    }

    /// Where the result of a resolution is kept.
    pub fn plan_path(&self, key: &str) -> PathBuf {
        self.dir.join("plans").join(key)
    }

    /// Where a file of this digest is, or would be.
    pub fn path_of(&self, sha256: &str) -> PathBuf {
        let hex = sha256.to_ascii_lowercase();
        self.dir
            .join("sha256")
            .join(hex.get(..2).unwrap_or("xx"))
            .join(hex)
    }

    /// Whether the file is here with the right size; its digest was checked when it came.
    pub fn has(&self, wanted: Wanted<'_>) -> bool {
        fs::metadata(self.path_of(wanted.sha256)).is_ok_and(|m| m.is_file() && m.len() == wanted.size)
    }

    /// The path of a file by its digest, fetched from `url` unless it is here. `what` is for messages.
    pub fn by_digest(&mut self, url: &str, wanted: Wanted<'_>, what: &str) -> Result<PathBuf, Fetch> {
        let path = self.path_of(wanted.sha256);
        if self.has(wanted) {
            return Ok(path);
        }
        let io = |e: io::Error| Fetch::Failed(format!("cannot keep {what} in {}: {e}", path.display()));
        fs::create_dir_all(path.parent().unwrap_or(&self.dir)).map_err(io)?;
        let part = self
            .dir
            .join("tmp")
            .join(format!("{}.part", wanted.sha256.to_ascii_lowercase()));
        let lock_path = part.with_extension("lock");
        let _lock = lock_waiting(&lock_path, || {}).map_err(io)?;
        if self.has(wanted) {
            return Ok(path);
        }
        self.get(url, &part, Some(wanted.size))?;
        if let Err(why) = check(&part, wanted) {
            remove(&part);
            return Err(Fetch::Failed(format!(
                "{what} from {url} is not what the archive's index promises: {why}"
            )));
        }
        fs::rename(&part, &path).map_err(io)?;
        remove(&lock_path);
        Ok(path)
    }

    /// Makes sure that all of these files (URL, content) are here.
    pub fn all_by_digest(
        &mut self,
        files: &[(String, Wanted<'_>)],
        progress: fetch::OnProgress,
    ) -> Result<(), Fetch> {
        let mut remote = Vec::new();
        for (url, wanted) in files {
            if self.has(*wanted) {
                continue;
            }
            if mirror::local_path(url).is_some() {
                self.by_digest(url, *wanted, url)?;
                continue;
            }
            remote.push(fetch::Wanted {
                url: url.clone(),
                sha256: Some(wanted.sha256.to_ascii_lowercase()),
                size: wanted.size,
                target: self.path_of(wanted.sha256),
            });
        }
        self.transport
            .get_all(&remote, self.scratch.path(), progress)
            .map_err(|e| match e {
                TransportError::NotFound => Fetch::NotFound("a package file".into()),
                TransportError::Failed(why) => Fetch::Failed(why),
            })
    }

    /// Fetches a file that has no known digest into the scratch space.
    pub fn fresh(&mut self, url: &str, name: &str) -> Result<PathBuf, Fetch> {
        let path = self.tmp().join(name);
        remove(&path);
        self.get(url, &path, None)?;
        Ok(path)
    }

    fn get(&mut self, url: &str, part: &Path, size: Option<u64>) -> Result<(), Fetch> {
        get(self.transport, url, part, size)
    }
}

/// Fetches `url`, which may be a `file:` one, into `part`; see [`Transport::get`].
pub fn get(transport: &mut dyn Transport, url: &str, part: &Path, size: Option<u64>) -> Result<(), Fetch> {
    let Some(local) = mirror::local_path(url) else {
        return transport.get(url, part, size).map_err(|e| match e {
            TransportError::NotFound => Fetch::NotFound(url.to_string()),
            TransportError::Failed(why) => Fetch::Failed(why),
        });
    };
    match fs::copy(local, part) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Fetch::NotFound(url.to_string())),
        Err(e) => Err(Fetch::Failed(format!("cannot read {}: {e}", local.display()))),
    }
}

/// Why the store has not got a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetch {
    /// The mirror lacks it; the URL.
    NotFound(String),
    /// In words.
    Failed(String),
}

impl From<Fetch> for Error {
    fn from(e: Fetch) -> Error {
        match e {
            Fetch::NotFound(url) => Error::new(format!("{url} does not exist on the mirror")),
            Fetch::Failed(why) => Error::new(why),
        }
    }
}

/// Compares a file with what was wanted.
fn check(path: &Path, wanted: Wanted<'_>) -> Result<(), String> {
    let size = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size != wanted.size {
        return Err(format!("{size} bytes instead of {}", wanted.size));
    }
    let got = digest::sha256_of(path).map_err(|e| e.to_string())?;
    if !got.eq_ignore_ascii_case(wanted.sha256) {
        return Err(format!("sha256 {got} instead of {}", wanted.sha256));
    }
    Ok(())
}

/// Removes a file of ours that may not exist.
pub fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => log::warn!("cannot remove {}: {e}", path.display()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Canned(Vec<u8>, usize);

    impl Transport for Canned {
        fn get(&mut self, url: &str, part: &Path, _size: Option<u64>) -> Result<(), TransportError> {
            self.1 += 1;
            if url.ends_with("missing") {
                return Err(TransportError::NotFound);
            }
            fs::write(part, &self.0).map_err(|e| TransportError::Failed(e.to_string()))
        }

        fn get_all(
            &mut self,
            _: &[fetch::Wanted],
            _: &Path,
            _: fetch::OnProgress,
        ) -> Result<(), TransportError> {
            Err(TransportError::NotFound)
        }
    }

    #[test]
    fn keeps_by_digest_and_refuses_the_rest() {
        let dir = std::env::temp_dir().join(format!("vagga-store-{}", std::process::id()));
        let mut canned = Canned(b"hello".to_vec(), 0);
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let wanted = Wanted { sha256, size: 5 };
        let mut store = Store::open(&dir, &mut canned).unwrap();
        let path = store.by_digest("http://m/x", wanted, "x").unwrap();
        assert_eq!(store.by_digest("http://m/x", wanted, "x").unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), b"hello");
        let other = Wanted {
            sha256: &sha256.replace('2', "3"),
            size: 5,
        };
        assert!(
            matches!(store.by_digest("http://m/x", other, "x"), Err(Fetch::Failed(w)) if w.contains("sha256 2cf"))
        );
        let short = Wanted {
            sha256: &sha256.replace('2', "4"),
            size: 6,
        };
        assert!(
            matches!(store.by_digest("http://m/x", short, "x"), Err(Fetch::Failed(w)) if w.contains("5 bytes"))
        );
        let missing = store.by_digest("http://m/missing", other, "x");
        assert_eq!(missing, Err(Fetch::NotFound("http://m/missing".into())));
        let local = dir.join("local");
        fs::write(&local, b"local").unwrap();
        let fresh = store.fresh(&format!("file://{}", local.display()), "l").unwrap();
        assert_eq!(fs::read(fresh).unwrap(), b"local");
        assert!(fs::read_dir(dir.join("tmp"))
            .unwrap()
            .all(|e| !e.unwrap().path().ends_with(".part")));
        assert_eq!(canned.1, 4);
        fs::remove_dir_all(&dir).unwrap();
    }
}
