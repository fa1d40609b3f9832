//! `_update_symlinks`: links named after `symlink-name` of commands, so that a tool of a container can be called by its
//! own name. The names come from the project and must stay names.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::failure::{exit, Failure};
use super::project::Project;
use crate::sys::fs::Kind;
use crate::sys::path::Root;

/// Where links are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// `PROJECT/.vagga/.cmd`; links of commands that are gone are removed there.
    pub project: bool,
    /// `$HOME/.vagga/cmd`, which all projects share: nothing is removed.
    pub home: bool,
}

/// Makes the links of all commands.
///
/// Errors: exit 121: a name that is no plain file name, no `HOME`, directories that cannot be written to.
pub fn update(project: &Project, places: Places, home: Option<&str>) -> Result<(), Failure> {
    if !project.settings.run_symlinks_as_commands {
        log::warn!("the setting run-symlinks-as-commands is off: the links will run plain vagga");
    }
    let names = names(project)?;
    let binary = binary()?;
    if places.project {
        let dir = project.root.join(".vagga/.cmd");
        let root = open(&project.root, Path::new(".vagga/.cmd"), &dir)?;
        link(&root, &names, &binary, &dir)?;
        remove_stale(&root, &names, &dir)?;
    }
    if places.home {
        let home = home.filter(|home| Path::new(home).is_absolute()).ok_or_else(|| {
            Failure::new(exit::LAUNCHER, "the variable HOME is not set to a directory")
                .with_hint("make links for this project only: vagga _update_symlinks --local-only")
        })?;
        let dir = Path::new(home).join(".vagga/cmd");
        let root = open(Path::new(home), Path::new(".vagga/cmd"), &dir)?;
        link(&root, &names, &binary, &dir)?;
    }
    Ok(())
}

/// All names, checked before anything is made.
fn names(project: &Project) -> Result<BTreeSet<&str>, Failure> {
    let mut names = BTreeSet::new();
    for (command, info) in &project.config.commands {
        let Some(name) = info.common().symlink_name.as_deref() else {
            continue;
        };
        if let Some(why) = fault(name) {
            let text = format!("symlink-name {name:?} of command {command:?} {why}");
            return Err(Failure::new(exit::LAUNCHER, text));
        }
        if !names.insert(name) {
            log::warn!("symlink-name {name:?} of command {command:?} belongs to another command already");
        }
    }
    Ok(names)
}

/// Why a link cannot have this name.
fn fault(name: &str) -> Option<&'static str> {
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    match plain {
        false => Some("is not a plain file name"),
        true if name == "vagga" || name.starts_with("vagga_") => {
            Some("would be taken for vagga itself: choose a name that does not begin with it")
        }
        true => None,
    }
}

fn binary() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|e| Failure::new(exit::LAUNCHER, format!("Can't find the binary of vagga: {e}")))
}

/// Opens a directory below `base`, making it if it is missing.
fn open(base: &Path, relative: &Path, dir: &Path) -> Result<Root, Failure> {
    let root = Root::open(base).map_err(|e| fail(base, &e))?;
    root.mkdir_all(relative, 0o755).map_err(|e| fail(dir, &e))?;
    root.sub(relative).map_err(|e| fail(dir, &e))
}

fn link(root: &Root, names: &BTreeSet<&str>, binary: &Path, dir: &Path) -> Result<(), Failure> {
    for name in names {
        replace(root, name, binary).map_err(|e| fail(&dir.join(name), &e))?;
    }
    Ok(())
}

/// Beneath the open directory, whatever its path means by now.
fn replace(root: &Root, name: &str, binary: &Path) -> io::Result<()> {
    let temporary = format!(".tmp.{}.{name}", std::process::id());
    match root.unlink(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    root.symlink(binary, &temporary)?;
    root.rename(&temporary, name)
}

/// Removes symbolic links, and nothing else, that belong to no command any more.
fn remove_stale(root: &Root, names: &BTreeSet<&str>, dir: &Path) -> Result<(), Failure> {
    for entry in root.read_dir(".").map_err(|e| fail(dir, &e))? {
        let wanted = entry.name.to_str().is_some_and(|name| names.contains(name));
        if entry.kind == Kind::Symlink && !wanted {
            let path = Path::new(&entry.name);
            root.unlink(path).map_err(|e| fail(&dir.join(path), &e))?;
            log::info!("removed {:?}: no command has this symlink-name", dir.join(path));
        }
    }
    Ok(())
}

fn fail(path: &Path, e: &io::Error) -> Failure {
    Failure::new(exit::LAUNCHER, format!("Can't make links in {path:?}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "/x",
            "../.bashrc",
            "vagga",
            "vagga_x",
            "a\0b",
        ] {
            assert!(fault(bad).is_some(), "{bad:?}");
        }
        for good in ["tool", ".tool", "...", "a b", "vagga2"] {
            assert_eq!(fault(good), None, "{good}");
        }
    }
}
