//! What a builder does with layers: beginning on them, keeping one after every step, making the image of them.

use std::path::Path;

use super::builder::Builder;
use super::error::{IoContext, StepError};
use super::mounts::{self, MountSource, Mounted};
use super::stack::Stack;
use super::{metadata, settle, snapshot, Image};
use crate::sys::namespace::{IdMap, IdMapping, MapMethod};
use crate::sys::path::Root;
use crate::vagga::config::Step;
use crate::vagga::ids::IdMaps;
use crate::vagga::version::{self, Digest};

impl Builder<'_> {
    /// Steps that need not be done, since the root begins behind them.
    pub(super) fn steps_done(&self) -> usize {
        self.stack.as_ref().map_or(0, |stack| stack.done)
    }

    /// Learns what the step `n` depends on, if that is known only now: it reads what an earlier step has made, or after
    /// the step what it has made itself (a lock file in the project).
    pub(super) fn foresee(&mut self, n: usize, step: &Step) {
        let (Some(stack), Some(before)) = (&mut self.stack, self.boundaries.get(n)) else {
            return;
        };
        if !stack.keyed || self.boundaries.len() > n + 1 {
            return;
        }
        let container = self.project.config.containers.get(&self.name);
        let after = version::extended(self.project, self.storage, &identity(), before, step);
        if let (Some(container), Ok(after)) = (container, after) {
            stack.extend((self.ids, &self.project.settings), container, step, &after);
            self.boundaries.push(after);
        }
    }

    /// A step has been done: what it changed becomes a layer, and the next one begins on top of it.
    pub(super) fn keep_layer(&mut self, step: &Step, title: &str) -> Result<(), StepError> {
        let Some(n) = self.stack.as_ref().filter(|s| s.keyed).map(|s| s.done) else {
            return Ok(());
        };
        self.foresee(n, step);
        let key = self.stack.as_ref().and_then(|stack| stack.key(n + 1));
        let (Some(key), true) = (key, self.is_as_hashed(n, step)) else {
            if let Some(stack) = &mut self.stack {
                log::info!("files are missing or changed during {title}: no layers from here on");
                stack.keyed = false;
            }
            return Ok(());
        };
        let state = snapshot::take(self);
        let untouched = match &self.stack {
            Some(stack) => stack.is_untouched()?,
            None => return Ok(()),
        };
        if untouched {
            if let Some(stack) = &mut self.stack {
                stack
                    .record(&key, title, state)
                    .at("keep the layer", key.as_str())?;
                stack.done = n + 1;
            }
            return Ok(());
        }
        self.on_stack(|stack| {
            stack
                .commit(&key, title, state)
                .at("keep the layer", key.as_str())?;
            stack.done = n + 1;
            Ok(())
        })
    }

    /// Starts from the layers of an image instead of a copy of it; false when that cannot be.
    pub(super) fn begin_on(&mut self, image: &Image) -> Result<bool, StepError> {
        match &self.stack {
            Some(stack) if stack.keyed && self.mounted.is_empty() && stack.is_bare()? => {}
            _ => return Ok(false),
        }
        let ids = self.ids;
        let mut rebased = false;
        self.on_stack(|stack| {
            rebased = stack.rebase(image, ids);
            Ok(())
        })?;
        Ok(rebased)
    }

    /// Takes the root apart, lets `change` change the stack, mounts the root again.
    fn on_stack(
        &mut self,
        change: impl FnOnce(&mut Stack) -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        let Some(mut stack) = self.stack.take() else {
            return Ok(());
        };
        let changed = self
            .take_apart(&stack)
            .and_then(|()| change(&mut stack))
            .and_then(|()| self.put_together(&mut stack));
        self.stack = Some(stack);
        changed
    }

    /// Unmounts the root with everything in it.
    fn take_apart(&mut self, stack: &Stack) -> Result<(), StepError> {
        mounts::detach(&self.root, &self.mounted)?;
        self.leave_root(stack)
    }

    /// Unmounts the root, in which nothing is mounted any more.
    fn leave_root(&mut self, stack: &Stack) -> Result<(), StepError> {
        // The descriptor would keep the overlay alive.
        self.root = Root::open("/").at("open", "/")?;
        stack.unmount().at("unmount", "the root of the build")
    }

    fn put_together(&mut self, stack: &mut Stack) -> Result<(), StepError> {
        self.root = stack.mount().at("mount", "the layers of the build")?;
        mounts::attach_staged(&self.root, &stack.stage()?)?;
        for mounted in &self.mounted {
            self.mount_one(mounted)?;
        }
        Ok(())
    }

    /// Mounts what a step had mounted, and notes it.
    pub(super) fn mount_again(&mut self, mounted: Mounted) -> Result<(), StepError> {
        self.mount_one(&mounted)?;
        self.mounted.push(mounted);
        Ok(())
    }

    fn mount_one(&self, mounted: &Mounted) -> Result<(), StepError> {
        match &mounted.source {
            MountSource::Cache(name) => mounts::bind(&self.root, &self.cache_dir(name)?, &mounted.at, false),
            MountSource::Host { path, read_only } => mounts::bind(&self.root, path, &mounted.at, *read_only),
            MountSource::Image { container, source } => {
                let image = self.image_root(container)?;
                let from = Root::open(&image).at("open", &image)?;
                mounts::bind_image(&self.root, &from, source, &mounted.at)
            }
        }
    }

    /// Whether the files that the step depends on are still those that its key was computed from.
    fn is_as_hashed(&self, n: usize, step: &Step) -> bool {
        let (Some(before), Some(after)) = (self.boundaries.get(n), self.boundaries.get(n + 1)) else {
            return false;
        };
        let digest = |digest: &Digest| digest.clone().finish();
        version::extended(self.project, self.storage, &identity(), before, step)
            .is_ok_and(|now| digest(&now) == digest(after))
    }

    /// After [`super::finish::finish`]: the root becomes a plain directory `root` in the image's directory `dir`.
    pub(super) fn materialise(&mut self, dir: &Path) -> Result<(), StepError> {
        let epoch = self.project.settings.source_date_epoch;
        let Some(mut stack) = self.stack.take() else {
            return Ok(settle::clamp(&self.root, epoch)?);
        };
        self.leave_root(&stack)?;
        if stack.keyed {
            let key = stack.finished();
            stack
                .commit(&key, "end of the build", None)
                .at("keep the layer", key.as_str())?;
        }
        let root = dir.join("root");
        Root::open(&root)
            .and_then(|root| {
                stack.apply(&root)?;
                // Layers that were kept have been through this.
                match stack.keyed {
                    true => Ok(()),
                    false => settle::clamp(&root, epoch),
                }
            })
            .map_err(|e| StepError::io("make the image", &root, &e))?;
        if stack.keyed {
            metadata::write_layers(dir, &stack.ids(), &stack.records())
                .at("write the list of layers in", dir)?;
        }
        stack.end();
        Ok(())
    }

    /// After a failure: the unfinished root becomes a plain directory for whoever wants to look at it.
    pub(super) fn salvage(&mut self, dir: &Path) {
        let Some(stack) = self.stack.take() else {
            return;
        };
        let root = dir.join("root");
        let saved = self.take_apart(&stack).and_then(|()| {
            Root::open(&root)
                .and_then(|root| stack.apply(&root))
                .at("fill", &root)
        });
        if let Err(e) = saved {
            log::warn!("the unfinished root is incomplete: {e}");
        }
        stack.end();
    }
}

/// Inside of the container's user namespace owners of files are ids of the container already.
fn identity() -> IdMaps {
    let map = IdMap(vec![IdMapping {
        inside: 0,
        outside: 0,
        count: u32::MAX,
    }]);
    IdMaps {
        uid: map.clone(),
        gid: map,
        method: MapMethod::Direct,
    }
}
