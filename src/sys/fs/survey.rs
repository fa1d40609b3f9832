//! Looking at every entry of a tree without opening files: by descriptor, in a fixed order, whatever the depth.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::descent::Descent;
use super::{explain, Kind, Stat};
use crate::sys::at;
use crate::sys::path::Root;

/// Visits everything below `root`: path relative to it, and what `lstat` says. Directories come before what is in
/// them, entries of one directory in byte order. Links are never followed. An error of `visit` ends the walk.
pub fn survey(root: &Root, visit: &mut dyn FnMut(&Path, &Stat) -> io::Result<()>) -> io::Result<()> {
    let mut path = PathBuf::new();
    let mut descent = Descent::default();
    let mut levels = Vec::new();
    let top = at::open_dir(root.as_fd(), ".".as_ref())?;
    enter(&mut descent, &mut levels, top)?;
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.pop() else {
            levels.pop();
            descent.leave()?;
            path.pop();
            continue;
        };
        path.push(&name);
        let stat = at::stat(descent.here()?, &name).map_err(|e| explain(e, "read", &path))?;
        visit(&path, &stat)?;
        if stat.kind() == Kind::Dir {
            let fd = at::open_dir(descent.here()?, &name).map_err(|e| explain(e, "open", &path))?;
            enter(&mut descent, &mut levels, fd)?;
        } else {
            path.pop();
        }
    }
    Ok(())
}

/// Goes into a directory; its names are kept with the next one last.
fn enter(descent: &mut Descent, levels: &mut Vec<Vec<OsString>>, fd: OwnedFd) -> io::Result<()> {
    let mut names: Vec<OsString> = at::list(fd.as_fd())?
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    descent.enter(fd)?;
    levels.push(names);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;
    use std::fs;

    #[test]
    fn everything_is_seen_once_in_order() {
        let t = Temp::new();
        fs::create_dir_all(t.0.join("b/c/d")).unwrap();
        fs::write(t.0.join("b/x"), "").unwrap();
        fs::write(t.0.join("a"), "1234").unwrap();
        std::os::unix::fs::symlink("/", t.0.join("b/c/link")).unwrap();
        let mut seen = Vec::new();
        survey(&Root::open(&t.0).unwrap(), &mut |path, stat| {
            seen.push((path.to_str().unwrap().to_string(), stat.kind()));
            Ok(())
        })
        .unwrap();
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "b/c", "b/c/d", "b/c/link", "b/x"]);
        assert_eq!(seen[4].1, Kind::Symlink);
    }
}
