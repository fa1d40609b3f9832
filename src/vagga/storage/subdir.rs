//! `storage-dir`: which of its subdirectories belongs to this project, and the links in both directions.

use std::fs;
use std::io;
use std::os::unix::fs::{symlink, DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{fail, Failure};
use crate::vagga::project::Project;

/// How many suffixed names are tried when the project's own name is taken.
const MAX_SUFFIX: u32 = 100;
/// Exit code of [`init`] for what can never work.
const REFUSED: u8 = 1;

/// The project's directory in `storage`; chosen, created and linked on first use.
pub(super) fn find(
    project: &Project,
    vagga_dir: &Path,
    storage: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<PathBuf, Failure> {
    let link = vagga_dir.join(".lnk");
    match fs::read_link(&link) {
        Ok(target) => return check_link(&link, &target, storage),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => {
            return Err(
                fail(format!("{link:?} must be a symlink: {e}")).with_hint(format!("remove {link:?}"))
            );
        }
    }
    if !storage.is_dir() {
        return Err(missing(storage));
    }
    let dir = match &project.settings.storage_subdir_from_env_var {
        Some(var) => shared_dir(storage, var, env)?,
        None => own_dir(project, storage)?,
    };
    symlink(&dir, &link).map_err(|e| fail(format!("Can't create symlink {link:?}: {e}")))?;
    Ok(dir)
}

/// `_init_storage_dir`: makes the directory `name` of the storage directory the project's. What is linked so already is
/// fine; a directory of another project is taken only with `allow_multiple`.
///
/// Errors: exit 1 for a bad name or without the setting, 121 when a link leads elsewhere. Nothing is made then.
pub fn init(project: &Project, name: &str, allow_multiple: bool) -> Result<(), Failure> {
    let refused = |text: String| Failure::new(REFUSED, format!("_init_storage_dir: {text}"));
    let Some(storage) = &project.settings.storage_dir else {
        return Err(refused("the setting storage-dir is missing".into()));
    };
    if name.contains('/') || name.starts_with('.') || name.is_empty() {
        return Err(refused(format!("{name:?} must be a plain name")));
    }
    if !storage.is_dir() {
        return Err(missing(storage));
    }
    let (vagga_dir, dir) = (project.root.join(".vagga"), storage.join(name));
    super::internal_dir(&vagga_dir)?;
    let (link, back) = (vagga_dir.join(".lnk"), dir.join(".lnk"));
    let forth = is_link_missing(&link, &dir)?;
    let back_missing = !allow_multiple && is_link_missing(&back, &project.root)?;
    match make_dir(&dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(cant_create(&dir, &e)),
        _ if !dir.is_dir() => return Err(fail(format!("{dir:?} exists but is not a directory"))),
        _ => {}
    }
    for (needed, link, target) in [(back_missing, &back, &project.root), (forth, &link, &dir)] {
        if needed {
            symlink(target, link).map_err(|e| cant_create(link, &e))?;
        }
    }
    Ok(())
}

/// True when the link is to be made. Errors: it leads elsewhere.
fn is_link_missing(link: &Path, target: &Path) -> Result<bool, Failure> {
    match fs::read_link(link) {
        Ok(found) if found == target || same_dir(&found, target) => Ok(false),
        Ok(found) => Err(
            fail(format!("{link:?} points to {found:?}, not to {target:?}")).with_hint(format!(
            "remove {link:?} if the other place is not needed, or use --allow-multiple for a shared directory"
        )),
        ),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(fail(format!("{link:?} must be a symlink: {e}"))),
    }
}

/// An existing `.vagga/.lnk` decides, as long as it leads to a directory of `storage`.
fn check_link(link: &Path, target: &Path, storage: &Path) -> Result<PathBuf, Failure> {
    let inside = target.parent().is_some_and(|parent| same_dir(parent, storage));
    let Some(name) = target.file_name().filter(|_| inside) else {
        return Err(fail(format!(
            "{link:?} points to {target:?}, which is not a subdirectory of storage-dir {storage:?}"
        ))
        .with_hint(format!(
            "make the link point into {storage:?}, or remove the directory .vagga to start with empty storage"
        )));
    };
    if !target.is_dir() {
        return Err(
            fail(format!("{link:?} points to {target:?}, which does not exist"))
                .with_hint(format!("remove {link:?} to get a new directory")),
        );
    }
    Ok(storage.join(name))
}

fn same_dir(a: &Path, b: &Path) -> bool {
    a == b
        || matches!((fs::metadata(a), fs::metadata(b)), (Ok(a), Ok(b))
            if a.dev() == b.dev() && a.ino() == b.ino())
}

/// The directory named by the variable; several checkouts may share it, so it has no link back.
fn shared_dir(storage: &Path, var: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, Failure> {
    let name = env(var).map(|value| sanitize(&value)).unwrap_or_default();
    if name.is_empty() {
        return Err(fail(format!(
            "Couldn't determine storage-dir subdir: variable {var} (setting storage-subdir-from-env-var) is not set"
        )));
    }
    let dir = storage.join(name);
    match make_dir(&dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(cant_create(&dir, &e)),
        _ if dir.is_dir() => Ok(dir),
        _ => Err(fail(format!("{dir:?} exists but is not a directory"))),
    }
}

/// A fresh directory named after the project, with a link back to it.
fn own_dir(project: &Project, storage: &Path) -> Result<PathBuf, Failure> {
    let name = project.root.file_name().unwrap_or("root".as_ref());
    for suffix in 0..=MAX_SUFFIX {
        let mut candidate = name.to_os_string();
        if suffix > 0 {
            candidate.push(format!("-{suffix}"));
        }
        let dir = storage.join(candidate);
        match make_dir(&dir) {
            Ok(()) => {
                let back = dir.join(".lnk");
                symlink(&project.root, &back).map_err(|e| cant_create(&back, &e))?;
                return Ok(dir);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(cant_create(&dir, &e)),
        }
    }
    Err(fail(format!(
        "{storage:?} already holds {name:?} and {name:?}-1 to -{MAX_SUFFIX}"
    ))
    .with_hint("remove directories of projects that are gone, or set storage-subdir-from-env-var"))
}

fn missing(storage: &Path) -> Failure {
    fail(format!("storage-dir {storage:?} must exist and be a directory"))
        .with_hint(format!("mkdir -p {storage:?}, or change the setting storage-dir"))
}

fn make_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o755).create(dir)
}

fn cant_create(path: &Path, e: &io::Error) -> Failure {
    fail(format!("Can't create {path:?}: {e}"))
}

/// Every run of characters outside `[A-Za-z0-9_-]` becomes one dash.
fn sanitize(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut in_run = false;
    for c in value.chars() {
        let good = c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if good {
            out.push(c);
        } else if !in_run {
            out.push('-');
        }
        in_run = !good;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::{project, Temp};
    use super::super::Storage;
    use super::*;
    use crate::vagga::config::Settings;

    fn with_storage(t: &Temp, var: Option<&str>) -> Project {
        let dir = t.0.join("S");
        fs::create_dir_all(&dir).unwrap();
        project(
            t,
            Settings {
                storage_dir: Some(dir),
                storage_subdir_from_env_var: var.map(String::from),
                ..Settings::default()
            },
        )
    }

    #[test]
    fn runs_of_bad_characters_become_one_dash() {
        assert_eq!(sanitize("a/b c"), "a-b-c");
        assert_eq!(sanitize("../..//x"), "-x");
        assert_eq!(sanitize("a_b-9"), "a_b-9");
    }

    #[test]
    fn first_use_links_both_ways_and_is_remembered() {
        let t = Temp::new("subdir");
        let p = with_storage(&t, None);
        let s = Storage::open(&p).unwrap();
        assert_eq!(s.base, t.0.join("S/app"));
        assert_eq!(s.link_prefix, Path::new(".lnk"));
        assert_eq!(fs::read_link(p.root.join(".vagga/.lnk")).unwrap(), s.base);
        assert_eq!(fs::read_link(s.base.join(".lnk")).unwrap(), p.root);
        assert_eq!(Storage::open(&p).unwrap(), s);
        fs::remove_dir_all(p.root.join(".vagga")).unwrap();
        assert_eq!(Storage::open(&p).unwrap().base, t.0.join("S/app-1"));
    }

    #[test]
    fn variable_names_a_directory_without_back_link() {
        let t = Temp::new("subdir");
        let p = with_storage(&t, Some("V"));
        let e = Storage::open_with(&p, &|_| None).unwrap_err();
        assert!(e.message.contains("Couldn't determine storage-dir subdir"), "{e}");
        let s = Storage::open_with(&p, &|_| Some("a b/c".into())).unwrap();
        assert_eq!(s.base, t.0.join("S/a-b-c"));
        assert!(!s.base.join(".lnk").exists());
        assert_eq!(
            Storage::open_with(&p, &|_| None).unwrap(),
            s,
            "the link wins over the variable"
        );
    }

    #[test]
    fn foreign_and_dangling_links_are_errors() {
        let t = Temp::new("subdir");
        let p = with_storage(&t, None);
        let link = p.root.join(".vagga/.lnk");
        fs::create_dir(p.root.join(".vagga")).unwrap();
        symlink("/nowhere/app", &link).unwrap();
        assert!(Storage::open(&p)
            .unwrap_err()
            .message
            .contains("not a subdirectory"));
        fs::remove_file(&link).unwrap();
        symlink(t.0.join("S/gone"), &link).unwrap();
        assert!(Storage::open(&p).unwrap_err().message.contains("does not exist"));
    }
}
