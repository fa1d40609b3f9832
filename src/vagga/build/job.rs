//! One build: prepares an empty root, runs the steps, finishes the image. Everything but [`Job::run`] happens in the
//! builder's process.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::stat::{umask, Mode};

use super::builder::Builder;
use super::error::{IoContext, StepError};
use super::finish;
use super::timings::Timings;
use super::{metadata, sandbox, step, Image};
use crate::sys::path::Root;
use crate::sys::process::Status;
use crate::vagga::config::Container;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids::IdMaps;
use crate::vagga::image;
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;
use crate::vagga::version::Digest;

/// Exit code of the builder when a step failed.
const FAILED: u8 = 1;

/// What is built where, under whose lock we are.
pub(super) struct Job<'a> {
    pub project: &'a Project,
    pub storage: &'a Storage,
    pub ids: &'a IdMaps,
    pub name: &'a str,
    pub config: &'a Container,
    /// The build directory, `.roots/.tmp.NAME`.
    pub dir: &'a Path,
    /// Images of the containers this one is built from.
    pub images: BTreeMap<String, Image>,
    /// The version's digest before every step and after the last one; before the first steps only while the version is
    /// not known.
    pub boundaries: Vec<Digest>,
    /// Nothing of earlier builds may be used.
    pub force: bool,
}

impl Job<'_> {
    /// Builds in a process of its own. On failure the directory stays as it is.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let (code, how) = match sandbox::run(self.ids, || self.work()) {
            Ok(Status::Exited(0)) => return Ok(()),
            Ok(Status::Exited(code)) => (exit::LAUNCHER, format!("the builder exited with code {code}")),
            Ok(status) => (
                exit::LAUNCHER,
                format!(
                    "the builder was killed by signal {}",
                    status.exit_code().saturating_sub(128)
                ),
            ),
            Err(interrupted) if interrupted.exit > 128 => (interrupted.exit, interrupted.message),
            Err(failure) => return Err(failure),
        };
        let failure = Failure::new(
            code,
            format!("Container {:?} could not be built: {how}", self.name),
        );
        match self.dir.join("root").exists() {
            true => Err(failure.with_hint(format!("the unfinished root is {:?}", self.dir.join("root")))),
            false => Err(failure),
        }
    }

    /// The builder's process; returns its exit code.
    fn work(&self) -> u8 {
        match self.build() {
            Ok(()) => 0,
            Err(_) if sandbox::is_interrupted() => FAILED,
            Err(e) => {
                eprintln!("{}", e.message);
                if let Some(hint) = e.hint {
                    eprintln!("hint: {hint}");
                }
                FAILED
            }
        }
    }

    fn build(&self) -> Result<(), StepError> {
        umask(Mode::from_bits_truncate(0o022));
        let at = |what: &str, e: StepError| StepError {
            message: format!("Container {:?}: {what}: {}", self.name, e.message),
            ..e
        };
        let mut timings = self
            .prepare()
            .map_err(|e| at("can't prepare the build directory", e))?;
        let mut b = Builder::start(self).map_err(|e| at("can't set up the root", e))?;
        timings.mark("Prepare");
        let built = self.steps(&mut b, &mut timings, &at);
        if built.is_err() {
            b.salvage(self.dir);
        }
        built
    }

    /// Runs the steps that are not done yet and finishes the image.
    fn steps(
        &self,
        b: &mut Builder,
        timings: &mut Timings,
        at: &dyn Fn(&str, StepError) -> StepError,
    ) -> Result<(), StepError> {
        let total = self.config.setup.len();
        b.progress.skip(b.steps_done());
        for (n, s) in self.config.setup.iter().enumerate() {
            let title = step::describe(s);
            if n < b.steps_done() {
                timings.mark(&format!("Kept: {title}"));
                continue;
            }
            b.progress.step(&title);
            b.foresee(n, s);
            step::build(b, s)
                .and_then(|()| b.keep_layer(s, &title))
                .map_err(|e| at(&format!("step {} of {total} failed: {title}", n + 1), e))?;
            timings.mark(&format!("Step: {title}"));
        }
        finish::finish(b, self.config)
            .and_then(|()| b.materialise(self.dir))
            .map_err(|e| at("finishing the image failed", e))?;
        metadata::write_environ(self.dir, &b.state.image_environ)
            .map_err(|e| at("finishing the image failed", e.into()))?;
        self.index(timings)
            .map_err(|e| at("indexing the image failed", e))?;
        timings.mark("Finish");
        self.last_use().map_err(|e| at("finishing the image failed", e))
    }

    /// Makes the index of the finished root, if the settings want one.
    pub(super) fn index(&self, timings: &mut Timings) -> Result<(), StepError> {
        if !self.project.settings.index_all_images {
            return Ok(());
        }
        eprintln!("Indexing container...");
        let root = self.dir.join("root");
        let root = Root::open(&root).at("open", &root)?;
        image::write_index(&root, self.dir).at("index", root.path())?;
        timings.mark("Indexing");
        Ok(())
    }

    /// Wipes what a failed build left and makes an empty directory for the root.
    pub(super) fn prepare(&self) -> Result<Timings, StepError> {
        match crate::sys::fs::remove_tree(self.dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(StepError::io("remove", self.dir, &e))
            }
            _ => {}
        }
        for dir in [self.dir.to_path_buf(), self.dir.join("root")] {
            fs::create_dir(&dir).at("create directory", &dir)?;
        }
        metadata::write_maps(self.dir, self.ids).at("write id maps in", self.dir)?;
        let log: PathBuf = self.dir.join("timings.log");
        Timings::start(&log).at("write", &log)
    }

    /// True when layers may be kept: not when the configuration forbids it, nor when it is not known what even the
    /// first one would depend on.
    pub(super) fn keeps_layers(&self) -> bool {
        self.project.settings.layers && !self.boundaries.is_empty()
    }

    /// Notes when the image was made; its modification time is the last use.
    pub(super) fn last_use(&self) -> Result<(), StepError> {
        let path = self.dir.join("last_use");
        fs::File::create(&path).map(drop).at("write", &path)
    }
}
