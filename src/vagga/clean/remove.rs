//! Removing what was selected: locks first, then a name that nobody takes for a whole image, then the tree.
//!
//! Trees of containers hold files of subordinate ids, which only a process in the user namespace of the maximal map
//! may remove; root may do it directly.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::select::Candidate;
use super::{failed, Failure, FAILED};
use crate::sys::fs::{lock, remove_tree, Lock};
use crate::sys::process::{self, Child, Fork, Namespaces, Status, WaitOptions};
use crate::vagga::doctor::{hint_for, Stage};
use crate::vagga::ids::{self, IdMaps};
use crate::vagga::storage::Storage;

/// Prefix of directories on their way out; `--tmp` takes them if this process does not live to remove them.
const DOOMED: &str = ".tmp.clean.";

/// Removes, or only prints.
#[derive(Debug, Clone, Copy)]
pub struct Remover {
    /// Print and touch nothing.
    pub dry_run: bool,
}

impl Remover {
    /// Removes every candidate that nobody uses; the others are reported and stay.
    pub fn remove(&self, storage: &Storage, candidates: Vec<Candidate>) -> Result<(), Failure> {
        let mut doomed = Vec::new();
        let mut held = Vec::new();
        for candidate in candidates {
            let path = &candidate.path;
            match take(storage, &candidate).map_err(|e| failed(path, &e))? {
                None => log::error!("{path:?} is in use by another process, not removed"),
                Some(_) if self.dry_run => would_remove(path),
                Some(locks) => {
                    doomed.extend(rename(path).map_err(|e| failed(path, &e))?);
                    held.push((candidate.locks, locks));
                }
            }
        }
        remove_trees(&doomed)?;
        for (files, _locks) in &held {
            for file in files {
                unlink(file).map_err(|e| failed(file, &e))?;
            }
        }
        Ok(())
    }

    /// Removes files of our own.
    pub fn remove_files(&self, files: &[PathBuf]) -> Result<(), Failure> {
        for file in files {
            match self.dry_run {
                true => would_remove(file),
                false => unlink(file).map_err(|e| failed(file, &e))?,
            }
        }
        Ok(())
    }

    /// Removes paths that need no locks (any more).
    pub fn remove_paths(&self, paths: &[PathBuf]) -> Result<(), Failure> {
        if self.dry_run {
            paths.iter().for_each(|path| would_remove(path));
            return Ok(());
        }
        remove_trees(paths)
    }
}

/// The documented line of a dry run.
fn would_remove(path: &Path) {
    let _ = writeln!(io::stdout(), "Would remove {path:?}");
}

/// Takes all locks of the candidate; `None` = somebody holds one. No lock file is created.
pub fn take(storage: &Storage, candidate: &Candidate) -> io::Result<Option<Vec<Lock>>> {
    let mut out = Vec::new();
    for path in &candidate.locks {
        if !path.is_file() || path.is_symlink() {
            continue;
        }
        match lock(path, true, false)? {
            Some(held) => out.push(held),
            None => return Ok(None),
        }
    }
    if candidate.has_users {
        match storage.lock_unused(&candidate.path) {
            Ok(Some(held)) => out.push(held),
            Ok(None) => return Ok(None),
            // Another cleaning was faster.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Some(out))
}

/// Gives a directory a temporary name, so that an interrupted removal leaves nothing that looks whole. `None` when
/// it is gone already.
fn rename(path: &Path) -> io::Result<Option<PathBuf>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(".tmp") {
        return Ok(Some(path.to_path_buf()));
    }
    let doomed = path.with_file_name(format!("{DOOMED}{name}.{}", std::process::id()));
    match fs::rename(path, &doomed) {
        Ok(()) => Ok(Some(doomed)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn unlink(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Removes trees, whoever owns the files in them. What is missing is fine.
pub fn remove_trees(paths: &[PathBuf]) -> Result<(), Failure> {
    if paths.is_empty() {
        return Ok(());
    }
    if nix::unistd::geteuid().is_root() {
        return directly(paths).map_err(message);
    }
    let maps = ids::maximal()?;
    let pipes = process::pipe().and_then(|go| Ok((go, process::pipe()?)));
    let ((go_read, go), (report, report_write)) = pipes.map_err(|e| message(e.to_string()))?;
    match process::fork(Namespaces::USER) {
        Ok(Fork::Child) => {
            drop((go, report));
            process::exit_now(as_child(paths, File::from(go_read), File::from(report_write)))
        }
        Ok(Fork::Parent(child)) => {
            drop((go_read, report_write));
            as_parent(&maps, &child, File::from(go), File::from(report))
        }
        // Without user namespaces nothing was ever built with foreign ids by this user.
        Err(e) => directly(paths).map_err(|why| {
            let failure = message(why);
            match hint_for(Stage::Clone, &e) {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            }
        }),
    }
}

/// Installs the maps, gives the start signal, waits for the outcome.
fn as_parent(maps: &IdMaps, child: &Child, mut go: File, mut report: File) -> Result<(), Failure> {
    let io = |e: io::Error| message(e.to_string());
    let written = maps.write(child.pid);
    if written.is_ok() {
        go.write_all(b"g").map_err(io)?;
    }
    drop(go);
    let mut text = String::new();
    report.read_to_string(&mut text).map_err(io)?;
    let status = process::wait(Some(child.pid), WaitOptions::default()).map_err(io)?;
    written?;
    match status {
        Some((_, Status::Exited(0))) => Ok(()),
        _ if text.is_empty() => Err(message("the process that removes files died".to_string())),
        _ => Err(message(text).with_hint(
            "files of ids that this user has no more can be removed by root only: sudo rm -r, or restore the line of \
             /etc/subuid",
        )),
    }
}

/// In the new user namespace; returns the exit code.
fn as_child(paths: &[PathBuf], mut go: File, mut report: File) -> i32 {
    let result = process::set_parent_death_signal(libc::SIGKILL)
        .and_then(|()| go.read_exact(&mut [0]))
        .and_then(|()| process::set_ids(0, 0, Some(&[])))
        .map_err(|e| e.to_string())
        .and_then(|()| directly(paths));
    match result {
        Ok(()) => 0,
        Err(text) => {
            let _ = report.write_all(text.as_bytes());
            1
        }
    }
}

fn directly(paths: &[PathBuf]) -> Result<(), String> {
    for path in paths {
        match remove_tree(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(format!("can't remove {path:?}: {e}"))
            }
            _ => {}
        }
    }
    Ok(())
}

fn message(text: String) -> Failure {
    Failure::new(FAILED, format!("_clean: {text}"))
}
