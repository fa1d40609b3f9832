//! Which directories could be images: those that are exactly so deep below an image directory.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::lithos::sandboxes::is_hidden_or_backup;
use crate::sys::fs::Kind;
use crate::sys::path::Root;

/// Directories exactly `levels` below the root, sorted. Hidden ones, backups and links are left out at every level, and
/// of the deepest those that were born or changed after `since`.
///
/// Errors: a directory cannot be read; what vanished meanwhile is left out.
pub fn list(root: &Root, levels: usize, since: Option<SystemTime>) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for _ in 0..levels {
        let mut deeper = Vec::new();
        for dir in &found {
            deeper.extend(below(root, dir)?);
        }
        found = deeper;
    }
    if let Some(since) = since {
        found.retain(|dir| !is_recent(root, dir, since));
    }
    found.sort();
    Ok(found)
}

fn below(root: &Root, dir: &Path) -> io::Result<Vec<PathBuf>> {
    let path = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let entries = match root.read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && dir != Path::new("") => return Ok(Vec::new()),
        entries => entries?,
    };
    let dirs = entries
        .into_iter()
        .filter(|e| e.kind == Kind::Dir && is_meant(&e.name));
    Ok(dirs.map(|e| dir.join(e.name)).collect())
}

fn is_meant(name: &OsStr) -> bool {
    !is_hidden_or_backup(&name.to_string_lossy())
}

/// What cannot be seen is spared.
fn is_recent(root: &Root, dir: &Path, since: SystemTime) -> bool {
    let meta = root.open_dir(dir).and_then(|fd| File::from(fd).metadata());
    meta.map_or(true, |meta| {
        let times = [meta.created(), meta.modified()];
        times.into_iter().flatten().any(|time| time > since)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_directories_at_the_level() {
        let top = std::env::temp_dir().join(format!("lithos-clean-{}", std::process::id()));
        for dir in ["a/x", "a/.y", "b.bak/x", ".c/x", "d"] {
            std::fs::create_dir_all(top.join(dir)).unwrap();
        }
        std::fs::write(top.join("file"), "").unwrap();
        std::os::unix::fs::symlink("a", top.join("link")).unwrap();
        let root = Root::open(&top).unwrap();
        let names = |levels, since| -> Vec<String> {
            let found = list(&root, levels, since).unwrap();
            found.into_iter().map(|p| p.display().to_string()).collect()
        };
        assert_eq!(names(1, None), ["a", "d"]);
        assert_eq!(names(2, None), ["a/x"]);
        let now = SystemTime::now();
        assert_eq!(names(1, Some(now - Duration::from_secs(3600))), [""; 0]);
        assert_eq!(names(1, Some(now + Duration::from_secs(3600))), ["a", "d"]);
        std::fs::remove_dir_all(top).unwrap();
    }
}
