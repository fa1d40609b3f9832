//! File systems of the kernel that programs expect, mounted where they are missing. What is there is left alone.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::sys::mount::{filesystem, Flags};
use crate::sys::path::Root;

/// A file system and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Where.
    pub path: &'static str,
    /// Its name in `/proc/filesystems`.
    pub kind: &'static str,
    /// Restrictions.
    pub flags: Flags,
    /// Options of the file system.
    pub options: &'static str,
}

const CLOSED: Flags = Flags::NOSUID.and(Flags::NODEV).and(Flags::NOEXEC);

/// Everywhere: without them nothing of ours works.
pub const FOR_ALL: [Wanted; 3] = [
    wanted("/proc", "proc", CLOSED, ""),
    wanted("/sys", "sysfs", CLOSED, ""),
    wanted("/dev", "devtmpfs", Flags::NOSUID, "mode=0755"),
];

/// On a machine that nobody has prepared.
pub const FOR_MACHINES: [Wanted; 4] = [
    wanted(
        "/dev/pts",
        "devpts",
        Flags::NOSUID,
        "gid=5,mode=0620,ptmxmode=0666",
    ),
    wanted("/dev/shm", "tmpfs", Flags::NOSUID, "mode=1777"),
    wanted("/run", "tmpfs", Flags::NOSUID, "mode=0755"),
    wanted("/sys/fs/cgroup", "cgroup2", CLOSED, ""),
];

const fn wanted(path: &'static str, kind: &'static str, flags: Flags, options: &'static str) -> Wanted {
    Wanted {
        path,
        kind,
        flags,
        options,
    }
}

/// Mounts those of which nothing is in place, in their order.
pub fn mount_missing(all: &[Wanted], remarks: &mut Vec<String>) {
    for wanted in all {
        match is_mounted(Path::new("/"), wanted) {
            Ok(true) => {}
            Ok(false) => remarks.push(match mount(wanted) {
                Ok(()) => format!("mounted {} on {}", wanted.kind, wanted.path),
                Err(e) => format!("{} cannot be mounted on {}: {e}", wanted.kind, wanted.path),
            }),
            Err(e) => remarks.push(format!("{}: {e}", wanted.path)),
        }
    }
}

/// Whether another file system than that of the directory above is there. Nothing of `/proc` is needed for that.
fn is_mounted(root: &Path, wanted: &Wanted) -> io::Result<bool> {
    let path = root.join(wanted.path.trim_start_matches('/'));
    let above = std::fs::metadata(path.parent().unwrap_or(root))?;
    match std::fs::symlink_metadata(&path) {
        // A link leads to something that somebody has prepared.
        Ok(found) => Ok(found.is_symlink() || found.dev() != above.dev()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

fn mount(wanted: &Wanted) -> io::Result<()> {
    let root = Root::open("/")?;
    match root.mkdir(wanted.path, 0o755) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    filesystem(
        wanted.kind,
        &root,
        wanted.path,
        wanted.flags,
        OsStr::new(wanted.options),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;

    #[test]
    fn what_is_mounted_here_is_seen() {
        let proc = &FOR_ALL[0];
        assert!(is_mounted(Path::new("/"), proc).unwrap());
        let temp = Temp::new();
        assert!(!is_mounted(&temp.0, proc).unwrap(), "nothing there at all");
        std::fs::create_dir(temp.0.join("proc")).unwrap();
        assert!(!is_mounted(&temp.0, proc).unwrap(), "an ordinary directory");
        assert!(
            is_mounted(&temp.0, &FOR_MACHINES[3]).is_err(),
            "no directory above"
        );
        std::os::unix::fs::symlink("elsewhere", temp.0.join("run")).unwrap();
        assert!(is_mounted(&temp.0, &FOR_MACHINES[2]).unwrap());
    }

    #[test]
    fn directories_come_before_what_is_in_them() {
        let all: Vec<&str> = FOR_ALL
            .iter()
            .chain(&FOR_MACHINES)
            .map(|wanted| wanted.path)
            .collect();
        for (n, path) in all.iter().enumerate() {
            let above = Path::new(path).parent().unwrap();
            let later = all.iter().skip(n).any(|other| Path::new(other) == above);
            assert!(!later, "{path}");
        }
    }
}
