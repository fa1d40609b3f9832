//! The root of a build as an overlay: the layers of the steps so far, seen through an upper directory that takes what
//! the next step changes. What must not happen here: a write to a layer that has been committed.
//!
//! Everything is below one directory of the build's own, the *draft*: the mount point `root`, the `stage` of the mounts
//! that are carried from root to root, and a numbered directory for every upper directory, which becomes the layer.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::error::{IoContext, StepError};
use super::finish::STANDARD_DIRS;
use super::job::Job;
use super::snapshot::{self, Snapshot};
use super::{metadata, settle, Image};
use crate::sys::fs::Stat;
use crate::sys::mount;
use crate::sys::path::Root;
use crate::vagga::config::step::{Copy, Tar};
use crate::vagga::config::{Container, Settings, Step};
use crate::vagga::ids::IdMaps;
use crate::vagga::layers::{self, Chain, Content, Context, Draft, Id, Key, Marker, Store, DIFF};
use crate::vagga::version::Digest;

/// Layers under one overlay; when there are more they are made into one. (The kernel takes 500, but the options of a
/// mount have to fit into a page.)
const MAX_LAYERS: usize = 64;

/// Title of the layer with the directories that every container has.
const SKELETON: &str = "empty root";

/// See the module.
#[derive(Debug)]
pub(super) struct Stack {
    store: Store,
    draft: Draft,
    chain: Chain,
    /// What tells the builds of the images apart that steps refer to.
    images: Vec<(String, String)>,
    container: String,
    /// Layers that are there already are replaced.
    anew: bool,
    /// What lies below the upper directory, the lowest first.
    below: Vec<(Id, Root)>,
    /// Number of the upper directory.
    part: u32,
    /// The upper directory as it was made.
    upper: Option<Stat>,
    /// Steps done; the key of the layers below is that of this many.
    pub done: usize,
    /// No file is younger, see [`settle::clamp`].
    epoch: i64,
    /// False once it is not known any more what a layer would depend on: then nothing is committed.
    pub keyed: bool,
}

impl Stack {
    /// Finds the last step whose layer is there, or begins with an empty root; nothing is mounted yet.
    ///
    /// Errors: layers cannot be kept here.
    pub fn begin(job: &Job) -> Result<(Stack, Option<Snapshot>), StepError> {
        let dir = job.storage.layers();
        job.storage
            .create_dir(&dir)
            .map_err(|e| StepError::new(e.message))?;
        let store = Store::open(&dir).at("use the layers in", &dir)?;
        let draft = store.draft().at("create a directory in", &dir)?;
        let images = builds(job);
        let context = Context {
            ids: job.ids,
            settings: &job.project.settings,
            images: &images,
        };
        let mut stack = Stack {
            chain: Chain::new(context, job.name, job.config, &job.boundaries),
            images: images.clone(),
            store,
            draft,
            container: job.name.to_string(),
            anew: job.force,
            below: Vec::new(),
            part: 0,
            upper: None,
            done: 0,
            epoch: job.project.settings.source_date_epoch,
            keyed: true,
        };
        let state = match job.force {
            true => None,
            false => stack.find(steps_to_skip(job)),
        };
        if state.is_none() {
            stack.skeleton().at("create a layer in", &dir)?;
        }
        Ok((stack, state))
    }

    /// Goes to the last step that a build can begin behind, which is at most the one of this number.
    fn find(&mut self, most: usize) -> Option<Snapshot> {
        for done in (0..self.chain.steps.len().min(most.saturating_add(1))).rev() {
            let key = self.chain.steps.get(done)?.as_str();
            let Some(marker) = self.store.load(key) else {
                continue;
            };
            let Some(state) = marker.state.as_ref().and_then(snapshot::parse) else {
                continue;
            };
            let Some(below) = self.open(&marker.stack()) else {
                continue;
            };
            self.below = below;
            self.done = done;
            for key in self.chain.steps.iter().take(done + 1).rev() {
                self.store.touch(key.as_str());
            }
            return Some(state);
        }
        None
    }

