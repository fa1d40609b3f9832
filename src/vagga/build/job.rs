//! One build: prepares an empty root, runs the steps, finishes the image. Everything but [`Job::run`] happens in the
//! builder's process.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{umask, Mode};

use super::builder::Builder;
use super::error::{IoContext, StepError};
use super::finish::{self, STANDARD_DIRS};
use super::timings::Timings;
use super::{metadata, sandbox, step, Image};
use crate::sys::process::Status;
use crate::vagga::config::Container;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids::IdMaps;
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;

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
}

impl Job<'_> {
    /// Builds in a process of its own. On failure the directory stays as it is.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let how = match sandbox::run(self.ids, || self.work())? {
            Status::Exited(0) => return Ok(()),
            Status::Exited(code) => format!("the builder exited with code {code}"),
            status => format!(
                "the builder was killed by signal {}",
                status.exit_code().saturating_sub(128)
            ),
        };
        let failure = Failure::new(
            exit::LAUNCHER,
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
        let total = self.config.setup.len();
        for (n, s) in self.config.setup.iter().enumerate() {
            let title = step::describe(s);
            b.progress.step(&title);
            step::build(&mut b, s)
                .map_err(|e| at(&format!("step {} of {total} failed: {title}", n + 1), e))?;
            timings.mark(&format!("Step: {title}"));
        }
        finish::finish(&mut b, self.config).map_err(|e| at("finishing the image failed", e))?;
        timings.mark("Finish");
        self.last_use().map_err(|e| at("finishing the image failed", e))
    }

    /// Wipes what a failed build left and makes an empty root.
    pub(super) fn prepare(&self) -> Result<Timings, StepError> {
        match crate::sys::fs::remove_tree(self.dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(StepError::io("remove", self.dir, &e))
            }
            _ => {}
        }
        let root = self.dir.join("root");
        let standard = STANDARD_DIRS
            .iter()
            .map(|dir| root.join(dir.trim_start_matches('/')));
        for dir in [self.dir.to_path_buf(), root.clone()].into_iter().chain(standard) {
            fs::create_dir(&dir).at("create directory", &dir)?;
        }
        let tmp = root.join("tmp");
        fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777)).at("change mode of", &tmp)?;
        let etc = root.join("etc");
        fs::create_dir(&etc).at("create directory", &etc)?;
        metadata::write_maps(self.dir, self.ids).at("write id maps in", self.dir)?;
        let log: PathBuf = self.dir.join("timings.log");
        Timings::start(&log).at("write", &log)
    }

    /// Notes when the image was made; its modification time is the last use.
    pub(super) fn last_use(&self) -> Result<(), StepError> {
        let path = self.dir.join("last_use");
        fs::File::create(&path)
            .and_then(|f| f.sync_all())
            .at("write", &path)
    }
}
