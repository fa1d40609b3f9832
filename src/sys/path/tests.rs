//! Hostile trees: both ways of resolving agree with each other and never lead out.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::sys::fs::tests::{isolated, Temp};
use crate::sys::seccomp;

fn tree() -> (Temp, Root) {
    let t = Temp::new();
    fs::create_dir(t.0.join("root")).unwrap();
    fs::write(t.0.join("secret"), "outside").unwrap();
    let root = Root::open(t.0.join("root")).unwrap();
    (t, root)
}

fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Option<i32> {
    result.unwrap_err().raw_os_error()
}

#[test]
fn paths_cannot_leave_the_root() {
    let (t, root) = tree();
    fs::write(t.0.join("root/secret"), "inside").unwrap();
    for link in ["/secret", "../secret", "../../../secret"] {
        let _ = root.unlink("link");
        root.symlink(link, "link").unwrap();
        for path in ["link", "/link", "../link", "/../../link", "./link"] {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut root.open_read(path).unwrap(), &mut text).unwrap();
            assert_eq!(text, "inside", "{link} {path}");
        }
    }
}

#[test]
fn dangling_link_creates_inside() {
    let (t, root) = tree();
    root.symlink("/../../made", "link").unwrap();
    root.create("link", 0o644).unwrap().write_all(b"x").unwrap();
    assert_eq!(fs::read(t.0.join("root/made")).unwrap(), b"x");
    assert!(!t.0.join("made").exists());
    root.unlink("made").unwrap();
    assert_eq!(errno(root.create_new("link", 0o644)), Some(libc::EEXIST));
}

#[test]
fn directories_are_made_through_links_inside_only() {
    let (t, root) = tree();
    root.mkdir("usr", 0o755).unwrap();
    root.symlink("usr/lib", "lib").unwrap();
    assert!(root.mkdir_all("lib/x", 0o755).is_err(), "dangling");
    root.mkdir("usr/lib", 0o755).unwrap();
    root.mkdir_all("/lib/x/y/", 0o755).unwrap();
    root.mkdir_all("/lib/x/y", 0o755).unwrap();
    root.mkdir_all("/", 0o755).unwrap();
    assert!(t.0.join("root/usr/lib/x/y").is_dir());
    root.create("f", 0o644).unwrap();
    assert_eq!(errno(root.mkdir_all("f", 0o755)), Some(libc::EEXIST));
    assert_eq!(errno(root.mkdir_all("f/g", 0o755)), Some(libc::ENOTDIR));
}

#[test]
fn last_component_is_not_followed_by_changes() {
    let (t, root) = tree();
    root.create("f", 0o600).unwrap();
    root.symlink("f", "link").unwrap();
    assert_eq!(errno(root.chmod("link", 0o777)), Some(libc::EOPNOTSUPP));
    let time = Time { sec: 5, nsec: 7 };
    root.set_times("link", time, time).unwrap();
    assert_eq!(root.lstat("link").unwrap().mtime, time);
    assert_ne!(root.stat("link").unwrap().mtime, time);
    root.chmod("f", 0o4751).unwrap();
    let mode = fs::metadata(t.0.join("root/f")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o4751);
    root.hard_link("link", "second").unwrap();
    assert_eq!(root.read_link("second").unwrap(), Path::new("f"));
    root.rename("second", "third").unwrap();
    root.remove_all("third").unwrap();
    root.remove_all("third").unwrap();
    assert!(root.exists("f") && !root.exists("third"));
}

#[test]
fn only_regular_files_are_read_and_written() {
    let (_t, root) = tree();
    root.mknod("fifo", libc::S_IFIFO | 0o644, 0).unwrap();
    root.mkdir("dir", 0o755).unwrap();
    assert!(root.open_read("fifo").is_err());
    assert!(root.create("fifo", 0o644).is_err());
    assert_eq!(errno(root.open_read("dir")), Some(libc::EISDIR));
    assert_eq!(errno(root.open_read("missing")), Some(libc::ENOENT));
}

#[test]
fn the_root_itself_is_addressed_in_many_ways() {
    let (_t, root) = tree();
    root.mkdir("d", 0o755).unwrap();
    for path in ["/", "", ".", "d/..", "/../.", "//", "d/../"] {
        root.chmod(path, 0o711).unwrap();
        let own = at::fstat(root.as_fd()).unwrap();
        assert!(root.lstat(path).unwrap().same_file(&own), "{path:?}");
        assert!(root.stat(path).unwrap().same_file(&own), "{path:?}");
        assert_eq!(root.read_dir(path).unwrap().len(), 1, "{path:?}");
    }
    root.remove_all("/").unwrap();
    assert!(root.read_dir("/").unwrap().is_empty());
}

#[test]
fn attributes_of_files_and_names_with_nul() {
    let (_t, root) = tree();
    root.create("f", 0o644).unwrap();
    let name = OsStr::new("user.test");
    match root.set_xattr("f", name, b"value") {
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => return,
        done => done.unwrap(),
    }
    assert_eq!(root.get_xattr("f", name).unwrap().unwrap(), b"value");
    assert_eq!(root.get_xattr("f", OsStr::new("user.none")).unwrap(), None);
    assert_eq!(errno(root.lstat("a\0b")), Some(libc::EINVAL));
}

