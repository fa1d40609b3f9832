//! What a standby was made from. A container that is started later than it was made must be what it would be now: when any
//! file that was read, or any directory that was mounted, is another one since, the standby is thrown away.
//!
//! Looks at files by path and never opens one.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use serde_derive::{Deserialize, Serialize};

use super::load::Loaded;
use crate::lithos::config::Volume;
use crate::lithos::policy;
use crate::sys::path::Root;

/// A file or directory as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    path: PathBuf,
    state: Option<State>,
}

/// Device, inode and, of what was read, size and time of the last change; missing things have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    dev: u64,
    ino: u64,
    content: Option<(u64, i64, i64)>,
}

impl State {
    /// Directories by identity only: what is in them may change at any time.
    fn of(path: &Path) -> Option<State> {
        let found = fs::metadata(path).ok()?;
        let content = !found.is_dir();
        Some(State {
            dev: found.dev(),
            ino: found.ino(),
            content: content.then(|| (found.size(), found.ctime(), found.ctime_nsec())),
        })
    }
}

impl Stamp {
    fn of(path: PathBuf) -> Stamp {
        Stamp {
            state: State::of(&path),
            path,
        }
    }

    /// It is still what it was.
    pub fn holds(&self) -> bool {
        State::of(&self.path) == self.state
    }
}

/// Of everything that decides about a container, to be taken *before* it is read (again).
pub fn take(master: &Path, loaded: &Loaded) -> Vec<Stamp> {
    let mut paths = vec![master.to_path_buf()];
    paths.extend(of_host(master, loaded));
    paths.extend(of_image(loaded));
    // After an upgrade of lithos containers start with the new knot.
    paths.extend(fs::read_link("/proc/self/exe"));
    paths.into_iter().map(Stamp::of).collect()
}

fn of_host(master: &Path, loaded: &Loaded) -> Vec<PathBuf> {
    let Loaded {
        sandbox, container, ..
    } = loaded;
    let file = format!("{}.yaml", loaded.name.sandbox);
    let mut paths = vec![
        loaded.master.sandboxes_dir(master).join(file),
        loaded.master.devfs_dir.clone(),
        sandbox.image_dir.join(&loaded.instance.image),
        // Also where the names of the machine come from.
        sandbox.hosts_file.clone(),
        "/etc/hosts".into(),
        sandbox.resolv_conf.clone(),
    ];
    paths.extend(sandbox.secrets_private_key.clone());
    let maps = [&sandbox.readonly_paths, &sandbox.writable_paths];
    let sources = container.volumes.values().filter_map(|volume| match volume {
        Volume::Readonly(path) => policy::host_path(path, &maps).ok(),
        Volume::Persistent(v) => policy::host_path(&v.path, &[&sandbox.writable_paths]).ok(),
        Volume::Statedir(_) | Volume::Tmpfs(_) => None,
    });
    paths.extend(sources.map(|found| found.base.join(found.rest)));
    paths
}

/// By what their names lead to beneath the image's root.
fn of_image(loaded: &Loaded) -> Vec<PathBuf> {
    let config = Path::new(&loaded.instance.config);
    let mut names = vec![config.to_path_buf()];
    if let Some(secrets) = &loaded.container.secret_environ_file {
        names.push(config.parent().unwrap_or(Path::new("/")).join(secrets));
    }
    names
        .iter()
        .filter_map(|name| real_path(&loaded.image, name))
        .collect()
}

fn real_path(image: &Root, name: &Path) -> Option<PathBuf> {
    let fd = image.open_with(name, OFlag::O_PATH, 0).ok()?;
    fs::read_link(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;

    #[test]
    fn stamps_hold_until_something_is_another() {
        let t = Temp::new();
        let (file, dir, none) = (t.0.join("file"), t.0.join("dir"), t.0.join("none"));
        fs::write(&file, "1").unwrap();
        fs::create_dir(&dir).unwrap();
        let stamps = [&file, &dir, &none].map(|path| Stamp::of(path.clone()));
        let text = serde_json::to_string(&stamps).unwrap();
        let stamps: Vec<Stamp> = serde_json::from_str(&text).unwrap();
        let held = || [0, 1, 2].map(|n: usize| stamps[n].holds());
        assert_eq!(held(), [true; 3]);
        fs::write(dir.join("content"), "may change").unwrap();
        assert_eq!(held(), [true; 3]);
        fs::write(&file, "22").unwrap();
        fs::write(&none, "is there").unwrap();
        assert_eq!(held(), [false, true, false]);
        fs::rename(&dir, t.0.join("old")).unwrap();
        fs::create_dir(&dir).unwrap();
        assert!(!stamps[1].holds());
    }
}
