//! An active Alpine system: packages by our own reader of repositories, in the root of the build.
//!
//! The image's `/etc/apk/repositories`, `/etc/apk/keys` and `/etc/apk/world` count as they are at the moment, so steps
//! may change them, also with apk in the container.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_derive::{Deserialize, Serialize};

use super::apk::Apk;
use super::cache::Cache;
use super::database::Database;
use super::dependency::{self, Dependency};
use super::features;
use super::installed;
use super::keys::{Keys, MAX_KEY};
use super::package::Package;
use super::repository::{self, Repository};
use super::resolve;
use super::transaction::{self, Plan};
use super::universe::Universe;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::distro::{Distribution, Feature, Saved};
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::AlpineRepo;

const REPOSITORIES: &str = "/etc/apk/repositories";
const KEYS: &str = "/etc/apk/keys";
const CACHE: &str = "/etc/apk/cache";
const ARCH: &str = "/etc/apk/arch";
/// What every system begins with.
const BASE: &str = "alpine-base";

/// The distribution of a build whose packages are apk's.
#[derive(Debug)]
pub struct AlpineSystem {
    version: String,
    arch: String,
    /// The caches are mounted and the environment is set.
    prepared: bool,
    /// Keys of the setting and of steps.
    keys: Keys,
    /// Repositories whose signatures do not matter.
    trusted: BTreeSet<String>,
    /// Repositories whose indexes were read in this build; packages refer to them by their place.
    known: Vec<(Repository, Vec<Package>)>,
    /// Names that `!Install` wants to stay.
    kept: BTreeSet<String>,
    /// Names to remove at the end.
    build_deps: BTreeSet<String>,
}

/// What is kept of a system with a layer. Keys are in the image, indexes are read again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedAlpine {
    version: String,
    arch: String,
    prepared: bool,
    trusted: BTreeSet<String>,
    kept: BTreeSet<String>,
    build_deps: BTreeSet<String>,
}

/// `!Alpine`: from nothing to a configured system in the builder's root.
pub fn bootstrap(b: &mut Builder, version: &str) -> Result<(), StepError> {
    b.state.set_distribution(Box::new(AlpineSystem::new(version)?))?;
    if !b.root.exists(REPOSITORIES) {
        let mirror = repository::mirror(b.project.settings.alpine_mirror.as_deref());
        write(b, REPOSITORIES, format!("{mirror}{version}/main\n").as_bytes())?;
    }
    b.with_distribution(|distribution, b| match distribution.as_alpine() {
        Some(system) => system.base(b),
        None => Ok(()),
    })?;
    // The new system has brought files of its own.
    b.refresh_resolver()
}

/// For a derived container: the system is there already.
pub fn replay(b: &mut Builder, version: &str) -> Result<(), StepError> {
    let mut system = AlpineSystem::new(version)?;
    system.prepare(b)?;
    b.state.set_distribution(Box::new(system))
}

impl AlpineSystem {
    /// The system of a release, nothing done yet.
    ///
    /// Errors: no version of Alpine.
    pub fn new(version: &str) -> Result<AlpineSystem, StepError> {
        if !repository::is_version(version) {
            return Err(
                StepError::new(format!("Error checking alpine version: {version:?}"))
                    .with_hint("write a release like v3.22, or edge, or latest-stable"),
            );
        }
        Ok(AlpineSystem {
            version: version.to_string(),
            arch: repository::native_arch().to_string(),
            prepared: false,
            keys: Keys::default(),
            trusted: BTreeSet::new(),
            known: Vec::new(),
            kept: BTreeSet::new(),
            build_deps: BTreeSet::new(),
        })
    }

    /// Goes on in a later build behind the step that the system was kept after.
    pub fn resume(saved: SavedAlpine) -> Result<AlpineSystem, StepError> {
        Ok(AlpineSystem {
            arch: saved.arch,
            prepared: saved.prepared,
            trusted: saved.trusted,
            kept: saved.kept,
            build_deps: saved.build_deps,
            ..AlpineSystem::new(&saved.version)?
        })
    }

    fn base(&mut self, b: &mut Builder) -> Result<(), StepError> {
        write(b, ARCH, format!("{}\n", self.arch).as_bytes())?;
        self.add(b, &[BASE.to_string()])
    }

