//! The cache `<cache>/alpine-cache/`, mounted at `/etc/apk/cache` of containers: indexes and package files, named as by
//! apk, which shares them.
//!
//! Whoever may write there is not believed: signatures and digests are checked on every use.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::apk::Apk;
use super::digest::Checksum;
use super::index;
use super::keys::Keys;
use super::package::Package;
use super::repository::Repository;
use super::Error;
use crate::sys::fs::Scratch;
use crate::vagga::debian::mirror::local_path;
use crate::vagga::debian::store::{self, Fetch, Http};
use crate::vagga::fetch::{self, Client, OnProgress, Proxies};

/// The cache and the way to the mirrors.
pub struct Cache {
    dir: PathBuf,
    proxies: bool,
    http: Http,
}

impl Cache {
    /// `proxies`: see the setting `proxy-env-vars`.
    pub fn new(dir: &Path, proxies: bool) -> Cache {
        Cache {
            dir: dir.to_path_buf(),
            proxies,
            http: Http::new(Proxies::by_setting(proxies)),
        }
    }

    /// The packages of a repository, from the network; from the cache with a warning when that fails. Without `keys`
    /// signatures do not matter.
    pub fn index(
        &mut self,
        repository: &Repository,
        arch: &str,
        keys: Option<&Keys>,
        nth: usize,
    ) -> Result<Vec<Package>, Error> {
        let url = format!("{}/{arch}/APKINDEX.tar.gz", repository.url);
        let short = Checksum::sha1(repository.url.as_bytes()).short();
        let kept = self.dir.join(format!("APKINDEX.{short}.tar.gz"));
        let scratch = self.scratch()?;
        let part = scratch.path().join("index");
        let packages = match store::get(&mut self.http, &url, &part, None) {
            Ok(()) => read_index(&part, &url, keys, nth),
            Err(Fetch::NotFound(url)) => Err(Error::new(format!("{url} does not exist"))
                .with_hint("check the version, the repository, and the setting `alpine-mirror`")),
            Err(Fetch::Failed(why)) => {
                let packages = read_index(&kept, &url, keys, nth).map_err(|_| {
                    Error::new(why.clone())
                        .with_hint("is the mirror reachable? It can be chosen by the setting `alpine-mirror`")
                })?;
                log::warn!("{why}: using the index from the cache");
                return Ok(packages);
            }
        };
        if packages.is_ok() {
            fs::rename(&part, &kept).map_err(|e| Error::io("cannot keep the index in", &kept, &e))?;
        }
        packages
    }

    /// Temporary files of this process, for one operation.
    fn scratch(&self) -> Result<Scratch, Error> {
        Scratch::new(&self.dir, ".fetch")
            .map_err(|e| Error::io("cannot make a temporary directory in", &self.dir, &e))
    }

    fn path_of(&self, package: &Package) -> PathBuf {
        self.dir.join(format!(
            "{}.{}.apk",
            package.full_name(),
            package.checksum.short()
        ))
    }

    /// The opened and verified files of packages (with the URL of each), in their order.
    pub fn packages(
        &mut self,
        wanted: &[(&Package, String)],
        keys: &Keys,
        progress: OnProgress,
    ) -> Result<Vec<Apk>, Error> {
        // What was there already and is not right any more gets one more chance.
        let there: Vec<bool> = wanted.iter().map(|(p, _)| self.path_of(p).exists()).collect();
        self.fetch(wanted, progress)?;
        let mut opened = Vec::with_capacity(wanted.len());
        for ((package, url), was_there) in wanted.iter().zip(there) {
            let mut result = self.open(package, url, keys);
            if let (Err(e), true) = (&result, was_there) {
                log::warn!("{}: fetching it again", e.message);
                self.fetch(&[(package, url.clone())], progress)?;
                result = self.open(package, url, keys);
            }
            opened.push(result?);
        }
        Ok(opened)
    }

    fn fetch(&self, wanted: &[(&Package, String)], progress: OnProgress) -> Result<(), Error> {
        let files: Vec<fetch::Wanted> = wanted
            .iter()
            .map(|(package, url)| fetch::Wanted {
                url: local_path(url).map_or(url.clone(), |path| format!("file://{}", path.display())),
                sha256: None,
                size: package.size,
                target: self.path_of(package),
            })
            .collect();
        let proxies = Proxies::by_setting(self.proxies);
        let scratch = self.scratch()?;
        fetch::fetch_all(&|| Client::new(&proxies), &files, scratch.path(), progress)
            .map_err(|e| Error::new(e.0).with_hint("the mirror may be in the middle of an update; try later"))
    }

    /// Opens a package of the cache; one that is not right is removed.
    fn open(&self, package: &Package, url: &str, keys: &Keys) -> Result<Apk, Error> {
        let path = self.path_of(package);
        let opened = Apk::open(&path).and_then(|apk| apk.verify(package, keys).map(|()| apk));
        opened.map_err(|e| {
            store::remove(&path);
            Error::new(format!(
                "package {} from {url} is not what the index promises: {e}",
                package.full_name()
            ))
            .with_hint("the mirror or the network is broken or hostile; nothing of it was used")
        })
    }
}

fn read_index(path: &Path, url: &str, keys: Option<&Keys>, nth: usize) -> Result<Vec<Package>, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(index::MAX_FILE).read_to_end(&mut bytes))
        .map_err(|e| Error::io("cannot read", path, &e))?;
    index::read(&bytes, keys, nth).map_err(|e| match e {
        index::Error::Broken(why) => Error::new(format!("{url} cannot be used: {why}")),
        index::Error::Refused(why) => Error::new(format!("{url} cannot be accepted: {why}")).with_hint(
            "name the repository's key by the option `keys` of !AlpineRepo or the setting `alpine-keys`; or, if you trust \
             the network and the mirror, set `trusted: true`",
        ),
    })
}
