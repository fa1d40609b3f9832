//! `lithos_switch`: replaces the processes file of a sandbox by one that has been checked, and has the tree reload.

mod flags;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::flags::{Key, TOOL};
use super::config::master::DEFAULT_PATH;
use super::config::{self, Master, Sandbox};
use super::program;
use crate::cli::output::complain;
use crate::cli::Parsed;
use crate::sys::fs::{lock_waiting, replace};
use crate::sys::process::{pidfd_open, pidfd_send_signal};

/// Name of the tree's process as the kernel keeps it.
const TREE: &str = "lithos_tree";
/// Largest processes file, bytes; the loader refuses more.
const LARGEST: u64 = 1 << 20;

/// Entry point of the executable; returns the exit code.
pub fn main() -> i32 {
    TOOL.run(|parsed| run(&parsed).map(|()| 0))
}

fn run(parsed: &Parsed<Key>) -> Result<(), String> {
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
    reload(&master, parsed.has(Key::Verbose));
    Ok(())
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
    let wait = || complain("lithos_switch: waiting for another lithos_switch\n");
    let _lock = lock_waiting(&temporary, wait).map_err(|e| fail(&temporary, e))?;
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

/// Tells the tree, if there is one.
fn reload(master: &Master, verbose: bool) {
    let warn = |why: &str| {
        let text = "the file is in place and will be used when the tree starts";
        complain(&format!("lithos_switch: warning: {why}; {text}\n"));
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
    match pidfd_send_signal(std::os::fd::AsFd::as_fd(&process), libc::SIGQUIT) {
        Ok(()) if verbose => complain(&format!("lithos_switch: process {pid} reloads\n")),
        Ok(()) => {}
        Err(e) => warn(&format!("can't signal process {pid}: {e}")),
    }
}