    /// Mounts the cache, sets the environment, reads the keys of the setting; once per build.
    fn prepare(&mut self, b: &mut Builder) -> Result<(), StepError> {
        if self.prepared {
            return Ok(());
        }
        b.environ.insert("LANG".into(), "en_US.UTF-8".into());
        if let Some(path) = b.project.settings.alpine_keys.clone() {
            self.add_keys(b, &[b.project.root.join(path)])?;
        }
        if !b.root.exists(CACHE) {
            // apk would begin to fill it in the image.
            b.state.remove.insert(CACHE.into());
        }
        b.mount_cache(Path::new(CACHE), Path::new("alpine-cache"))?;
        self.prepared = true;
        Ok(())
    }

    /// Trusts keys, and lets apk in the container trust them.
    fn add_keys(&mut self, b: &mut Builder, paths: &[PathBuf]) -> Result<(), StepError> {
        for path in paths {
            let read = self.keys.add_path(path).map_err(StepError::new)?;
            for (name, pem) in read {
                write(b, &format!("{KEYS}/{name}"), pem.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Every key that counts: those of the settings and steps, of the distribution, of the image.
    fn all_keys(&self, b: &Builder) -> Result<Keys, StepError> {
        let mut keys = Keys::shipped(&self.arch);
        let entries = match b.root.read_dir(KEYS) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.at("read", KEYS)?,
        };
        for entry in entries {
            let path = Path::new(KEYS).join(&entry.name);
            let mut pem = String::new();
            let read = b
                .root
                .open_read(&path)
                .and_then(|f| f.take(MAX_KEY).read_to_string(&mut pem));
            if read
                .map_err(|e| e.to_string())
                .and_then(|_| keys.add(&entry.name.to_string_lossy(), &pem))
                .is_err()
            {
                log::warn!("{} of the image is not a key of apk", path.display());
            }
        }
        keys.extend(&self.keys);
        Ok(keys)
    }

    /// The repositories of the image.
    fn repositories(&self, b: &Builder) -> Result<Vec<Repository>, StepError> {
        let text = b
            .root
            .open_read(REPOSITORIES)
            .and_then(io::read_to_string)
            .at("read", REPOSITORIES)?;
        let all = repository::parse(&text);
        let (inside, usable): (Vec<_>, Vec<_>) = all.into_iter().partition(|r| r.url.starts_with('/'));
        for repository in inside {
            log::warn!(
                "repository {} is left out: only apk itself can read directories of the image",
                repository.url
            );
        }
        Ok(usable)
    }

    /// Reads the indexes that were not read in this build.
    fn read_indexes(
        &mut self,
        b: &mut Builder,
        cache: &mut Cache,
        repositories: &[Repository],
        keys: &Keys,
    ) -> Result<(), StepError> {
        for repository in repositories {
            if self.known.iter().any(|(known, _)| known == repository) {
                continue;
            }
            let trusted = self.trusted.contains(&repository.url);
            if trusted {
                b.progress.warn(&format!(
                    "signatures of {} are not verified (trusted: true)",
                    repository.url
                ));
            }
            let keys = Some(keys).filter(|_| !trusted);
            let index = cache.index(repository, &self.arch, keys, self.known.len())?;
            self.known.push((repository.clone(), index));
        }
        Ok(())
    }

    fn cache(&self, b: &Builder) -> Result<Cache, StepError> {
        let dir = b.cache_dir(Path::new("alpine-cache"))?;
        Ok(Cache::new(&dir, b.project.settings.proxy_env_vars))
    }

    /// Adds packages to the world and makes the root fit it.
    fn add(&mut self, b: &mut Builder, requests: &[String]) -> Result<(), StepError> {
        self.prepare(b)?;
        let mut db = Database::load(&b.root)?;
        for request in requests {
            let dependency = Dependency::parse(request).ok_or_else(|| {
                StepError::new(format!("bad package {request:?}"))
                    .with_hint("write name, name=version, name<version, name~version or name@tag")
            })?;
            db.world.retain(|w| dependency::bare_name(w) != dependency.name);
            db.world.push(dependency.to_string());
        }
        let repositories = self.repositories(b)?;
        let keys = self.all_keys(b)?;
        let mut cache = self.cache(b)?;
        self.read_indexes(b, &mut cache, &repositories, &keys)?;
        let installed: Vec<Package> = db.packages.iter().map(|p| p.package.clone()).collect();
        let tags: Vec<Option<String>> = self.known.iter().map(|(r, _)| r.tag.clone()).collect();
        let current = self
            .known
            .iter()
            .filter(|(known, _)| repositories.contains(known));
        let packages = installed
            .iter()
            .chain(current.flat_map(|(_, index)| index))
            .collect();
        let chosen = choose(packages, &tags, &db)?;
        let wanted: Vec<(&Package, String)> = chosen
            .iter()
            .filter_map(|package| {
                let (repository, _) = self.known.get(package.repository?)?;
                Some((
                    *package,
                    format!("{}/{}/{}.apk", repository.url, self.arch, package.full_name()),
                ))
            })
            .collect();
        let progress = &mut b.progress;
        let opened = cache.packages(&wanted, &keys, &mut |done, all| {
            progress.bytes("packages", done, all)
        })?;
        let plan = plan(&db, &chosen, wanted, opened);
        transaction::commit(b, &mut db, &plan)
    }

    /// Takes the build dependencies out of the world, and what nobody needs out of the root.
    fn remove_build_deps(&mut self, b: &mut Builder) -> Result<(), StepError> {
        let names: BTreeSet<&String> = self.build_deps.difference(&self.kept).collect();
        if names.is_empty() {
            return Ok(());
        }
        let mut db = Database::load(&b.root)?;
        db.world
            .retain(|w| !names.iter().any(|name| *name == dependency::bare_name(w)));
        let packages: Vec<Package> = db.packages.iter().map(|p| p.package.clone()).collect();
        let chosen = choose(packages.iter().collect(), &[], &db)?;
        let plan = plan(&db, &chosen, Vec::new(), Vec::new());
        transaction::commit(b, &mut db, &plan)
    }

    fn write_package_list(&self, b: &mut Builder) -> Result<(), StepError> {
        let path = b.image_dir.join("alpine-packages.txt");
        let written = Database::load(&b.root)
            .map_err(|e| e.message)
            .and_then(|db| fs::write(&path, installed::listing(&db.packages)).map_err(|e| e.to_string()));
        if let Err(why) = written {
            b.progress.warn(&format!("cannot list the packages: {why}"));
        }
        Ok(())
    }

    /// `!AlpineRepo` and `!Repo`: adds a line to `/etc/apk/repositories`.
    pub fn add_repository(&mut self, b: &mut Builder, repo: &AlpineRepo) -> Result<(), StepError> {
        let repository = self.repository(b, repo)?;
        self.trust(b, repo)?;
        let paths: Vec<PathBuf> = repo.keys.iter().map(|key| b.project.root.join(key)).collect();
        self.add_keys(b, &paths)?;
        let mut text = match b.root.open_read(REPOSITORIES).and_then(io::read_to_string) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            other => other.at("read", REPOSITORIES)?,
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("{}\n", repository.line()));
        write(b, REPOSITORIES, text.as_bytes())
    }

    /// Remembers that signatures of the repository do not matter.
    pub fn trust(&mut self, b: &Builder, repo: &AlpineRepo) -> Result<(), StepError> {
        if repo.trusted {
            self.trusted.insert(self.repository(b, repo)?.url);
        }
        Ok(())
    }

    fn repository(&self, b: &Builder, repo: &AlpineRepo) -> Result<Repository, StepError> {
        let branch = repo.branch.as_deref().unwrap_or(&self.version);
        let tag_is_plain = repo.tag.as_deref().is_none_or(repository::is_component);
        if !repository::is_component(branch) || !repository::is_component(&repo.repo) || !tag_is_plain {
            return Err(
                StepError::new(format!("bad repository {branch:?}/{:?}", repo.repo))
                    .with_hint("branch, repo and tag are plain words like v3.22, community, edge"),
            );
        }
        let setting = b.project.settings.alpine_mirror.as_deref();
        let base = repository::mirror(repo.url.as_deref().or(setting));
        Ok(Repository {
            url: format!("{base}{branch}/{}", repo.repo),
            tag: repo.tag.clone(),
        })
    }
}

/// The packages of the world, dependencies first.
fn choose<'p>(
    packages: Vec<&'p Package>,
    tags: &'p [Option<String>],
    db: &Database,
) -> Result<Vec<&'p Package>, StepError> {
    let universe = Universe::new(packages, tags);
    let world = dependency::parse_list(&db.world.join(" "))
        .map_err(|why| StepError::new(format!("/etc/apk/world of the image: {why}")))?;
    let places = resolve::resolve(&universe, &world).map_err(|why| {
        StepError::new(why).with_hint("is the name right, and the repository added (`!Repo community`)?")
    })?;
    Ok(places.into_iter().filter_map(|nth| universe.get(nth)).collect())
}

