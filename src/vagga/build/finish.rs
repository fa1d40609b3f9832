//! The end of a build: what must be gone from the image, what must be in it.

use std::io;
use std::path::{Path, PathBuf};

use super::builder::Builder;
use super::error::{IoContext, StepError};
use super::{settle, step};
use crate::sys::fs::Kind;
use crate::sys::path::Root;
use crate::vagga::config::Container;

/// Directories that every container has.
pub const STANDARD_DIRS: [&str; 6] = ["/dev", "/proc", "/run", "/sys", "/tmp", "/work"];

/// Directories whose contents never stay.
const EMPTY_DIRS: [&str; 2] = ["/tmp", "/var/tmp"];

/// Everything between the last step and the finished image, in the documented order.
pub fn finish(b: &mut Builder, config: &Container) -> Result<(), StepError> {
    step::finish(b)?;
    if b.state.distribution.is_some() {
        b.with_distribution(|d, b| d.finish(b))?;
    }
    b.unmount_all()?;
    empty_resolver_files(&b.root, config)?;
    for path in &b.state.remove {
        b.root.remove_all(path).at("remove", path)?;
    }
    for path in EMPTY_DIRS
        .map(Path::new)
        .into_iter()
        .chain(b.state.empty.iter().map(PathBuf::as_path))
    {
        empty_dir(&b.root, path)?;
    }
    for path in STANDARD_DIRS
        .map(Path::new)
        .into_iter()
        .chain(b.state.ensure.iter().map(PathBuf::as_path))
    {
        ensure_dir(&b.root, path)?;
    }
    if !config.data_dirs.is_empty() {
        warn_nested(b, &config.data_dirs);
        keep_only(&b.root, &config.data_dirs)?;
    }
    settle::forget(&b.root, &b.name)
}

/// Deletes what is in a directory; a missing one is fine, anything else than a directory is left alone.
pub fn empty_dir(root: &Root, dir: &Path) -> Result<(), StepError> {
    let entries = match root.lstat(dir) {
        Ok(stat) if stat.kind() == Kind::Dir => root.read_dir(dir).at("read", dir)?,
        Ok(_) => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(StepError::io("read", dir, &e)),
    };
    for entry in entries {
        let path = dir.join(entry.name);
        root.remove_all(&path).at("remove", &path)?;
    }
    Ok(())
}

/// Links followed to find the place of a missing directory, as by the kernel.
const MAX_LINKS: u32 = 40;

/// Creates a directory and its parents, mode 0755; fails when the path, or a parent, is something else. Where a link
/// leads to nothing the directory is made that it leads to (`/tmp` is emptied at the end of a build).
pub fn ensure_dir(root: &Root, dir: &Path) -> Result<(), StepError> {
    ensure(root, dir, MAX_LINKS)
}

fn ensure(root: &Root, dir: &Path, links: u32) -> Result<(), StepError> {
    for part in dir.ancestors().collect::<Vec<_>>().into_iter().rev() {
        match root.stat(part) {
            Ok(stat) if stat.kind() == Kind::Dir => {}
            Ok(_) => return Err(StepError::new(format!("{part:?} exists but not a directory"))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => match root.read_link(part) {
                Ok(target) if links > 0 => {
                    let target = part.parent().unwrap_or(Path::new("/")).join(target);
                    ensure(root, &target, links - 1)?;
                }
                _ => root.mkdir(part, 0o755).at("create directory", part)?,
            },
            Err(e) => return Err(StepError::io("create directory", part, &e)),
        }
    }
    Ok(())
}

/// `resolv.conf` and `hosts` stay as empty files (created if missing, left alone if they are not regular files).
fn empty_resolver_files(root: &Root, config: &Container) -> Result<(), StepError> {
    let standard = ["/etc/resolv.conf", "/etc/hosts"].map(PathBuf::from);
    let configured = [&config.resolv_conf_path, &config.hosts_file_path];
    for path in standard.iter().chain(configured.into_iter().flatten()) {
        match root.lstat(path) {
            Ok(stat) if stat.kind() != Kind::File => {}
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(StepError::io("read", path, &e)),
            Err(_) if path.parent().is_some_and(|dir| root.stat(dir).is_err()) => {}
            _ => drop(root.create(path, 0o644).at("create", path)?),
        }
    }
    Ok(())
}

fn warn_nested(b: &mut Builder, keep: &[PathBuf]) {
    for (i, path) in keep.iter().enumerate() {
        let outer = keep
            .iter()
            .enumerate()
            .find(|(j, other)| path.starts_with(other) && (path != *other || *j < i));
        if let Some((_, outer)) = outer {
            b.progress.warn(&format!(
                "data dir {path:?} is inside of another data dir: {outer:?}"
            ));
        }
    }
}

/// Removes everything that is neither in `keep`, nor below, nor a parent of something in it.
fn keep_only(root: &Root, keep: &[PathBuf]) -> Result<(), StepError> {
    prune(root, Path::new("/"), keep)
}

fn prune(root: &Root, dir: &Path, keep: &[PathBuf]) -> Result<(), StepError> {
    for entry in root.read_dir(dir).at("read", dir)? {
        let path = dir.join(entry.name);
        if keep.iter().any(|k| path.starts_with(k)) {
            continue;
        }
        let is_parent = keep.iter().any(|k| k.starts_with(&path));
        if is_parent && root.lstat(&path).at("read", &path)?.kind() == Kind::Dir {
            prune(root, &path, keep)?;
        } else {
            root.remove_all(&path).at("remove", &path)?;
        }
    }
    Ok(())
}
