//! `!Git` and `!GitInstall`: check out a repository with the host's git.

mod address;
mod clone;
mod kept;
mod program;
mod submodules;

use std::path::{Path, PathBuf};

use crate::sys::path::Root;
use crate::vagga::archive::{unpack_tar, ArchiveError, Options, Writer};
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::{Git, GitInstall};
use crate::vagga::project::Project;

use address::{escaped, Source};
pub use kept::keep;
use program::Program;

/// Sub-modules of sub-modules of … followed.
const DEPTH: u32 = 10;

/// What to check out.
struct Wanted<'a> {
    source: Source,
    revision: Option<&'a str>,
    branch: Option<&'a str>,
}

/// `!Git`: the files of one revision, without `.git`.
pub fn build(b: &mut Builder, s: &Git) -> Result<(), StepError> {
    let wanted = wanted(b.project, &s.url, s.revision.as_deref(), s.branch.as_deref())?;
    check_out(b, &wanted, &s.path, DEPTH)
}

/// `!GitInstall`: the same below `/tmp`, where a script is run.
pub fn install(b: &mut Builder, s: &GitInstall) -> Result<(), StepError> {
    let wanted = wanted(b.project, &s.url, s.revision.as_deref(), s.branch.as_deref())?;
    let dir = Path::new("/tmp").join(escaped(&s.url));
    check_out(b, &wanted, &dir, DEPTH)?;
    b.run(&GuestCommand {
        work_dir: dir.join(&s.subdir),
        ..GuestCommand::shell(&s.script)
    })
}

fn wanted<'a>(
    project: &Project,
    url: &str,
    revision: Option<&'a str>,
    branch: Option<&'a str>,
) -> Result<Wanted<'a>, StepError> {
    for word in [revision, branch].into_iter().flatten() {
        address::check_word(word)?;
    }
    Ok(Wanted {
        source: Source::of_step(url, &project.root, &project.settings.external_volumes)?,
        revision,
        branch,
    })
}

/// Writes the files of a revision, and of its sub-modules, to `path` of the root.
fn check_out(b: &mut Builder, wanted: &Wanted, path: &Path, depth: u32) -> Result<(), StepError> {
    let dir = b.cache_dir(Path::new("git"))?;
    let program = Program::new(&wanted.source, b.project.settings.proxy_env_vars);
    let clone = clone::updated(&program, &dir, wanted)?;
    b.root.mkdir_all(path, 0o755).at("create", path)?;
    let root = b.root.sub(path).at("open", path)?;
    export(&program, &clone, &root)?;
    for module in submodules::list(&program, &clone)? {
        let place = path.join(&module.path);
        let Some(url) = &module.url else {
            b.progress.warn(&format!(
                "sub-module {:?} of {} has no address in .gitmodules: it is left empty",
                module.path, wanted.source.url
            ));
            continue;
        };
        if depth == 0 {
            return Err(StepError::new(format!(
                "{url}: sub-modules are nested too deeply"
            )));
        }
        let wanted = Wanted {
            source: wanted.source.submodule(url, &b.project.root)?,
            revision: Some(&module.commit),
            branch: None,
        };
        check_out(b, &wanted, &place, depth - 1)?;
    }
    Ok(())
}

/// A commit of a clone in the cache.
struct Commit {
    clone: PathBuf,
    id: String,
}

/// Writes the files of a commit through the confined writer, from git's tar stream. Files have the time of the commit.
fn export(program: &Program, commit: &Commit, dir: &Root) -> Result<(), StepError> {
    let mut running = program.start(&commit.clone, &["archive", "--format=tar", &commit.id])?;
    let options = Options::default();
    let unpacked = match running.stdout.take() {
        Some(stream) => Writer::new(dir, Path::new("/"), &options).and_then(|w| unpack_tar(stream, w)),
        None => Err(ArchiveError::new("git gave no output")),
    };
    let status = running.wait()?;
    unpacked.map_err(|e| super::tar::of_archive(program.url(), super::tar::failed(&e)))?;
    match status.success() {
        true => Ok(()),
        false => Err(program.failed("archive", status)),
    }
}

#[cfg(test)]
mod tests;