/// What has to change for the chosen packages to be the installed ones.
fn plan<'p>(
    db: &Database,
    chosen: &[&'p Package],
    wanted: Vec<(&'p Package, String)>,
    opened: Vec<Apk>,
) -> Plan<'p> {
    let names: BTreeSet<&str> = chosen.iter().map(|p| p.name.as_str()).collect();
    let installed = db.packages.iter().map(|p| p.package.name.clone());
    Plan {
        install: wanted
            .into_iter()
            .map(|(package, _)| package)
            .zip(opened)
            .collect(),
        remove: installed.filter(|name| !names.contains(name.as_str())).collect(),
    }
}

/// Writes a file of the root, making its directories.
fn write(b: &mut Builder, path: &str, bytes: &[u8]) -> Result<(), StepError> {
    let dir = Path::new(path).parent().unwrap_or(Path::new("/"));
    b.root.mkdir_all(dir, 0o755).at("create directory", dir)?;
    b.root
        .create(path, 0o644)
        .and_then(|mut f| f.write_all(bytes))
        .at("write", path)
}

impl Distribution for AlpineSystem {
    fn name(&self) -> String {
        format!("Alpine {}", self.version)
    }

    fn install(&mut self, b: &mut Builder, packages: &[String]) -> Result<(), StepError> {
        self.add(b, packages)?;
        self.replay_install(packages);
        Ok(())
    }

