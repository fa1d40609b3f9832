//! From layers back to a plain directory: one layer after the other is laid over the target, the lowest first.
//!
//! Marks of overlayfs (see the kernel's `filesystems/overlayfs`): a character device 0:0 removes what lies below it, a
//! directory with the attribute `user.overlay.opaque` hides the whole directory below.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use crate::sys::fs::{can_share, copy_selected, CopyOptions, Kind, Method, Stat, Verdict};
use crate::sys::path::Root;

const OPAQUE: &str = "user.overlay.opaque";

/// How files get from a layer to an image on this file system: with shared blocks where it has them, else as further
/// names of the layer's files.
pub fn method(dir: &Root) -> Method {
    match can_share(dir) {
        true => Method::Copy,
        false => Method::HardLink,
    }
}

/// Lays the open directory `diff` of a layer over `target`; into an empty target when it is the `lowest`.
pub fn apply(diff: &Root, target: &Root, lowest: bool, method: Method) -> io::Result<()> {
    let options = CopyOptions {
        method,
        take_over_directories: true,
        ..CopyOptions::default()
    };
    let mut select = |path: &Path, stat: &Stat| {
        if is_whiteout(stat) {
            target.remove_all(path)?;
            return Ok(Verdict::NONE);
        }
        if !lowest {
            make_room(diff, target, path, stat)?;
        }
        Ok(Verdict::ALL)
    };
    copy_selected(diff, "/", target, "/", &options, &mut select).map(drop)
}

/// True of the mark of a removed file.
fn is_whiteout(stat: &Stat) -> bool {
    stat.kind() == Kind::CharDevice && stat.rdev == 0
}

/// Removes what the entry replaces as a whole: anything but a directory that is merged with one.
fn make_room(diff: &Root, target: &Root, path: &Path, stat: &Stat) -> io::Result<()> {
    let old = match target.lstat(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        old => old?.kind(),
    };
    let stays = match (stat.kind(), old) {
        (Kind::Dir, Kind::Dir) => !is_opaque(diff, path)?,
        // A file in the place of a file is replaced by the copy.
        (Kind::Dir, _) | (_, Kind::Dir) => false,
        _ => true,
    };
    match stays {
        true => Ok(()),
        false => target.remove_all(path),
    }
}

fn is_opaque(diff: &Root, path: &Path) -> io::Result<bool> {
    Ok(diff.get_xattr(path, OsStr::new(OPAQUE))?.as_deref() == Some(b"y"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::storage::tests::Temp;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn upper_layers_replace_merge_and_hide() {
        let t = Temp::new("apply");
        let dir = |name: &str| {
            let dir = t.0.join(name);
            fs::create_dir_all(&dir).unwrap();
            dir
        };
        let (one, two, out) = (dir("one"), dir("two"), dir("out"));
        for name in ["merged", "hidden", "was-dir"] {
            fs::create_dir(one.join(name)).unwrap();
            fs::write(one.join(name).join("lower"), "1").unwrap();
        }
        std::os::unix::fs::symlink("merged", one.join("was-link")).unwrap();
        fs::write(one.join("a"), "1").unwrap();
        fs::hard_link(one.join("a"), one.join("b")).unwrap();
        for name in ["merged", "hidden", "was-link"] {
            fs::create_dir(two.join(name)).unwrap();
            fs::write(two.join(name).join("upper"), "2").unwrap();
        }
        fs::set_permissions(two.join("merged"), fs::Permissions::from_mode(0o2750)).unwrap();
        fs::write(two.join("was-dir"), "2").unwrap();
        let upper = Root::open(&two).unwrap();
        upper.set_xattr("hidden", OsStr::new(OPAQUE), b"y").unwrap();
        let target = Root::open(&out).unwrap();
        apply(&Root::open(&one).unwrap(), &target, true, Method::HardLink).unwrap();
        apply(&upper, &target, false, Method::HardLink).unwrap();
        let names = |name: &str| {
            let mut all: Vec<String> = fs::read_dir(out.join(name))
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            all.sort();
            all.join(" ")
        };
        assert_eq!(names("merged"), "lower upper");
        assert_eq!(names("hidden"), "upper");
        assert_eq!(names("was-link"), "upper");
        assert!(out.join("was-dir").is_file());
        let ino = |path: &Path| fs::metadata(path).unwrap().ino();
        assert_eq!(ino(&out.join("a")), ino(&one.join("b")));
        let mode = fs::metadata(out.join("merged")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o2750);
        assert_eq!(target.get_xattr("hidden", OsStr::new(OPAQUE)).unwrap(), None);
    }
}
