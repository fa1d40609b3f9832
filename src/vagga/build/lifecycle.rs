//! When a container is built: versions, dependencies, locks, commit, links.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::job::Job;
use super::metadata;
use super::pull;
use super::sandbox;
use super::Image;
use crate::sys::fs::Lock;
use crate::sys::process::Status;
use crate::vagga::cli::globals::BuildMode;
use crate::vagga::config::step::{Step, SubConfig, SubConfigSource};
use crate::vagga::config::Container;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids::{self, IdMaps};
use crate::vagga::image;
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;
use crate::vagga::version::{self, Digest, Version, VersionError};

/// One invocation's view: what is already known to be up to date.
pub(super) struct Lifecycle<'a> {
    project: &'a Project,
    storage: &'a Storage,
    mode: BuildMode,
    force: bool,
    done: BTreeMap<String, Image>,
    /// Containers being brought up, the outermost first; a cycle would be endless.
    active: Vec<String>,
    /// How the digests of versions stood before and after the steps, by container, see [`version::version_by_steps`].
    boundaries: RefCell<BTreeMap<String, Vec<Digest>>>,
}

impl<'a> Lifecycle<'a> {
    pub(super) fn new(
        project: &'a Project,
        storage: &'a Storage,
        mode: BuildMode,
        force: bool,
    ) -> Lifecycle<'a> {
        Lifecycle {
            project,
            storage,
            mode,
            force,
            done: BTreeMap::new(),
            active: Vec::new(),
            boundaries: RefCell::default(),
        }
    }

    /// Brings one container up to date, and what it is built from only if it has to be built.
    pub(super) fn bring_up(&mut self, name: &str) -> Result<Image, Failure> {
        if let Some(image) = self.done.get(name) {
            return Ok(image.clone());
        }
        let project = self.project;
        let config = project
            .config
            .containers
            .get(name)
            .ok_or_else(|| fail(format!("Container {name:?} not found")))?;
        if self.active.iter().any(|n| n == name) {
            return Err(fail(format!("Container {name:?} has cyclic dependency")));
        }
        let image = match self.linked(name)? {
            Some(image) => image,
            None => {
                self.active.push(name.to_string());
                let image = self.check_and_build(name, config)?;
                self.active.pop();
                image
            }
        };
        self.done.insert(name.to_string(), image.clone());
        Ok(image)
    }

    /// With `--no-version-check` (or `version-check: false` and a link) whatever the link points to.
    fn linked(&self, name: &str) -> Result<Option<Image>, Failure> {
        let asked = self.mode == BuildMode::NoVersionCheck;
        let by_setting =
            !self.project.settings.version_check && self.mode == BuildMode::Normal && !self.force;
        if !asked && !by_setting {
            return Ok(None);
        }
        match self.storage.current(name) {
            None if asked => Err(Failure::new(
                exit::NOT_READY,
                format!("Container {name:?} was never built, and --no-version-check forbids to build it"),
            )),
            image => Ok(image),
        }
    }

    fn check_and_build(&mut self, name: &str, config: &Container) -> Result<Image, Failure> {
        let ids = ids::maps_for(&config.uids, &config.gids)?;
        if self.force {
            config.setup.iter().try_for_each(|step| self.fetch(step, true))?;
        }
        let mut version = self.version(name, &ids)?;
        if let Some(image) = self.usable(name, version, &ids) {
            self.settle(&image, config)?;
            return Ok(image);
        }
        if self.mode == BuildMode::NoBuild {
            let why = if version.is_some() {
                "is not up to date"
            } else {
                "has no known version before it is built"
            };
            return Err(Failure::new(
                exit::NOT_READY,
                format!("Container {name:?} {why}, and --no-build forbids to build it"),
            ));
        }
        ids::announce();
        self.explain_other_ids(name, version, &ids);
        if let Some(image) = self.pull(name, config, &ids, version)? {
            return Ok(image);
        }
        let images = self.dependencies(&config.setup)?;
        if version.is_none() {
            version = self.version(name, &ids)?;
            if let Some(image) = self.usable(name, version, &ids) {
                self.settle(&image, config)?;
                return Ok(image);
            }
        }
        self.build(name, config, &ids, version, images)
    }

    /// The version; `None` when it can be known only after the build.
    fn version(&self, name: &str, ids: &IdMaps) -> Result<Option<Version>, Failure> {
        let (version, boundaries) = version::version_by_steps(self.project, self.storage, ids, name);
        self.boundaries.borrow_mut().insert(name.to_string(), boundaries);
        match version {
            Ok(version) => Ok(Some(version)),
            Err(VersionError::NotReady(why)) => {
                log::info!("version of container {name:?} is not known yet: {why}");
                Ok(None)
            }
            Err(VersionError::Failed(failure)) => Err(Failure {
                exit: exit::LAUNCHER,
                message: format!("Container {name:?}: {}", failure.message),
                ..failure
            }),
        }
    }

    /// The image of a version if it exists and was built with the same id maps.
    fn usable(&self, name: &str, version: Option<Version>, ids: &IdMaps) -> Option<Image> {
        let dir = self
            .storage
            .image_dir(name, &version.filter(|_| !self.force)?.short());
        match metadata::same_maps(&dir, ids) {
            Ok(true) => Some(Image {
                name: name.to_string(),
                dir,
            }),
            Ok(false) => None,
            Err(e) => {
                if e.kind() != io::ErrorKind::NotFound {
                    log::warn!("can't read the id maps of {dir:?}: {e}");
                }
                None
            }
        }
    }

    /// Says why an image that exists is built again although nothing in the configuration has changed.
    fn explain_other_ids(&self, name: &str, version: Option<Version>, ids: &IdMaps) {
        let dir = version.map(|v| self.storage.image_dir(name, &v.short()));
        if let Some(dir) = dir.filter(|dir| matches!(metadata::same_maps(dir, ids), Ok(false))) {
            eprintln!("warning: {dir:?} was built with other user or group ids, it has to be built again");
        }
    }

    /// Brings up everything the steps refer to, in their order, looking into `!SubConfig` too.
    fn dependencies(&mut self, steps: &[Step]) -> Result<BTreeMap<String, Image>, Failure> {
        let mut images = BTreeMap::new();
        self.add_dependencies(steps, &mut images, 0)?;
        Ok(images)
    }

    fn add_dependencies(
        &mut self,
        steps: &[Step],
        images: &mut BTreeMap<String, Image>,
        depth: u32,
    ) -> Result<(), Failure> {
        const MAX_DEPTH: u32 = 50;
        for step in steps {
            let name = match step {
                Step::Container(name) => Some(name),
                Step::Build(b) => Some(&b.container),
                Step::SubConfig(SubConfig {
                    source: SubConfigSource::Container(name),
                    ..
                }) => Some(name),
                _ => None,
            };
            if let Some(name) = name {
                let image = self.bring_up(name)?;
                images.insert(name.clone(), image);
            }
            self.fetch(step, false)?;
            if let (Step::SubConfig(s), true) = (step, depth < MAX_DEPTH) {
                let included = self.included(s, images);
                self.add_dependencies(&included, images, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The repository of a `!SubConfig`, if it comes from one; what is there already stays as it is unless `refresh`.
    fn fetch(&self, step: &Step, refresh: bool) -> Result<(), Failure> {
        let Step::SubConfig(SubConfig {
            source: SubConfigSource::Git(git),
            ..
        }) = step
        else {
            return Ok(());
        };
        let kept = super::step::keep_repository(self.project, self.storage, git, refresh);
        kept.map(drop).map_err(|e| Failure {
            hint: e.hint,
            ..fail(format!("!SubConfig: {}", e.message))
        })
    }

    /// The steps behind a `!SubConfig`; none when it cannot be read, which the build will report.
    fn included(&self, s: &SubConfig, images: &BTreeMap<String, Image>) -> Vec<Step> {
        let root = match &s.source {
            SubConfigSource::Directory => Some(self.project.root.clone()),
            SubConfigSource::Container(name) => images.get(name).map(Image::root),
            SubConfigSource::Git(git) => Some(self.storage.checkout(git)),
        };
        root.and_then(|root| crate::sys::path::Root::open(&root).ok())
            .and_then(|root| version::load_steps(&root, s).ok())
            .unwrap_or_default()
    }

    /// Takes the build lock; returns the build directory with it.
    fn lock(&self, name: &str, version: Option<Version>) -> Result<(PathBuf, Lock), Failure> {
        let (settings, storage) = (&self.project.settings, self.storage);
        storage.create_dir(&storage.roots())?;
        if settings.cache_dir.is_none() {
            storage.create_dir(&storage.cache)?;
        }
        let short = version
            .filter(|_| settings.versioned_build_dir)
            .map(|version| version.short());
        let dir = storage.build_dir(name, short.as_deref());
        let held = storage.lock_build(&dir, settings.build_lock_wait)?;
        Ok((dir, held))
    }

    /// Tries `image-cache-url` when the version is known and nothing forbids it. A failure only means a build.
    fn pull(
        &self,
        name: &str,
        config: &Container,
        ids: &IdMaps,
        version: Option<Version>,
    ) -> Result<Option<Image>, Failure> {
        let (Some(template), Some(version)) = (&config.image_cache_url, version) else {
            return Ok(None);
        };
        if self.force || self.mode == BuildMode::NoImageDownload {
            return Ok(None);
        }
        let (dir, _lock) = self.lock(name, Some(version))?;
        let image = match self.usable(name, Some(version), ids) {
            Some(image) => image,
            None => {
                let url = pull::address(template, name, &version.short());
                if !self
                    .job(name, config, ids, &dir, BTreeMap::new())
                    .pull(&url, &version)?
                {
                    return Ok(None);
                }
                let committed = self.share_and_commit(name, &version, &dir)?;
                self.settle(&committed.image, config)?;
                return committed.finish(self.storage).map(Some);
            }
        };
        self.settle(&image, config)?;
        Ok(Some(image))
    }

    fn job<'b>(
        &'b self,
        name: &'b str,
        config: &'b Container,
        ids: &'b IdMaps,
        dir: &'b Path,
        images: BTreeMap<String, Image>,
    ) -> Job<'b> {
        Job {
            project: self.project,
            storage: self.storage,
            ids,
            name,
            config,
            dir,
            images,
            boundaries: self.boundaries.borrow().get(name).cloned().unwrap_or_default(),
            force: self.force,
        }
    }

    /// Builds under the lock and commits.
    fn build(
        &self,
        name: &str,
        config: &Container,
        ids: &IdMaps,
        version: Option<Version>,
        images: BTreeMap<String, Image>,
    ) -> Result<Image, Failure> {
        let storage = self.storage;
        let (dir, _lock) = self.lock(name, version)?;
        if let Some(image) = self.usable(name, version, ids) {
            self.settle(&image, config)?;
            return Ok(image);
        }
        let start = Instant::now();
        let _in_use: Vec<_> = images.values().map(|image| storage.use_image(image)).collect();
        self.job(name, config, ids, &dir, images).run()?;
        let version = self.final_version(name, ids, version)?;
        let committed = self.share_and_commit(name, &version, &dir)?;
        eprintln!(
            "Container {name} ({}) built in {} seconds.",
            version.short(),
            start.elapsed().as_secs()
        );
        self.settle(&committed.image, config)?;
        committed.finish(storage)
    }

    /// Links files to those of other images, if the settings say so, and moves the build into its place.
    fn share_and_commit(&self, name: &str, version: &Version, dir: &Path) -> Result<Committed, Failure> {
        let target = self.storage.image_dir(name, &version.short());
        image::share::after_build(self.project, self.storage, name, dir, &target);
        commit(self.storage, name, version, dir)
    }

    /// The version for the name of the image: the one known before, else the one that the build made knowable.
    fn final_version(&self, name: &str, ids: &IdMaps, before: Option<Version>) -> Result<Version, Failure> {
        let after = self.version(name, ids)?;
        match (before, after) {
            (Some(before), Some(after)) if before != after => {
                eprintln!(
                    "warning: files that container {name:?} depends on changed during the build; it will be built \
                     again at the next use"
                );
                Ok(before)
            }
            (Some(version), _) | (None, Some(version)) => Ok(version),
            (None, None) => Err(fail(format!(
                "Can't version even after build: container {name:?}"
            ))),
        }
    }

    /// Points the link to the image; with `auto-clean` the version it pointed to before is removed.
    fn settle(&self, image: &Image, config: &Container) -> Result<(), Failure> {
        let clean = config.auto_clean && !self.project.settings.disable_auto_clean;
        let previous = if clean {
            self.storage.linked_version(&image.name)
        } else {
            None
        };
        self.storage.set_current(image)?;
        let Some(previous) = previous.filter(|p| Some(p.as_os_str()) != image.dir.file_name()) else {
            return Ok(());
        };
        let dir = self.storage.roots().join(&previous);
        match self.storage.lock_unused(&dir) {
            Ok(Some(_lock)) => {
                let mut name = std::ffi::OsString::from(".tmp.");
                name.push(&previous);
                name.push(".old");
                discard(&dir, &self.storage.roots().join(name))
            }
            Ok(None) => {
                log::info!("{dir:?} is in use, it is not removed");
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => {
                log::warn!("can't remove {dir:?}: {e}");
                Ok(())
            }
        }
    }
}

/// A finished build in its final place.
struct Committed {
    image: Image,
    /// The previous image of the same version, out of the way.
    replaced: Option<PathBuf>,
}

/// Moves the finished build into its final place; a previous image of the same version makes room.
///
/// Nothing waits for the disk here. The renames are what a kill can interrupt, and after a power failure a journal
/// replays them in their order; an image whose small files did not arrive has no id maps, which makes it unusable,
/// and is built again.
fn commit(storage: &Storage, name: &str, version: &Version, dir: &Path) -> Result<Committed, Failure> {
    let target = storage.image_dir(name, &version.short());
    let old = storage.roots().join(format!(".tmp.{name}.old"));
    let replaces = target.symlink_metadata().is_ok();
    if replaces {
        discard_leftover(&old)?;
        rename(&target, &old)?;
    }
    rename(dir, &target)?;
    Ok(Committed {
        image: Image {
            name: name.to_string(),
            dir: target,
        },
        replaced: replaces.then_some(old),
    })
}

impl Committed {
    /// Deletes the replaced image, under the lock of the build, after the new one has been reported and linked: it
    /// may have a hundred thousand files.
    fn finish(self, storage: &Storage) -> Result<Image, Failure> {
        if let Some(old) = &self.replaced {
            // The new name must survive a power failure before the old image goes away, also where file systems
            // keep no order.
            fs::File::open(storage.roots())
                .and_then(|roots| roots.sync_all())
                .map_err(|e| fail(format!("Can't sync {:?}: {e}", storage.roots())))?;
            discard_leftover(old)?;
        }
        Ok(self.image)
    }
}

/// Renames out of the way, then deletes: a half-deleted image must not look like an image.
fn discard(dir: &Path, temporary: &Path) -> Result<(), Failure> {
    discard_leftover(temporary)?;
    rename(dir, temporary)?;
    discard_leftover(temporary)
}

/// Deletes a directory with files of any id that the caller has.
fn discard_leftover(dir: &Path) -> Result<(), Failure> {
    if dir.symlink_metadata().is_err() {
        return Ok(());
    }
    let ids = ids::maximal()?;
    let path = PathBuf::from(dir);
    let status = sandbox::run(&ids, move || match crate::sys::fs::remove_tree(&path) {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("can't remove {path:?}: {e}");
            1
        }
    })?;
    match status {
        Status::Exited(0) => Ok(()),
        _ => Err(fail(format!("Can't remove {dir:?}"))),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to).map_err(|e| fail(format!("Can't rename {from:?} to {to:?}: {e}")))
}

fn fail(message: String) -> Failure {
    Failure::new(exit::LAUNCHER, message)
}
