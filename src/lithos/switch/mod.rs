//! `lithos_switch`: replaces the processes file of a sandbox by one that has been checked, and has the tree reload.

mod flags;

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use self::flags::{Key, TOOL};
use super::config::master::DEFAULT_PATH;
use super::config::{self, Master, Sandbox};
use super::program;
use super::taken::{self, Taken};
use crate::cli::output::complain;
use crate::cli::Parsed;
use crate::sys::fs::{lock_waiting, replace};
use crate::sys::monotonic;
use crate::sys::poll::wait;
use crate::sys::process::{pidfd_open, pidfd_send_signal};

/// Name of the tree's process as the kernel keeps it.
const TREE: &str = "lithos_tree";
/// Largest processes file, bytes; the loader refuses more.
const LARGEST: u64 = 1 << 20;
/// How long the tree may take to read its configuration.
const PATIENCE: Duration = Duration::from_secs(10);
/// Exit code: the file is in place, the tree does not go by it.
const NOT_TAKEN: i32 = 3;

/// Entry point of the executable; returns the exit code.
pub fn main() -> i32 {
    TOOL.run(|parsed| run(&parsed))
}

fn run(parsed: &Parsed<Key>) -> Result<i32, String> {
    let [name, new] = parsed.positionals.as_slice() else {
        return Err("a sandbox and a file are needed".into());
    };
    let master_path = PathBuf::from(parsed.last(Key::Master).unwrap_or(DEFAULT_PATH));
    let new = Path::new(new);
    // What is checked is what is installed, whatever becomes of the file meanwhile.
    let (bytes, mode) = content(new)?;
    let master: Master = config::read(&master_path).map_err(|problems| problems.to_string())?;
    let sandbox = sandbox(name, &master, &master_path)?;
    let target = sandbox.processes_file(name, &master, &master_path);
    replace_checked(name, &master_path, &target, &bytes, mode)?;
    if parsed.has(Key::Verbose) {
        complain(&format!("lithos_switch: {} is replaced\n", target.display()));
    }
    let verbose = parsed.has(Key::Verbose);
    // Readings that began in the millisecond of the replacement may be older than it.
    let replaced = monotonic::millis();
    let before = taken::read(&master.runtime_dir);
    thread::sleep(Duration::from_millis(2));
    Ok(match reload(&master, verbose) {
        Some(tree) => confirmation(name, &master, &tree, replaced, before),
        None => 0,
    })
}

/// Two switches of one sandbox come one after the other; nothing but the target remains.
fn replace_checked(
    sandbox: &str,
    master: &Path,
    target: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), String> {
    let fail = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    let temporary = target.with_file_name(format!(".tmp.{sandbox}"));
    let queued = || complain("lithos_switch: waiting for another lithos_switch\n");
    let _lock = lock_waiting(&temporary, queued).map_err(|e| fail(&temporary, e))?;
    let candidate = target.with_file_name(format!(".tmp.{sandbox}.yaml"));
    let done = replace(&candidate, bytes, mode)
        .map_err(|e| fail(&candidate, e))
        .and_then(|()| check(master, sandbox, &candidate))
        .and_then(|()| replace(target, bytes, mode).map_err(|e| fail(target, e)));
    for file in [&candidate, &temporary] {
        let _ = fs::remove_file(file);
    }
    done
}

fn content(path: &Path) -> Result<(Vec<u8>, u32), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    let about = fs::metadata(path).map_err(fail)?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(format!(
            "{}: is not a regular file of at most a MiB",
            path.display()
        ));
    }
    let bytes = fs::read(path).map_err(fail)?;
    Ok((bytes, about.permissions().mode() & 0o777))
}

fn sandbox(name: &str, master: &Master, master_path: &Path) -> Result<Sandbox, String> {
    if !super::instance::is_component(name) {
        return Err(format!("{name:?} cannot be the name of a sandbox"));
    }
    let file = master.sandboxes_dir(master_path).join(format!("{name}.yaml"));
    config::read(&file).map_err(|problems| format!("sandbox {name}: {problems}"))
}

/// Has our sibling check the file, which says by itself what is wrong.
fn check(master: &Path, sandbox: &str, file: &Path) -> Result<(), String> {
    let program = program::sibling("lithos_check")?;
    let status = Command::new(&program)
        .arg("--config")
        .arg(master)
        .args(["--sandbox", sandbox, "--alternate-config"])
        .arg(file)
        .status()
        .map_err(|e| format!("{}: {e}", program.display()))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("the check failed ({status}): nothing has been changed")),
    }
}

/// Waits until the tree has read the configuration; returns the exit code.
fn confirmation(name: &str, master: &Master, tree: &OwnedFd, since: u64, before: Option<Taken>) -> i32 {
    let end = Instant::now() + PATIENCE;
    let say = |why: &str| {
        complain(&format!("lithos_switch: the file is in place, but {why}\n"));
        NOT_TAKEN
    };
    while Instant::now() < end {
        let taken =
            taken::read(&master.runtime_dir).filter(|t| t.begun > since && Some(t) != before.as_ref());
        if let Some(taken) = taken {
            let problems = taken.of(name);
            return match problems.is_empty() {
                true => 0,
                false => say(&format!("the tree refused it: {}", problems.join("; "))),
            };
        }
        // A pidfd becomes readable when its process ends (pidfd_open(2)).
        match wait(&[tree.as_fd()], Some(Instant::now() + Duration::from_millis(5))) {
            Ok(ended) if ended.contains(&true) => return say("the tree ended before it read it"),
            Ok(_) => {}
            Err(e) => return say(&format!("the tree cannot be waited for: {e}")),
        }
    }
    say(&format!(
        "the tree has not confirmed it in {PATIENCE:?} (see its log)"
    ))
}

/// Tells the tree, if there is one, and returns it.
fn reload(master: &Master, verbose: bool) -> Option<OwnedFd> {
    let warn = |why: &str| {
        let text = "the file is in place and will be used when the tree starts";
        complain(&format!("lithos_switch: warning: {why}; {text}\n"));
        None
    };
    let file = master.runtime_dir.join("master.pid");
    let pid = fs::read_to_string(&file)
        .ok()
        .and_then(|t| t.trim().parse::<i32>().ok());
    let Some(pid) = pid.filter(|pid| *pid > 0) else {
        return warn(&format!("no tree runs ({} has no process id)", file.display()));
    };
    // The descriptor is opened before we look who it is, so that the signal cannot reach a successor of that number.
    let Ok(process) = pidfd_open(pid) else {
        return warn(&format!("no tree runs (process {pid} is gone)"));
    };
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim_end() != TREE {
        return warn(&format!("no tree runs (process {pid} is {:?})", name.trim_end()));
    }
    if let Err(e) = pidfd_send_signal(process.as_fd(), libc::SIGQUIT) {
        return warn(&format!("can't signal process {pid}: {e}"));
    }
    if verbose {
        complain(&format!("lithos_switch: process {pid} reloads\n"));
    }
    Some(process)
}
