//! The bare clone of a repository in the cache.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::address::escaped;
use super::program::Program;
use super::{Commit, Wanted};
use crate::sys::fs::{lock_waiting, Lock};
use crate::vagga::build::error::{IoContext, StepError};

/// Where the head of the repository is kept, since that of the clone does not follow it.
const HEAD: &str = "refs/vagga/HEAD";
/// An archive of a commit is to be the same as its checkout.
const ATTRIBUTES: &str = "* -export-ignore -export-subst\n";

/// Makes or updates the clone in `dir`, and finds the commit. A commit given in full that is there already needs no
/// network.
pub fn updated(program: &Program, dir: &Path, wanted: &Wanted) -> Result<Commit, StepError> {
    let url = program.url();
    let clone = dir.join(escaped(url));
    let _lock = locked(&dir.join(format!("{}.lock", escaped(url))), url)?;
    let full = wanted.revision.filter(|r| is_full(r));
    if !clone.is_dir() {
        make(program, dir, &clone)?;
    } else if full.is_none_or(|id| find(program, &clone, id).is_err()) {
        update(program, &clone, wanted)?;
    }
    let name = name_of(wanted);
    if let (Some(id), Err(_)) = (full, find(program, &clone, &name)) {
        // Not on any branch or tag; servers may give it all the same.
        program.answer(&clone, &["fetch", "--quiet", "--", program.address(), id])?;
    }
    let id = find(program, &clone, &name)?;
    Ok(Commit { clone, id })
}

fn locked(path: &Path, url: &str) -> Result<Lock, StepError> {
    let say = || eprintln!("Other process is updating the clone of {url}. Waiting...");
    lock_waiting(path, say).at("lock", path)
}

fn make(program: &Program, dir: &Path, clone: &Path) -> Result<(), StepError> {
    let fresh: PathBuf = dir.join(format!(".tmp.{}", escaped(program.url())));
    match fs::remove_dir_all(&fresh) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(StepError::io("remove", &fresh, &e)),
        _ => {}
    }
    let target = fresh.to_string_lossy();
    program.run(
        dir,
        &[
            "clone",
            "--quiet",
            "--bare",
            "--template=",
            "--",
            program.address(),
            &target,
        ],
    )?;
    // An empty repository has no head.
    program.answer(&fresh, &["update-ref", HEAD, "HEAD"])?;
    let info = fresh.join("info");
    fs::create_dir_all(&info).at("create", &info)?;
    let attributes = info.join("attributes");
    fs::write(&attributes, ATTRIBUTES).at("write", &attributes)?;
    fs::rename(&fresh, clone).at("rename", &fresh)
}

/// A plain fetch would leave the branches of a bare clone where they were at first.
fn update(program: &Program, clone: &Path, wanted: &Wanted) -> Result<(), StepError> {
    let head = format!("+HEAD:{HEAD}");
    let mut arguments = vec![
        "fetch",
        "--quiet",
        "--prune",
        "--force",
        "--no-write-fetch-head",
        "--",
        program.address(),
        "+refs/heads/*:refs/heads/*",
        "+refs/tags/*:refs/tags/*",
    ];
    if wanted.revision.is_none() && wanted.branch.is_none() {
        arguments.push(&head);
    }
    program.run(clone, &arguments)
}

/// The name of what is wanted in the clone.
fn name_of(wanted: &Wanted) -> String {
    match (wanted.revision, wanted.branch) {
        (Some(revision), _) => revision.to_owned(),
        (None, Some(branch)) => format!("refs/heads/{branch}"),
        (None, None) => HEAD.to_owned(),
    }
}

/// The id of a commit. Errors: there is none of that name.
fn find(program: &Program, clone: &Path, name: &str) -> Result<String, StepError> {
    let object = format!("{name}^{{commit}}");
    let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &object];
    match program.answer(clone, &arguments)? {
        Some(id) => Ok(String::from_utf8_lossy(&id).trim().to_owned()),
        None => Err(StepError::new(format!(
            "{}: there is no {} in the repository",
            program.url(),
            name.trim_start_matches("refs/vagga/")
        ))),
    }
}

/// True for all digits of the id of a commit.
fn is_full(revision: &str) -> bool {
    matches!(revision.len(), 40 | 64) && revision.bytes().all(|c| c.is_ascii_hexdigit())
}
