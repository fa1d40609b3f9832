//! Visiting every entry of a tree in an order that depends on the names alone, without changing anything itself.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::descent::Descent;
use super::{explain, Kind, Stat};
use crate::sys::at;
use crate::sys::path::Root;

/// What a visit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A directory, before anything in it.
    Enter,
    /// Anything but a directory.
    Entry,
    /// The directory again, after everything in it.
    Leave,
}

/// One entry of the tree.
#[derive(Debug)]
pub struct Visit<'a> {
    /// Why it is visited.
    pub moment: Moment,
    /// The directory that holds it; may be `O_PATH`.
    pub dir: BorrowedFd<'a>,
    /// Its name there; `.` for the top itself.
    pub name: &'a OsStr,
    /// Path relative to the top, which itself is empty.
    pub path: &'a Path,
    /// What the kernel knew when it was met, links not followed.
    pub stat: Stat,
}

/// A directory being visited.
struct Level {
    name: OsString,
    stat: Stat,
    /// Subdirectories to come, the next one last.
    rest: Vec<(OsString, Stat)>,
}

/// Visits the directory `root` and everything below it: of each directory first what is not a directory, then the
/// directories, each group sorted by the bytes of the names. Links are not followed. An error of `visit` ends the walk.
pub fn walk(root: &Root, visit: &mut dyn FnMut(&Visit<'_>) -> io::Result<()>) -> io::Result<()> {
    let here = OsStr::new(".");
    let stat = at::stat(root.as_fd(), here)?;
    let mut path = PathBuf::new();
    let mut descent = Descent::default();
    let top = (root.as_fd(), here, stat);
    let mut levels = vec![enter(&mut descent, top, &path, visit)?];
    while let Some(level) = levels.last_mut() {
        if let Some((name, stat)) = level.rest.pop() {
            path.push(&name);
            let dir = descent.here()?.try_clone_to_owned()?;
            levels.push(enter(&mut descent, (dir.as_fd(), &name, stat), &path, visit)?);
            continue;
        }
        let Some(level) = levels.pop() else { break };
        descent.leave()?;
        let dir = match levels.is_empty() {
            true => root.as_fd(),
            false => descent.here()?,
        };
        visit(&Visit {
            moment: Moment::Leave,
            dir,
            name: &level.name,
            path: &path,
            stat: level.stat,
        })?;
        path.pop();
    }
    Ok(())
}

/// [`walk`] without the top and without [`Moment::Leave`]: path relative to `root`, and what `lstat` says.
pub fn survey(root: &Root, visit: &mut dyn FnMut(&Path, &Stat) -> io::Result<()>) -> io::Result<()> {
    walk(root, &mut |found| match found.moment {
        Moment::Leave => Ok(()),
        _ if found.path.as_os_str().is_empty() => Ok(()),
        _ => visit(found.path, &found.stat),
    })
}

/// Goes into a directory and visits it and its files.
fn enter(
    descent: &mut Descent,
    (dir, name, stat): (BorrowedFd<'_>, &OsStr, Stat),
    path: &Path,
    visit: &mut dyn FnMut(&Visit<'_>) -> io::Result<()>,
) -> io::Result<Level> {
    visit(&Visit {
        moment: Moment::Enter,
        dir,
        name,
        path,
        stat,
    })?;
    let fd = at::open_dir(dir, name).map_err(|e| explain(e, "open", path))?;
    let mut entries = at::list(fd.as_fd()).map_err(|e| explain(e, "list", path))?;
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut rest = Vec::new();
    for entry in entries {
        let stat =
            at::stat(fd.as_fd(), &entry.name).map_err(|e| explain(e, "read", &path.join(&entry.name)))?;
        if stat.kind() == Kind::Dir {
            rest.push((entry.name, stat));
            continue;
        }
        visit(&Visit {
            moment: Moment::Entry,
            dir: fd.as_fd(),
            name: &entry.name,
            path: &path.join(&entry.name),
            stat,
        })?;
    }
    rest.reverse();
    descent.enter(fd)?;
    Ok(Level {
        name: name.to_os_string(),
        stat,
        rest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;
    use std::fs;

    #[test]
    fn files_come_before_directories_and_both_by_name() {
        let t = Temp::new();
        for dir in ["b", "a", "a/c"] {
            fs::create_dir(t.0.join(dir)).unwrap();
        }
        for file in ["z", "b/1", "a/x", "a/c/y"] {
            fs::write(t.0.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink("a", t.0.join("link")).unwrap();
        let mut seen = Vec::new();
        let root = Root::open(&t.0).unwrap();
        walk(&root, &mut |v| {
            assert!(at::stat(v.dir, v.name)?.same_file(&v.stat));
            let sign = match v.moment {
                Moment::Enter => '+',
                Moment::Entry => ' ',
                Moment::Leave => '-',
            };
            seen.push(format!("{sign}{}", v.path.display()));
            Ok(())
        })
        .unwrap();
        assert_eq!(
            seen,
            ["+", " link", " z", "+a", " a/x", "+a/c", " a/c/y", "-a/c", "-a", "+b", " b/1", "-b", "-"]
        );
    }

    #[test]
    fn surveys_see_everything_once() {
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
        assert_eq!(names, ["a", "b", "b/x", "b/c", "b/c/link", "b/c/d"]);
        assert_eq!(seen[4].1, Kind::Symlink);
    }

    #[test]
    fn deep_trees_are_walked() {
        let t = Temp::new();
        let mut dir = Root::open(&t.0).unwrap();
        let name = "d".repeat(200);
        for _ in 0..100 {
            dir.mkdir(&name, 0o755).unwrap();
            dir = dir.sub(&name).unwrap();
        }
        dir.create_new("file", 0o644).unwrap();
        let mut most = 0;
        let root = Root::open(&t.0).unwrap();
        walk(&root, &mut |v| {
            most = most.max(v.path.as_os_str().len());
            Ok(())
        })
        .unwrap();
        assert_eq!(most, 201 * 100 + 4);
    }
}
