//! The global directory of packages: moving packages there, linking their programs, the name `/usr/lib/node_modules`.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::fs::Kind;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::build::finish;

/// Where projects look for packages, whatever the prefix of npm.
const KNOWN: &str = "/usr/lib/node_modules";

/// Makes the global directory, and a link to it where projects look for it.
pub fn make_known(b: &mut Builder, modules: &Path) -> Result<(), StepError> {
    finish::ensure_dir(&b.root, modules)?;
    if modules == Path::new(KNOWN) || b.root.lstat(KNOWN).is_ok() {
        return Ok(());
    }
    finish::ensure_dir(&b.root, Path::new("/usr/lib"))?;
    b.root.symlink(modules, KNOWN).at("create link", KNOWN)
}

/// Moves the packages of a `node_modules` to the global directory, in the place of older ones, and links the programs
/// in `.bin` in the directory of programs.
pub fn publish(b: &mut Builder, from: &Path, prefix: &Path) -> Result<(), StepError> {
    let to = prefix.join("lib/node_modules");
    if !b.root.exists(from) {
        return Ok(());
    }
    link_programs(b, &from.join(".bin"), &to, &prefix.join("bin"))?;
    for entry in b.root.read_dir(from).at("read", from)? {
        let (name, source) = (PathBuf::from(&entry.name), from.join(&entry.name));
        let first = name.as_os_str().as_encoded_bytes().first();
        match first {
            Some(b'.') => {}
            Some(b'@') => move_scope(b, &source, &to.join(&name))?,
            _ => replace(b, &source, &to.join(&name))?,
        }
    }
    Ok(())
}

/// Packages `@scope/…`: others of the scope stay.
fn move_scope(b: &mut Builder, from: &Path, to: &Path) -> Result<(), StepError> {
    finish::ensure_dir(&b.root, to)?;
    for entry in b.root.read_dir(from).at("read", from)? {
        replace(b, &from.join(&entry.name), &to.join(&entry.name))?;
    }
    Ok(())
}

fn replace(b: &mut Builder, from: &Path, to: &Path) -> Result<(), StepError> {
    b.root
        .remove_all(to)
        .and_then(|()| b.root.rename(from, to))
        .at("install package in", to)
}

fn link_programs(b: &mut Builder, from: &Path, modules: &Path, bin: &Path) -> Result<(), StepError> {
    if !b.root.exists(from) {
        return Ok(());
    }
    finish::ensure_dir(&b.root, bin)?;
    for entry in b.root.read_dir(from).at("read", from)? {
        let source = from.join(&entry.name);
        let Ok(target) = b.root.read_link(&source) else {
            continue;
        };
        // `../PACKAGE/…`, seen from `.bin`.
        let Ok(inside) = target.strip_prefix("..") else {
            continue;
        };
        link(b, &modules.join(inside), &bin.join(&entry.name))?;
    }
    Ok(())
}

/// A program of the base system stays; a link is replaced.
fn link(b: &mut Builder, target: &Path, at: &Path) -> Result<(), StepError> {
    match b.root.lstat(at) {
        Ok(stat) if stat.kind() != Kind::Symlink => {
            b.progress
                .warn(&format!("{at:?} is there already, no link to {target:?} is made"));
            return Ok(());
        }
        Ok(_) => b.root.unlink(at).at("remove", at)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(StepError::io("read", at, &e)),
    }
    b.root.symlink(target, at).at("create link", at)
}
