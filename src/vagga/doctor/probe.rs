//! The experiment: a child in new namespaces that maps ids and mounts what containers need.
//!
//! Everything it mounts is in its own mount namespace and ends with it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use nix::mount::{mount, MsFlags};

use super::explain::Stage;
use super::networks;
use crate::sys::netlink;
use crate::sys::process::{self, Child, Fork, Namespaces, WaitOptions};
use crate::vagga::ids::IdMaps;

/// How far the experiment came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Whether clone(2) worked.
    pub clone: Result<(), i32>,
    /// Whether the maps could be written, or the message.
    pub maps: Result<(), String>,
    /// Stages inside that were reached, with errno (0 = success).
    pub inside: Vec<(Stage, i32)>,
}

/// Makes the namespaces of a container with these maps and tries the stages.
pub fn attempt(maps: &IdMaps) -> Trial {
    experiment(of_container(), maps, &std::env::temp_dir(), &Stage::INSIDE)
}

/// Makes a network namespace with these maps and tries what networks of children need.
pub fn attempt_networks(maps: &IdMaps) -> Trial {
    let namespaces = Namespaces::USER | Namespaces::NET;
    experiment(namespaces, maps, &std::env::temp_dir(), &Stage::NETWORKS)
}

/// Tries an overlay whose layers are in the directory `dir`, that is, on the file system of it: not every one can carry
/// them. Errno (0 = it works), `None` when it did not come to that. What is made in `dir` is removed.
pub fn attempt_overlay(maps: &IdMaps, dir: &Path) -> Option<i32> {
    let dir = dir.join(format!(".tmp.doctor.{}", std::process::id()));
    // Such characters have a meaning in the options of the mount.
    if dir.to_string_lossy().contains([',', ':', '\\']) {
        return None;
    }
    fs::create_dir(&dir).ok()?;
    let trial = experiment(of_container(), maps, &dir, &[Stage::Ids, Stage::Overlay]);
    if let Err(e) = crate::vagga::clean::remove_trees(std::slice::from_ref(&dir)) {
        log::warn!("{}", e.message);
    }
    let found = trial
        .inside
        .into_iter()
        .find(|(stage, _)| *stage == Stage::Overlay);
    found.map(|(_, errno)| errno)
}

/// The namespaces of a container.
fn of_container() -> Namespaces {
    Namespaces::USER | Namespaces::MOUNT | Namespaces::PID | Namespaces::IPC
}

/// Makes the namespaces and goes through `stages` in `dir`.
fn experiment(namespaces: Namespaces, maps: &IdMaps, dir: &Path, stages: &[Stage]) -> Trial {
    let mut trial = Trial {
        clone: Ok(()),
        maps: Ok(()),
        inside: Vec::new(),
    };
    match try_all(namespaces, maps, dir, stages, &mut trial) {
        Ok(()) => {}
        Err(e) => trial.clone = Err(e.raw_os_error().unwrap_or(libc::EINVAL)),
    }
    trial
}

fn try_all(
    namespaces: Namespaces,
    maps: &IdMaps,
    dir: &Path,
    stages: &[Stage],
    trial: &mut Trial,
) -> io::Result<()> {
    let (go_read, go_write) = process::pipe()?;
    let (report_read, report_write) = process::pipe()?;
    match process::fork(namespaces)? {
        Fork::Child => {
            drop(go_write);
            drop(report_read);
            let _ = process::set_parent_death_signal(libc::SIGKILL);
            process::exit_now(i32::from(
                inside(dir, stages, File::from(go_read), File::from(report_write)).is_err(),
            ));
        }
        Fork::Parent(child) => {
            drop(go_read);
            drop(report_write);
            let report = direct(&child, maps, trial, File::from(go_write), File::from(report_read));
            process::wait(Some(child.pid), WaitOptions::default())?;
            trial.inside = parse(stages, &report?);
            Ok(())
        }
    }
}

/// The parent's side: maps, go, listen. Closing `go` without a byte ends the child.
fn direct(
    child: &Child,
    maps: &IdMaps,
    trial: &mut Trial,
    mut go: File,
    mut report: File,
) -> io::Result<Vec<u8>> {
    match maps.write(child.pid) {
        Ok(()) => go.write_all(b"g")?,
        Err(e) => trial.maps = Err(e.message),
    }
    drop(go);
    let mut out = Vec::new();
    report.read_to_end(&mut out)?;
    Ok(out)
}

/// Pairs of bytes: index in `stages`, errno.
fn parse(stages: &[Stage], report: &[u8]) -> Vec<(Stage, i32)> {
    report
        .chunks_exact(2)
        .filter_map(|pair| match *pair {
            [index, errno] => Some((*stages.get(usize::from(index))?, i32::from(errno))),
            _ => None,
        })
        .collect()
}

/// The child's side. A failed overlay or `/proc` does not end the experiment.
fn inside(dir: &Path, stages: &[Stage], mut go: File, mut report: File) -> io::Result<()> {
    go.read_exact(&mut [0])?;
    for (index, &stage) in stages.iter().enumerate() {
        let result = match stage {
            Stage::Ids => process::set_ids(0, 0, Some(&[])),
            Stage::Mount => mount_tmpfs(dir),
            Stage::Proc => mount_proc(dir),
            Stage::Overlay => mount_overlay(dir),
            Stage::Bridge | Stage::Cable | Stage::Filter | Stage::BridgeFilter => networks::attempt(stage),
            Stage::Clone | Stage::Maps | Stage::Network => Ok(()),
        };
        let errno = match &result {
            Ok(()) => 0,
            Err(e) => netlink::errno(e).unwrap_or(libc::EINVAL),
        };
        report.write_all(&[index as u8, u8::try_from(errno).unwrap_or(u8::MAX)])?;
        if result.is_err() && matches!(stage, Stage::Ids | Stage::Mount) {
            break;
        }
    }
    Ok(())
}

fn mount_tmpfs(dir: &Path) -> io::Result<()> {
    const NONE: Option<&str> = None;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(
        Some("tmpfs"),
        dir,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        NONE,
    )?;
    Ok(())
}

fn mount_proc(dir: &Path) -> io::Result<()> {
    let at = dir.join("proc");
    fs::create_dir(&at)?;
    mount(Some("proc"), &at, Some("proc"), MsFlags::empty(), None::<&str>)?;
    Ok(())
}

fn mount_overlay(dir: &Path) -> io::Result<()> {
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(dir.join(name))?;
    }
    let d = dir.display();
    let options = format!("lowerdir={d}/lower,upperdir={d}/upper,workdir={d}/work");
    let merged = dir.join("merged");
    mount(
        Some("overlay"),
        &merged,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )?;
    fs::write(merged.join("file"), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_pairs_of_stage_and_errno() {
        assert_eq!(
            parse(&Stage::INSIDE, &[0, 0, 1, 13, 77, 0, 3]),
            [(Stage::Ids, 0), (Stage::Mount, libc::EACCES)]
        );
    }
}
