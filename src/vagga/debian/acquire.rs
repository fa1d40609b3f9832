//! From a mirror's URL to a verified list of packages: releases, indexes, the choice of packages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::Sha256;

use super::choice::{self, Choice};
use super::mirror::{Archive, Family};
use super::packages::{self, Index};
use super::release::{self, Release};
use super::resolve;
use super::store::{self, Fetch, Store, Wanted};
use super::variant::Variant;
use super::verify::{self, Keyring, Refusal, Verifier};
use super::Error;
use crate::vagga::fetch::{self, digest};

/// Changes when the rules of resolution change, so that kept results are not used any more.
const RULES: &str = "1";

/// How signatures are treated.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Accept anything.
    pub unverified: bool,
    /// Keyrings to try in turn; the next one only if the signing key is unknown to the one before.
    pub keyrings: Vec<Keyring>,
    /// `None`: neither gpgv nor sqv.
    pub verifier: Option<Verifier>,
}

impl Trust {
    /// The keyring given, else the host's, else the one shipped with us.
    pub fn new(family: Family, keyring: Option<&Path>, unverified: bool) -> Trust {
        let host = family
            .host_keyrings()
            .iter()
            .map(PathBuf::from)
            .find(|p| p.is_file());
        let parts = || trusted_parts(Path::new("/etc/apt/trusted.gpg.d"), family);
        let mut keyrings = Vec::new();
        match keyring {
            Some(path) => keyrings.push(Keyring::Files(vec![path.to_path_buf()])),
            None => {
                keyrings.extend(host.map(|h| Keyring::Files(vec![h])).or_else(parts));
                keyrings.extend((family == Family::Debian).then_some(Keyring::Shipped));
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        Trust {
            unverified,
            keyrings,
            verifier: Verifier::find(&path),
        }
    }
}

/// The distribution's own keys among the host's trusted parts.
fn trusted_parts(dir: &Path, family: Family) -> Option<Keyring> {
    let prefix = format!("{}-", family.id());
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .ok()?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with(&prefix))
        })
        .collect();
    files.sort();
    (!files.is_empty()).then_some(Keyring::Files(files))
}

/// A suite with its verified release file.
#[derive(Debug, Clone)]
pub struct Suite {
    pub archive: Archive,
    pub release: Release,
}

/// Fetches and verifies the releases of `archives`; those not required may be missing.
pub fn suites(
    store: &mut Store<'_>,
    family: Family,
    archives: &[Archive],
    trust: &Trust,
) -> Result<Vec<Suite>, Error> {
    let mut suites = Vec::new();
    for archive in archives {
        match suite(store, family, archive, trust)? {
            Some(release) => suites.push(Suite {
                archive: archive.clone(),
                release,
            }),
            None if archive.required => {
                return Err(
                    Error::new(format!("{} has no suite {:?}", archive.url, archive.suite)).with_hint(
                        format!(
                            "check the codename, the option `mirror` and the setting `{}`",
                            family.setting()
                        ),
                    ),
                )
            }
            None => log::warn!(
                "{} has no suite {:?}: going on without these updates",
                archive.url,
                archive.suite
            ),
        }
    }
    Ok(suites)
}