#[test]
fn paths_longer_than_the_kernel_takes() {
    let (_t, root) = tree();
    let name = "n".repeat(250);
    let mut path = PathBuf::new();
    let mut dir = root.try_clone().unwrap();
    for _ in 0..20 {
        dir.mkdir(&name, 0o755).unwrap();
        dir = dir.sub(&name).unwrap();
        path.push(&name);
    }
    assert!(path.as_os_str().len() > 4096);
    root.create(path.join("f"), 0o644).unwrap();
    assert_eq!(root.read_dir(&path).unwrap().len(), 1);
    assert!(root.lstat(path.join("f")).is_ok());
    root.remove_all(&name).unwrap();
    assert!(root.read_dir("/").unwrap().is_empty());
}

#[test]
fn everything_works_without_young_system_calls() {
    isolated(
        module_path!(),
        "everything_works_without_young_system_calls",
        || {
            seccomp::refuse(&[libc::SYS_openat2, 452], libc::ENOSYS).unwrap();
            paths_cannot_leave_the_root();
            dangling_link_creates_inside();
            directories_are_made_through_links_inside_only();
            last_component_is_not_followed_by_changes();
            only_regular_files_are_read_and_written();
            the_root_itself_is_addressed_in_many_ways();
            paths_longer_than_the_kernel_takes();
        },
    );
}

#[test]
fn everything_works_in_old_sandboxes() {
    isolated(module_path!(), "everything_works_in_old_sandboxes", || {
        seccomp::refuse(&[libc::SYS_openat2, 452], libc::EPERM).unwrap();
        paths_cannot_leave_the_root();
        dangling_link_creates_inside();
        directories_are_made_through_links_inside_only();
        last_component_is_not_followed_by_changes();
        only_regular_files_are_read_and_written();
        the_root_itself_is_addressed_in_many_ways();
        paths_longer_than_the_kernel_takes();
    });
}

/// One entry of a random tree: path, and the text if it is a link.
type Seed = (String, Option<String>, bool);

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "."])
}

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![4 => name(), 1 => Just("..")];
    let parts = prop::collection::vec(part, 1..5);
    (
        any::<bool>(),
        parts,
        prop::sample::select(vec!["", "", "", "/", "/."]),
    )
        .prop_map(|(absolute, parts, end)| {
            format!("{}{}{end}", if absolute { "/" } else { "" }, parts.join("/"))
        })
}

fn plant(root: &Path, seeds: &[Seed]) {
    fs::create_dir(root).unwrap();
    let root = Root::open(root).unwrap();
    for (path, link, dir) in seeds {
        // Most collide with each other or lack a parent: that is fine.
        let _ = match (link, dir) {
            (Some(text), _) => root.symlink(text, path),
            (None, true) => root.mkdir_all(path, 0o755),
            (None, false) => root.create_new(path, 0o644).map(drop),
        };
    }
}

/// What was opened, relative to the root; or the error.
fn opened(result: io::Result<OwnedFd>, root: &Path) -> Result<PathBuf, Option<i32>> {
    let fd = result.map_err(|e| e.raw_os_error())?;
    let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
    Ok(path
        .strip_prefix(root)
        .expect("led out of the root")
        .to_path_buf())
}

fn listing(dir: &Path, into: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let link = fs::read_link(&path).ok();
        into.push(format!("{:?} {link:?}", path.file_name()));
        if link.is_none() && path.is_dir() {
            listing(&path, into);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_resolvers_agree(
        seeds in prop::collection::vec((path(), prop::option::weighted(0.5, path()), any::<bool>()), 1..12),
        queries in prop::collection::vec((path(), 0..5usize), 1..12),
    ) {
        let t = Temp::new();
        let base = t.0.canonicalize().unwrap();
        let (one, two) = (base.join("1"), base.join("2"));
        plant(&one, &seeds);
        plant(&two, &seeds);
        let (kernel, ours) = (Root::open(&one).unwrap(), Root::open(&two).unwrap());
        for (path, flags) in queries {
            let flags = OFlag::O_CLOEXEC | [
                OFlag::O_PATH,
                OFlag::O_PATH | OFlag::O_NOFOLLOW,
                OFlag::O_RDONLY | OFlag::O_DIRECTORY,
                OFlag::O_WRONLY | OFlag::O_CREAT,
                OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL,
            ][flags];
            let path = trim(Path::new(&path));
            let Some(by_kernel) = kernel.openat2(path, flags, 0o644) else {
                return Ok(());
            };
            let by_us = walk::open(ours.as_fd(), path, flags, 0o644);
            prop_assert_eq!(opened(by_kernel, &one), opened(by_us, &two), "{:?} {:?}", path, flags);
        }
        let (mut first, mut second) = (Vec::new(), Vec::new());
        listing(&one, &mut first);
        listing(&two, &mut second);
        prop_assert_eq!(first, second);
        prop_assert_eq!(fs::read_dir(&base).unwrap().count(), 2);
    }
}

#[test]
fn forty_links_and_not_more() {
    let (_t, root) = tree();
    root.create("l0", 0o644).unwrap();
    for n in 1..=41 {
        root.symlink(format!("l{}", n - 1), format!("l{n}")).unwrap();
    }
    assert!(root.stat("l40").is_ok());
    assert!(walk::open(root.as_fd(), Path::new("l40"), OFlag::O_PATH, 0).is_ok());
    assert_eq!(errno(root.stat("l41")), Some(libc::ELOOP));
    assert_eq!(
        errno(walk::open(root.as_fd(), Path::new("l41"), OFlag::O_PATH, 0)),
        Some(libc::ELOOP)
    );
}
