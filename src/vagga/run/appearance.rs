//! Waiting for a file to appear, without looking again and again where the kernel can tell (inotify).
//!
//! All directories above the file that exist are watched. Where something is in the way that could change unseen (a
//! link, a file system of the network or of the kernel itself) nothing is watched, and the caller looks now and then.

use std::io;
use std::os::fd::AsFd;
use std::path::{Component, Path};
use std::thread;
use std::time::Duration;

use nix::sys::statfs::{self, FsType};

use crate::sys::inotify::Watch;
use crate::sys::poll;

/// File systems whose changes all come from this kernel (linux/magic.h; 0x2fc1_2fc1 is ZFS).
const LOCAL: [FsType; 7] = [
    statfs::TMPFS_MAGIC,
    statfs::EXT4_SUPER_MAGIC,
    statfs::BTRFS_SUPER_MAGIC,
    statfs::XFS_SUPER_MAGIC,
    statfs::OVERLAYFS_SUPER_MAGIC,
    FsType(0xf2f5_2010),
    FsType(0x2fc1_2fc1),
];
/// What happens in a busy directory meanwhile is one event.
const BREATH: Duration = Duration::from_millis(10);

/// Sleeps until `path`, an absolute one, may have appeared since the call of `exists` before which nothing was missed.
/// Returns `Ok(true)` once it exists, `Ok(false)` where the kernel cannot tell.
pub fn wait(path: &Path, exists: &dyn Fn() -> bool) -> io::Result<bool> {
    loop {
        let Ok(Some(mut watch)) = watch_above(path) else {
            return Ok(false);
        };
        if exists() {
            return Ok(true);
        }
        poll::wait(&[watch.as_fd()], None)?;
        thread::sleep(BREATH);
        watch.drain()?;
    }
}

/// Watches the directories above; `None` where that tells nothing.
fn watch_above(path: &Path) -> io::Result<Option<Watch>> {
    let mut watch = Watch::new()?;
    let plain = |c: &Component<'_>| matches!(c, Component::RootDir | Component::Normal(_));
    if !path.has_root() || !path.components().all(|c| plain(&c)) {
        return Ok(None);
    }
    let mut above: Vec<&Path> = path.ancestors().collect();
    above.reverse();
    for place in above {
        match place.symlink_metadata() {
            Ok(meta) if meta.is_dir() => {}
            // A link leads to places that are not watched.
            Ok(meta) if meta.is_symlink() => return Ok(None),
            // It is there, or something in its way that will have to go.
            Ok(_) => break,
            Err(e) if e.kind() == io::ErrorKind::NotFound => break,
            Err(e) => return Err(e),
        }
        if !LOCAL.contains(&statfs::statfs(place)?.filesystem_type()) {
            return Ok(None);
        }
        watch.add(place)?;
    }
    Ok(Some(watch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::time::Instant;

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("vagga-appearance-{name}-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        dir
    }

    #[test]
    fn directories_above_may_come_and_go() {
        let dir = dir("steps");
        let file = dir.join("a/b/up");
        let maker = thread::spawn({
            let dir = dir.clone();
            move || {
                let pause = || thread::sleep(Duration::from_millis(40));
                pause();
                fs::create_dir(dir.join("a")).unwrap();
                pause();
                fs::rename(dir.join("a"), dir.join("gone")).unwrap();
                pause();
                fs::create_dir_all(dir.join("new/b")).unwrap();
                fs::rename(dir.join("new"), dir.join("a")).unwrap();
                pause();
                fs::write(dir.join("a/b/.tmp"), "").unwrap();
                fs::rename(dir.join("a/b/.tmp"), dir.join("a/b/up")).unwrap();
            }
        });
        let begin = Instant::now();
        assert!(wait(&file, &|| file.exists()).unwrap());
        assert!(begin.elapsed() >= Duration::from_millis(160));
        maker.join().unwrap();
        assert!(wait(&file, &|| file.exists()).unwrap(), "at once");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn links_and_kernel_files_are_not_watched() {
        let dir = dir("links");
        symlink("elsewhere", dir.join("link")).unwrap();
        for path in [
            dir.join("link/up"),
            dir.join("link"),
            "/proc/no/such".into(),
            "relative".into(),
        ] {
            assert!(!wait(&path, &|| false).unwrap(), "{path:?}");
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