fn suite(
    store: &mut Store<'_>,
    family: Family,
    archive: &Archive,
    trust: &Trust,
) -> Result<Option<Release>, Error> {
    let url = format!("{}/dists/{}/InRelease", archive.url, archive.suite);
    let kept = store.release_path(&archive.url, &archive.suite);
    let seen = read(store, family, archive, trust, &kept).ok();
    let fresh = match store.fresh(&url, "InRelease") {
        Ok(path) => path,
        Err(Fetch::NotFound(_)) => return Ok(None),
        Err(Fetch::Failed(why)) => {
            let seen = seen.ok_or_else(|| {
                Error::new(why.clone())
                    .with_hint(format!("is the mirror right? setting `{}`", family.setting()))
            })?;
            let date = seen.date.map_or("unknown date".to_string(), release::show_date);
            log::warn!("{why}: using the release file of {date} from the cache");
            return Ok(Some(seen));
        }
    };
    let result = read(store, family, archive, trust, &fresh);
    let release = match result {
        Ok(release) => release,
        Err(e) => {
            store::remove(&fresh);
            return Err(e.context(&url));
        }
    };
    if let Some((seen, why)) = seen.and_then(|s| release.check_not_older(&s).err().map(|why| (s, why))) {
        log::warn!("{url}: {why}; using the newer one from the cache");
        store::remove(&fresh);
        return Ok(Some(seen));
    }
    fs::rename(&fresh, &kept).map_err(|e| Error::io("cannot keep the release file in", &kept, &e))?;
    Ok(Some(release))
}

/// Verifies and checks one release file.
fn read(
    store: &Store<'_>,
    family: Family,
    archive: &Archive,
    trust: &Trust,
    file: &Path,
) -> Result<Release, Error> {
    let text = if trust.unverified {
        let bytes = fs::read(file).map_err(|e| Error::io("cannot read", file, &e))?;
        verify::unverified_text(&bytes)
    } else {
        verified(store, family, trust, file)?
    };
    let release = release::parse(&text).map_err(Error::new)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs() as i64);
    release
        .check_suite(&archive.suite)
        .and_then(|()| release.check_time(now))
        .map_err(Error::new)?;
    Ok(release)
}

fn verified(store: &Store<'_>, family: Family, trust: &Trust, file: &Path) -> Result<Vec<u8>, Error> {
    let refuse = |refusal: &Refusal| {
        let hint = match refusal {
            Refusal::NoVerifier => {
                "install gpgv (package gpgv, gnupg2 or gnupg) or sqv; or, if you trust the \
                                    network and the mirror, set `trusted: true`"
                    .to_string()
            }
            Refusal::UnknownKey(_) => format!(
                "install {} on the host, or name the archive's key with the option `keyring`",
                family.keyring_package()
            ),
            Refusal::Bad(_) => "the mirror or the network is broken or hostile; nothing was used".to_string(),
        };
        Error::new(format!("the signature cannot be accepted: {refusal}")).with_hint(hint)
    };
    let Some(verifier) = &trust.verifier else {
        return Err(refuse(&Refusal::NoVerifier));
    };
    let mut last = Refusal::UnknownKey(Vec::new());
    for keyring in &trust.keyrings {
        match verify::verify(verifier, keyring, file, store.tmp()) {
            Ok(text) => return Ok(text),
            Err(unknown @ Refusal::UnknownKey(_)) => last = unknown,
            Err(other) => return Err(refuse(&other)),
        }
    }
    Err(refuse(&last))
}

/// What is to be installed.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub arch: &'a str,
    pub components: &'a [String],
    pub variant: Variant,
    /// Further packages by name.
    pub also: &'a [String],
}

/// Chooses the packages. Indexes are read only if the same question was not answered before.
pub fn choose(store: &mut Store<'_>, suites: &[Suite], request: &Request<'_>) -> Result<Vec<Choice>, Error> {
    let indexes = list_indexes(suites, request)?;
    let kept = store.plan_path(&key(&indexes, request));
    if let Some(choices) = fs::read_to_string(&kept).ok().and_then(|t| choice::from_text(&t)) {
        return Ok(choices);
    }
    let mut index = Index::default();
    for (nth, path, listed) in &indexes {
        let suite = suites
            .get(usize::from(*nth))
            .ok_or_else(|| Error::new("suite vanished"))?;
        let file = fetch_index(store, suite, path, listed)?;
        packages::open(&file)
            .map_err(|e| e.to_string())
            .and_then(|input| index.read(input, *nth))
            .map_err(|e| {
                Error::new(format!(
                    "{}/dists/{}/{path}: {e}",
                    suite.archive.url, suite.archive.suite
                ))
            })?;
    }
    let choices =
        resolve::resolve(&index, request.arch, request.variant, request.also).map_err(Error::new)?;
    write_atomically(store.tmp(), &kept, choice::to_text(&choices).as_bytes())
        .map_err(|e| Error::io("cannot keep the package list in", &kept, &e))?;
    Ok(choices)
}

