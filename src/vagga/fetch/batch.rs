//! Many files of known digest and size, as a package archive lists them, over connections that are kept.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::client::Client;
use super::digest::sha256_of;
use super::{FetchError, OnProgress};
use crate::sys::process::{self, exit_now, fork, Fork, Namespaces, Status, WaitOptions};

/// Processes that fetch side by side.
const WORKERS: usize = 4;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Address.
    pub url: String,
    /// SHA-256, 64 lower-case hex digits. Without, the caller checks what it gets.
    pub sha256: Option<String>,
    /// Length in bytes.
    pub size: u64,
    /// Where it shall be.
    pub target: PathBuf,
}

impl Wanted {
    /// True when the file is there with the right length. Its digest was checked when it was written.
    fn is_there(&self) -> bool {
        fs::metadata(&self.target).is_ok_and(|m| m.is_file() && m.len() == self.size)
    }
}

/// Fetches what is missing, a few files at a time. A file is renamed to its target only with the right digest; until
/// then it is in `scratch`, a directory of the caller alone on the same file system.
///
/// Errors: the first file that could not be had, by URL. Files that did arrive stay.
pub fn fetch_all(
    make: &dyn Fn() -> Client,
    files: &[Wanted],
    scratch: &Path,
    progress: OnProgress,
) -> Result<(), FetchError> {
    let missing: Vec<&Wanted> = files.iter().filter(|f| !f.is_there()).collect();
    let total: u64 = missing.iter().map(|f| f.size).sum();
    for file in &missing {
        if let Some(dir) = file.target.parent() {
            fs::create_dir_all(dir).map_err(|e| FetchError(format!("{}: {e}", dir.display())))?;
        }
    }
    if missing.len() <= 2 {
        return in_this_process(&make(), &missing, scratch, total, progress);
    }
    in_workers(make, &missing, scratch, total, progress)
}

fn in_this_process(
    client: &Client,
    files: &[&Wanted],
    scratch: &Path,
    total: u64,
    progress: OnProgress,
) -> Result<(), FetchError> {
    let mut before = 0;
    for file in files {
        fetch_one(client, file, scratch, &mut |done, _| {
            progress(before + done, Some(total))
        })?;
        before += file.size;
    }
    Ok(())
}

/// Forks workers that take every n-th file, and watches what has arrived.
fn in_workers(
    make: &dyn Fn() -> Client,
    files: &[&Wanted],
    scratch: &Path,
    total: u64,
    progress: OnProgress,
) -> Result<(), FetchError> {
    let mut running = Vec::new();
    for worker in 0..WORKERS {
        match fork(Namespaces::empty())
            .map_err(|e| FetchError(format!("cannot start a download process: {e}")))?
        {
            Fork::Child => {
                let _ = process::set_parent_death_signal(libc::SIGKILL);
                let share: Vec<&Wanted> = files.iter().skip(worker).step_by(WORKERS).copied().collect();
                let result = in_this_process(&make(), &share, scratch, 0, &mut |_, _| ());
                if let Err(error) = &result {
                    log::info!("{error}");
                }
                exit_now(i32::from(result.is_err()));
            }
            Fork::Parent(child) => running.push(child),
        }
    }
    let mut failed = false;
    for child in running {
        loop {
            progress(arrived(files), Some(total));
            match process::wait(
                Some(child.pid),
                WaitOptions {
                    nohang: true,
                    ..WaitOptions::default()
                },
            ) {
                Ok(Some((_, Status::Exited(0)))) => break,
                Ok(None) => std::thread::sleep(std::time::Duration::from_millis(50)),
                _ => {
                    failed = true;
                    break;
                }
            }
        }
    }
    progress(arrived(files), Some(total));
    if failed {
        // Whatever a worker could not get is tried once more here, for its error.
        let rest: Vec<&Wanted> = files.iter().filter(|f| !f.is_there()).copied().collect();
        return in_this_process(&make(), &rest, scratch, total, progress);
    }
    Ok(())
}

fn arrived(files: &[&Wanted]) -> u64 {
    files.iter().filter(|f| f.is_there()).map(|f| f.size).sum()
}

fn fetch_one(client: &Client, file: &Wanted, scratch: &Path, progress: OnProgress) -> Result<(), FetchError> {
    // Workers have the same scratch directory and may want one file twice.
    let name = file.target.file_name().unwrap_or_default().to_string_lossy();
    let part = scratch.join(format!("{name}.{}.part", std::process::id()));
    let actual = match file.url.strip_prefix("file://") {
        Some(path) => {
            copy_local(Path::new(path), &part)?;
            sha256_of(&part).map_err(|e| FetchError(format!("{}: {e}", part.display())))?
        }
        None => {
            client
                .download(&file.url, &part, false, Some(file.size), progress)
                // Nobody would go on with it.
                .inspect_err(|_| drop(fs::remove_file(&part)))?
                .sha256
        }
    };
    if let Some(expected) = file.sha256.as_ref().filter(|expected| **expected != actual) {
        let _ = fs::remove_file(&part);
        return Err(FetchError(format!(
            "Hashsum mismatch: expected {expected} but was {actual} ({})",
            file.url
        )));
    }
    fs::rename(&part, &file.target).map_err(|e| FetchError(format!("{}: {e}", file.target.display())))
}

fn copy_local(from: &Path, to: &Path) -> Result<(), FetchError> {
    match fs::copy(from, to) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(FetchError(format!(
            "Error downloading file file://{}: no such file",
            from.display()
        ))),
        Err(e) => Err(FetchError(format!("{}: {e}", from.display()))),
    }
}