    fn build_deps(&mut self, b: &mut Builder, packages: &[String]) -> Result<(), StepError> {
        let before: BTreeSet<String> = Database::load(&b.root)?
            .world
            .iter()
            .map(|w| dependency::bare_name(w).to_string())
            .collect();
        self.add(b, packages)?;
        let names = packages.iter().map(|p| dependency::bare_name(p).to_string());
        self.build_deps
            .extend(names.filter(|name| !before.contains(name)));
        Ok(())
    }

    fn add_repo(&mut self, b: &mut Builder, repo: &str) -> Result<(), StepError> {
        let (branch, repo) = match repo.split_once('/') {
            Some((branch, repo)) => (Some(branch.to_string()), repo),
            None => (None, repo),
        };
        let repo = repo.to_string();
        self.add_repository(
            b,
            &AlpineRepo {
                url: None,
                branch,
                repo,
                tag: None,
                keys: Vec::new(),
                trusted: false,
            },
        )
    }

    fn ensure_feature(&mut self, b: &mut Builder, feature: Feature) -> Result<(), StepError> {
        self.prepare(b)?;
        let (repositories, keys) = (self.repositories(b)?, self.all_keys(b)?);
        let mut cache = self.cache(b)?;
        self.read_indexes(b, &mut cache, &repositories, &keys)?;
        let names = self
            .known
            .iter()
            .flat_map(|(_, index)| index)
            .map(|p| p.name.as_str());
        let packages = features::packages(feature, &self.version, names)?;
        if !packages.kept.is_empty() {
            self.install(b, &packages.kept)?;
        }
        if !packages.build.is_empty() {
            self.build_deps(b, &packages.build)?;
        }
        Ok(())
    }

    fn finish(&mut self, b: &mut Builder) -> Result<(), StepError> {
        self.remove_build_deps(b)?;
        self.write_package_list(b)
    }

    fn replay_install(&mut self, packages: &[String]) {
        self.kept
            .extend(packages.iter().map(|p| dependency::bare_name(p).to_string()));
    }

    fn save(&self) -> Option<Saved> {
        Some(Saved::Alpine(SavedAlpine {
            version: self.version.clone(),
            arch: self.arch.clone(),
            prepared: self.prepared,
            trusted: self.trusted.clone(),
            kept: self.kept.clone(),
            build_deps: self.build_deps.clone(),
        }))
    }

    fn as_alpine(&mut self) -> Option<&mut AlpineSystem> {
        Some(self)
    }
}