type Listing = (u16, String, release::Listed);

/// The `Packages` files of all suites and components, in their best compression.
fn list_indexes(suites: &[Suite], request: &Request<'_>) -> Result<Vec<Listing>, Error> {
    let mut all = Vec::new();
    for (nth, suite) in (0u16..).zip(suites) {
        for component in request.components {
            let base = format!("{component}/binary-{}/Packages", request.arch);
            let found = [".xz", ".zst", ".gz", ""].iter().find_map(|ending| {
                let path = format!("{base}{ending}");
                suite
                    .release
                    .files
                    .get(&path)
                    .map(|listed| (path, listed.clone()))
            });
            match found {
                Some((path, listed)) => all.push((nth, path, listed)),
                None if suite.archive.required => {
                    return Err(Error::new(format!(
                        "{}/dists/{} has no packages of component {component:?} for {} (components: {}; \
                         architectures: {})",
                        suite.archive.url,
                        suite.archive.suite,
                        request.arch,
                        suite.release.components.join(" "),
                        suite.release.architectures.join(" ")
                    )))
                }
                None => log::info!("suite {} has no component {component}", suite.archive.suite),
            }
        }
    }
    Ok(all)
}

/// Fetches one index, by its digest where the mirror offers that (an update of the mirror cannot interfere).
fn fetch_index(
    store: &mut Store<'_>,
    suite: &Suite,
    path: &str,
    listed: &release::Listed,
) -> Result<PathBuf, Error> {
    let wanted = Wanted {
        sha256: &listed.sha256,
        size: listed.size,
    };
    let base = format!("{}/dists/{}", suite.archive.url, suite.archive.suite);
    let plain = format!("{base}/{path}");
    if suite.release.by_hash {
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let by_hash = format!("{base}/{dir}/by-hash/SHA256/{}", listed.sha256);
        match store.by_digest(&by_hash, wanted, path) {
            Err(Fetch::NotFound(_)) => {}
            other => return Ok(other?),
        }
    }
    store.by_digest(&plain, wanted, path).map_err(|e| {
        Error::from(e).with_hint("the mirror may be in the middle of an update or incomplete; try later")
    })
}

fn key(indexes: &[Listing], request: &Request<'_>) -> String {
    let indexes: Vec<String> = indexes
        .iter()
        .map(|(nth, path, listed)| format!("{nth} {path} {}", listed.sha256))
        .collect();
    let fixed = [RULES, request.arch, request.variant.name()];
    let names = request.also.iter().map(String::as_str);
    let indexes = indexes.iter().map(String::as_str);
    digest::of_texts::<Sha256>(fixed.into_iter().chain(names).chain(indexes))
}

/// Fetches the packages; their paths in the order of `choices`. `progress` gets bytes.
pub fn fetch_packages(
    store: &mut Store<'_>,
    suites: &[Suite],
    choices: &[Choice],
    progress: fetch::OnProgress,
) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::with_capacity(choices.len());
    for choice in choices {
        let suite = suites
            .get(usize::from(choice.archive))
            .ok_or_else(|| Error::new("suite vanished"))?;
        let url = format!("{}/{}", suite.archive.url, choice.filename);
        files.push((
            url,
            Wanted {
                sha256: &choice.sha256,
                size: choice.size,
            },
        ));
    }
    store.all_by_digest(&files, progress).map_err(|e| {
        Error::from(e).with_hint("the mirror may be in the middle of an update or incomplete; try later")
    })?;
    Ok(choices.iter().map(|c| store.path_of(&c.sha256)).collect())
}

fn write_atomically(scratch: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = scratch.join("plan");
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}