    /// Opens layers that are what they should be; `None` when one is not.
    fn open(&self, ids: &[Id]) -> Option<Vec<(Id, Root)>> {
        let opened = ids.iter().map(|id| Some((id.clone(), self.store.intact(id)?)));
        let all: Vec<_> = opened.collect::<Option<_>>()?;
        // The lowest one last: a layer is of no use longer than what it lies upon.
        ids.iter().rev().for_each(|id| self.store.touch(&id.key));
        Some(all)
    }

    /// Makes the lowest layer: the directories that every container has.
    fn skeleton(&mut self) -> io::Result<()> {
        let part = self.new_part()?;
        let root = part.sub(DIFF)?;
        standard_directories(&root)?;
        super::builder::write_resolver(&root, &mut |_| ())?;
        let key = self.chain.steps.first().cloned();
        match key {
            Some(key) => self.keep(&key, SKELETON, None, false),
            None => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Mounts the overlay with a new upper directory.
    pub fn mount(&mut self) -> io::Result<Root> {
        let part = self.new_part()?;
        let upper = part.sub(DIFF)?;
        if let Some((_, top)) = self.below.last() {
            resemble(&upper, &top.stat("/")?)?;
        }
        self.upper = Some(upper.stat("/")?);
        part.mkdir("work", 0o700)?;
        let work = part.sub("work")?;
        let lower: Vec<_> = self.below.iter().rev().map(|(_, root)| root.as_fd()).collect();
        let draft = &self.draft.root;
        match draft.mkdir("root", 0o755) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        mount::overlay_volatile(draft, "root", &lower, upper.as_fd(), work.as_fd())?;
        let root = draft.sub("root")?;
        missing_directories(&root)?;
        Ok(root)
    }

    /// Unmounts it; what was mounted in it must be gone.
    pub fn unmount(&self) -> io::Result<()> {
        mount::umount(&self.draft.root, "root")
    }

    /// Makes the stage, once.
    pub fn make_stage(&self, project: &Path) -> Result<(), StepError> {
        for dir in ["stage", "stage/work", "stage/run"] {
            let made = self.draft.root.mkdir(dir, 0o755);
            made.at("create directory", self.draft.root.path().join(dir))?;
        }
        super::mounts::stage(&self.stage()?, project)
    }

    /// Where `work` and `run` are mounted for the whole build.
    pub fn stage(&self) -> Result<Root, StepError> {
        self.draft.root.sub("stage").at("open", self.draft.root.path())
    }

    /// True while the upper directory is as it was made.
    pub fn is_untouched(&self) -> io::Result<bool> {
        let upper = self.draft.root.sub(self.part().join(DIFF))?;
        let now = upper.stat("/")?;
        let same = |old: &Stat| (old.mode, old.uid, old.gid) == (now.mode, now.uid, now.gid);
        Ok(self.upper.as_ref().is_some_and(same) && upper.read_dir("/")?.is_empty())
    }

    /// True while nothing but the directories that every container has is in the root.
    pub fn is_bare(&self) -> io::Result<bool> {
        let only = self.below.len() == 1
            && self.below.first().map(|(id, _)| id.key.as_str()) == self.chain.steps.first().map(Key::as_str);
        Ok(only && self.is_untouched()?)
    }

    /// Lies on the layers of an image from now on instead of the bare root. False, and nothing is changed, when the
    /// image has none, or other ids.
    pub fn rebase(&mut self, image: &Image, job_ids: &IdMaps) -> bool {
        if !metadata::same_maps(&image.dir, job_ids).unwrap_or(false) {
            return false;
        }
        let Some(below) = metadata::layers(&image.dir).and_then(|ids| self.open(&ids)) else {
            return false;
        };
        self.below = below;
        true
    }

    /// The digest of the version after one more step has become known.
    pub fn extend(
        &mut self,
        (ids, settings): (&IdMaps, &Settings),
        container: &Container,
        step: &Step,
        after: &Digest,
    ) {
        let context = Context {
            ids,
            settings,
            images: &self.images,
        };
        self.chain
            .extend(context, &self.container, container, step, after);
    }

    /// Key of the layer after so many steps.
    pub fn key(&self, done: usize) -> Option<Key> {
        self.chain.steps.get(done).cloned()
    }

    /// Notes that a step changed nothing.
    pub fn record(&mut self, key: &Key, title: &str, state: Option<serde_json::Value>) -> io::Result<()> {
        let name = format!("record-{}", self.done);
        self.draft.root.mkdir(&name, 0o755)?;
        let marker = self.marker(key, title, None, state);
        self.store
            .commit(&self.draft, &name, &marker, self.anew)
            .map(drop)
    }

    /// Makes the upper directory a layer, which the next one will lie upon. The overlay must be unmounted.
    pub fn commit(&mut self, key: &Key, title: &str, state: Option<serde_json::Value>) -> io::Result<()> {
        self.keep(key, title, state, self.anew)?;
        match self.below.len() > MAX_LAYERS {
            true => self.merge(),
            false => Ok(()),
        }
    }

    fn keep(
        &mut self,
        key: &Key,
        title: &str,
        state: Option<serde_json::Value>,
        anew: bool,
    ) -> io::Result<()> {
        let part = self.draft.root.sub(self.part())?;
        part.remove_all("work")?;
        settle::clamp(&part.sub(DIFF)?, self.epoch)?;
        let content = Content::of(&part.sub(DIFF)?)?;
        let marker = self.marker(key, title, Some(content), state);
        let kept = self
            .store
            .commit(&self.draft, &self.part.to_string(), &marker, anew)?;
        self.upper = None;
        let ids = kept.stack();
        match kept == marker {
            true => {
                let root = self.store.open_own(&kept.key)?;
                self.below
                    .extend(ids.into_iter().next_back().map(|id| (id, root)));
            }
            // Another build was faster: its layer is the one that later builds will find.
            false => self.change_to(&ids)?,
        }
        Ok(())
    }

    /// Lies on these layers from now on; those it lay on before need not be looked at again.
    fn change_to(&mut self, ids: &[Id]) -> io::Result<()> {
        let mut before = std::mem::take(&mut self.below);
        for id in ids {
            let root = match before.iter().position(|(known, _)| known == id) {
                Some(at) => before.swap_remove(at).1,
                None => self
                    .store
                    .intact(id)
                    .ok_or_else(|| io::Error::other("a layer vanished while it was used"))?,
            };
            self.below.push((id.clone(), root));
        }
        Ok(())
    }

    /// Makes all layers one.
    fn merge(&mut self) -> io::Result<()> {
        let ids = self.ids();
        let key = layers::merged(&ids);
        if let Some(found) = self
            .store
            .load(key.as_str())
            .and_then(|marker| self.open(&marker.stack()))
        {
            self.below = found;
            return Ok(());
        }
        let part = self.new_part()?;
        self.apply(&part.sub(DIFF)?)?;
        self.below = Vec::new();
        let title = format!("{} layers made into one", ids.len());
        self.keep(&key, &title, None, false)
    }

    /// Lays everything over a directory of the same file system: the layers, and an upper directory not committed.
    pub fn apply(&self, target: &Root) -> io::Result<()> {
        let method = layers::method(target);
        for (n, (_, root)) in self.below.iter().enumerate() {
            layers::apply(root, target, n == 0, method)?;
        }
        match self.upper {
            Some(_) => {
                let upper = self.draft.root.sub(self.part().join(DIFF))?;
                layers::apply(&upper, target, false, method)
            }
            None => Ok(()),
        }
    }

    /// The layers, the lowest first.
    pub fn ids(&self) -> Vec<Id> {
        self.below.iter().map(|(id, _)| id.clone()).collect()
    }

    /// Keys of the steps done, which an image keeps so that cleaning knows what it is made of.
    pub fn records(&self) -> Vec<String> {
        let done = self.chain.steps.iter().take(self.done + 1);
        done.map(|key| key.to_string()).collect()
    }

    /// Key of the finished image.
    pub fn finished(&self) -> Key {
        self.chain.finished.clone()
    }

    /// Removes the draft. What cannot be removed goes with the next build.
    pub fn end(self) {
        let remove = || {
            let draft = &self.draft.root;
            for name in ["stage/work", "stage/run"] {
                if draft.exists(name) {
                    mount::umount(draft, name)?;
                }
            }
            self.store.discard(&self.draft)
        };
        if let Err(e) = remove() {
            log::info!("can't remove {:?}: {e}", self.draft.root.path());
        }
    }

    fn marker(
        &self,
        key: &Key,
        title: &str,
        content: Option<Content>,
        state: Option<serde_json::Value>,
    ) -> Marker {
        Marker {
            key: key.to_string(),
            made: Marker::new_made(),
            container: self.container.clone(),
            step: title.to_string(),
            below: self.ids(),
            content,
            state,
        }
    }

    fn part(&self) -> PathBuf {
        PathBuf::from(self.part.to_string())
    }

    fn new_part(&mut self) -> io::Result<Root> {
        self.part += 1;
        let (draft, name) = (&self.draft.root, self.part());
        draft.mkdir(&name, 0o755)?;
        draft.mkdir(name.join(DIFF), 0o755)?;
        draft.sub(&name)
    }
}

/// How many steps need not run when their layers are there: all, or, while files of the project are missing that the
/// version depends on, those before the first one that could make them.
fn steps_to_skip(job: &Job) -> usize {
    let setup = &job.config.setup;
    match job.boundaries.len() > setup.len() {
        true => setup.len(),
        false => setup.iter().take_while(|step| spares_project(step)).count(),
    }
}

/// True for steps that never write to the project, neither themselves nor by programs that the user has chosen.
fn spares_project(step: &Step) -> bool {
    match step {
        Step::Alpine(_) | Step::AlpineRepo(_) => true,
        Step::Debian(_) | Step::DebianRelease(_) | Step::AptTrust(_) => true,
        Step::Ubuntu(_) | Step::UbuntuRelease(_) | Step::UbuntuUniverse => true,
        Step::UbuntuRepo(_) | Step::UbuntuPPA(_) | Step::Repo(_) => true,
        Step::Install(_) | Step::BuildDeps(_) => true,
        Step::FromImage(_) | Step::Container(_) => true,
        Step::Env(_) | Step::Depends(_) | Step::CacheDirs(_) => true,
        Step::PipConfig(_) | Step::NpmConfig(_) | Step::GemConfig(_) | Step::ComposerConfig(_) => true,
        Step::Tar(Tar { path, .. }) | Step::Copy(Copy { path, .. }) => !path.starts_with("/work"),
        _ => false,
    }
}

/// What tells builds of the images apart that steps refer to.
fn builds(job: &Job) -> Vec<(String, String)> {
    let of = |image: &Image| metadata::build_of(&image.dir);
    let all = job.images.iter();
    all.map(|(name, image)| (name.clone(), of(image))).collect()
}

/// Makes the directories that every container has, in an empty directory.
pub(super) fn standard_directories(root: &Root) -> io::Result<()> {
    for dir in STANDARD_DIRS {
        root.mkdir(dir, 0o755)?;
    }
    root.chmod("/tmp", 0o1777)?;
    root.mkdir("/etc", 0o755)
}

/// Makes those that a base container has lost.
fn missing_directories(root: &Root) -> io::Result<()> {
    for dir in STANDARD_DIRS.into_iter().chain(["/etc"]) {
        if root.exists(dir) {
            continue;
        }
        root.mkdir(dir, 0o755)?;
        if dir == "/tmp" {
            root.chmod(dir, 0o1777)?;
        }
    }
    Ok(())
}

/// Mode and owner of the root directory come from the topmost layer.
fn resemble(dir: &Root, like: &Stat) -> io::Result<()> {
    let now = dir.stat("/")?;
    if (now.uid, now.gid) != (like.uid, like.gid) {
        dir.chown("/", like.uid, like.gid)?;
    }
    dir.chmod("/", like.permissions())
}
