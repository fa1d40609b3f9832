//! Copies of real trees. Owners, devices and capabilities need root and are left out of the check without it.

use std::ffi::OsStr;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

use super::*;
use crate::sys::fs::tests::{isolated, Temp};
use crate::sys::fs::{remove_tree, Kind};
use std::path::PathBuf;

fn roots() -> (Temp, Root, Root) {
    let t = Temp::new();
    fs::create_dir(t.0.join("a")).unwrap();
    fs::create_dir(t.0.join("b")).unwrap();
    let (a, b) = (
        Root::open(t.0.join("a")).unwrap(),
        Root::open(t.0.join("b")).unwrap(),
    );
    (t, a, b)
}

/// Root of the machine; root of a container makes no devices.
fn is_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    nix::unistd::geteuid().is_root()
        && map.split_whitespace().last() == Some("4294967295")
        && caps::has_cap(None, caps::CapSet::Effective, caps::Capability::CAP_MKNOD).unwrap()
}

fn put(root: &Root, path: &str, text: &str, mode: u32) {
    root.create(path, mode)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    root.chmod(path, mode).unwrap();
}

fn same(a: Stat, b: Stat) {
    let key = |s: Stat| (s.mode, s.uid, s.gid, s.size, s.mtime, s.atime, s.nlink, s.rdev);
    assert_eq!(key(a), key(b));
}

#[test]
fn everything_is_kept() {
    let (_t, a, b) = roots();
    a.mkdir("d", 0o755).unwrap();
    put(&a, "d/setuid", "x", 0o755);
    a.hard_link("d/setuid", "second").unwrap();
    a.symlink("/etc/../nowhere", "link").unwrap();
    a.mknod("fifo", libc::S_IFIFO | 0o640, 0).unwrap();
    put(&a, "unreadable", "", if is_root() { 0o000 } else { 0o400 });
    if is_root() {
        a.chown("d/setuid", 12, 34).unwrap();
        a.chown("link", 5, 6).unwrap();
        a.chown("d", 7, 8).unwrap();
        a.mknod("null", libc::S_IFCHR | 0o666, libc::makedev(1, 3))
            .unwrap();
        let cap = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        put(&a, "ping", "x", 0o755);
        a.set_xattr("ping", OsStr::new("security.capability"), &cap)
            .unwrap();
    }
    a.chmod("d/setuid", 0o6755).unwrap();
    a.chmod("d", 0o1555).unwrap();
    let time = |n: u32| Time {
        sec: 1_000_000 + i64::from(n),
        nsec: n,
    };
    for (n, path) in ["second", "link", "fifo", "unreadable", "d", "/"]
        .into_iter()
        .enumerate()
    {
        a.set_times(path, time(n as u32), time(n as u32 + 100)).unwrap();
    }
    // Reading changes the access time of the originals.
    let paths = [
        "",
        "d",
        "d/setuid",
        "second",
        "link",
        "fifo",
        "unreadable",
        "null",
        "ping",
    ];
    let before: Vec<_> = paths
        .iter()
        .filter_map(|path| Some((path, a.lstat(path).ok()?)))
        .collect();
    let stats = copy_tree(&a, "/", &b, "new", &CopyOptions::default()).unwrap();
    assert_eq!((stats.symlinks, stats.hard_links, stats.directories), (1, 1, 2));
    for (path, original) in before {
        same(original, b.lstat(Path::new("new").join(path)).unwrap());
    }
    assert!(b
        .lstat("new/second")
        .unwrap()
        .same_file(&b.lstat("new/d/setuid").unwrap()));
    if is_root() {
        let cap = b
            .get_xattr("new/ping", OsStr::new("security.capability"))
            .unwrap();
        assert_eq!(
            cap,
            a.get_xattr("ping", OsStr::new("security.capability")).unwrap()
        );
        assert!(cap.is_some());
    }
}

#[test]
fn policies_of_mode_owner_and_time() {
    let (_t, a, b) = roots();
    put(&a, "tool", "x", 0o700);
    put(&a, "data", "x", 0o640);
    a.mkdir("d", 0o700).unwrap();
    let options = CopyOptions {
        mode: Mode::Umask(0o022),
        uid: is_root().then_some(1),
        gid: is_root().then_some(2),
        times: Some(Time { sec: 1, nsec: 0 }),
        ..CopyOptions::default()
    };
    copy_tree(&a, "/", &b, "/", &options).unwrap();
    assert_eq!(b.lstat("tool").unwrap().permissions(), 0o755);
    assert_eq!(b.lstat("d").unwrap().permissions(), 0o755);
    let data = b.lstat("data").unwrap();
    assert_eq!(data.permissions(), 0o644);
    assert_eq!((data.mtime.sec, data.atime.sec), (1, 1));
    assert!(b.lstat("d").unwrap().mtime.sec > 1);
    if is_root() {
        assert_eq!((data.uid, data.gid), (1, 2));
    }
}

#[test]
fn merging_replaces_files_and_keeps_directories() {
    let (t, a, b) = roots();
    a.mkdir_all("lib/x", 0o755).unwrap();
    put(&a, "lib/f", "new", 0o644);
    put(&a, "lib/x/g", "new", 0o644);
    a.symlink("elsewhere", "was-file").unwrap();
    put(&a, "was-link", "new", 0o644);
    b.mkdir_all("usr/lib/x", 0o700).unwrap();
    b.symlink("/usr/lib", "lib").unwrap();
    put(&b, "usr/lib/f", "old", 0o600);
    b.hard_link("usr/lib/f", "other-name").unwrap();
    put(&b, "was-file", "old", 0o600);
    b.symlink("../victim", "was-link").unwrap();
    copy_tree(&a, "", &b, "", &CopyOptions::default()).unwrap();
    assert!(b.read_link("lib").is_ok(), "a link to a directory stays");
    assert_eq!(fs::read(t.0.join("b/usr/lib/f")).unwrap(), b"new");
    assert_eq!(fs::read(t.0.join("b/usr/lib/x/g")).unwrap(), b"new");
    assert_eq!(fs::read(t.0.join("b/other-name")).unwrap(), b"old");
    assert_eq!(b.lstat("usr/lib/x").unwrap().permissions(), 0o700);
    assert_eq!(b.read_link("was-file").unwrap(), Path::new("elsewhere"));
    assert_eq!(b.lstat("was-link").unwrap().kind(), Kind::File);
    assert!(!t.0.join("victim").exists());
}

#[test]
fn obstacles_are_named() {
    let (_t, a, b) = roots();
    a.mkdir_all("d/e", 0o755).unwrap();
    put(&b, "d", "", 0o644);
    let error = copy_tree(&a, "", &b, "", &CopyOptions::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("\"d\""), "{error}");
    b.unlink("d").unwrap();
    b.symlink("../..", "d").unwrap();
    copy_tree(&a, "", &b, "", &CopyOptions::default()).unwrap();
    assert!(b.lstat("e").is_ok(), "the link was resolved inside");
    assert!(copy_tree(&a, "missing", &b, "x", &CopyOptions::default()).is_err());
    assert!(copy_tree(&a, "d", &b, "missing/x", &CopyOptions::default()).is_err());
    put(&a, "d/e/f", "", 0o644);
    b.mkdir("f", 0o755).unwrap();
    assert!(copy_tree(&a, "d/e/f", &b, "f", &CopyOptions::default()).is_err());
    a.mknod("fifo", libc::S_IFIFO | 0o640, 0).unwrap();
    let refuse = CopyOptions {
        refuse_special: true,
        ..CopyOptions::default()
    };
    let error = copy_tree(&a, "", &b, "y", &refuse).unwrap_err().to_string();
    assert!(error.contains("fifo"), "{error}");
}

#[test]
fn a_tree_is_not_copied_into_itself() {
    let (_t, a, _b) = roots();
    a.mkdir_all("d/e/copy", 0o755).unwrap();
    for target in ["d", "d/e", "d/e/copy"] {
        assert!(
            copy_tree(&a, "d", &a, target, &CopyOptions::default()).is_err(),
            "{target}"
        );
    }
    // A new directory is not met on the way.
    copy_tree(&a, "d/e", &a, "d/e/fresh", &CopyOptions::default()).unwrap();
    assert!(a.lstat("d/e/fresh/copy").is_ok());
}

#[test]
fn selection_makes_parents_on_demand() {
    let (_t, a, b) = roots();
    a.mkdir_all("x/y/z", 0o755).unwrap();
    a.mkdir_all("empty/e", 0o755).unwrap();
    a.mkdir_all("alone/below", 0o711).unwrap();
    put(&a, "x/y/z/take", "", 0o644);
    put(&a, "x/y/leave", "", 0o644);
    a.chmod("x/y", 0o750).unwrap();
    let mut seen = Vec::new();
    let mut select = |path: &Path, stat: &Stat| {
        seen.push(path.to_path_buf());
        Ok(Verdict {
            select: path.ends_with("take") || path == Path::new("alone"),
            descend: stat.kind() == Kind::Dir && path != Path::new("alone"),
        })
    };
    copy_selected(&a, "", &b, "", &CopyOptions::default(), &mut select).unwrap();
    let expected = [
        "alone",
        "empty",
        "empty/e",
        "x",
        "x/y",
        "x/y/leave",
        "x/y/z",
        "x/y/z/take",
    ];
    assert_eq!(seen, expected.map(PathBuf::from));
    assert!(b.exists("x/y/z/take") && !b.exists("x/y/leave"));
    assert!(!b.exists("empty") && b.exists("alone") && !b.exists("alone/below"));
    assert_eq!(b.lstat("x/y").unwrap().permissions(), 0o750);
}

#[test]
fn hard_link_method_links_to_the_originals() {
    let (_t, a, b) = roots();
    a.mkdir("d", 0o755).unwrap();
    put(&a, "d/f", "x", 0o644);
    let options = CopyOptions {
        method: Method::HardLink,
        ..CopyOptions::default()
    };
    let stats = copy_tree(&a, "", &b, "", &options).unwrap();
    assert_eq!((stats.hard_links, stats.files), (1, 0));
    assert!(a.lstat("d/f").unwrap().same_file(&b.lstat("d/f").unwrap()));
}

#[test]
fn holes_stay_holes() {
    let (t, a, b) = roots();
    let mut file = a.create("sparse", 0o644).unwrap();
    file.write_all(b"start").unwrap();
    file.seek(SeekFrom::Start(8 << 20)).unwrap();
    file.write_all(b"middle").unwrap();
    file.set_len(64 << 20).unwrap();
    drop(file);
    copy_tree(&a, "", &b, "", &CopyOptions::default()).unwrap();
    let (old, new) = (
        fs::read(t.0.join("a/sparse")).unwrap(),
        fs::read(t.0.join("b/sparse")).unwrap(),
    );
    assert!(old == new);
    assert!(fs::metadata(t.0.join("b/sparse")).unwrap().blocks() < 1 << 14);
}

#[test]
fn deep_and_long_trees() {
    isolated(module_path!(), "deep_and_long_trees", || {
        let (_t, a, b) = roots();
        let mut dir = a.try_clone().unwrap();
        for _ in 0..700 {
            dir.mkdir("a-directory-with-a-name", 0o755).unwrap();
            put(&dir, "file", "x", 0o644);
            dir = dir.sub("a-directory-with-a-name").unwrap();
        }
        put(&dir, "bottom", "x", 0o644);
        dir.hard_link("bottom", "bottom2").unwrap();
        drop(dir);
        {
            let few = nix::sys::resource::Resource::RLIMIT_NOFILE;
            nix::sys::resource::setrlimit(few, 150, 150).unwrap();
            let stats = copy_tree(&a, "", &b, "", &CopyOptions::default()).unwrap();
            assert_eq!((stats.directories, stats.files, stats.hard_links), (700, 701, 1));
            a.remove_all("/").unwrap();
            b.remove_all("a-directory-with-a-name").unwrap();
            assert!(!b.exists("a-directory-with-a-name"));
        }
    });
}

#[test]
fn one_id_is_enough_when_owners_are_tolerated() {
    isolated(
        module_path!(),
        "one_id_is_enough_when_owners_are_tolerated",
        || {
            if !is_root() {
                return;
            }
            let (t, a, b) = roots();
            put(&a, "f", "x", 0o4755);
            a.chown("f", 1, 1).unwrap();
            a.chmod("f", 0o4755).unwrap();
            a.mknod("null", libc::S_IFCHR | 0o666, libc::makedev(1, 3))
                .unwrap();
            fs::set_permissions(t.0.join("b"), fs::Permissions::from_mode(0o777)).unwrap();
            {
                // SAFETY: changes only this child.
                unsafe {
                    assert_eq!(
                        libc::setresgid(4242, 4242, 4242) | libc::setresuid(4242, 4242, 4242),
                        0
                    )
                };
                assert!(copy_tree(&a, "f", &b, "g", &CopyOptions::default()).is_err());
                let options = CopyOptions {
                    tolerate_owner: true,
                    ..CopyOptions::default()
                };
                let stats = copy_tree(&a, "", &b, "new", &options).unwrap();
                assert_eq!((stats.skipped_devices, stats.files), (1, 1));
                assert!(stats.skipped_owners >= 1);
                // Somebody else's setuid program does not become one of ours silently.
                assert_eq!(b.lstat("new/f").unwrap().uid, 4242);
            }
        },
    );
}

#[test]
fn removal_does_not_follow_and_opens_what_is_its_own() {
    isolated(
        module_path!(),
        "removal_does_not_follow_and_opens_what_is_its_own",
        || {
            let (t, a, _b) = roots();
            fs::write(t.0.join("victim"), "x").unwrap();
            fs::set_permissions(&t.0, fs::Permissions::from_mode(0o777)).unwrap();
            fs::set_permissions(t.0.join("a"), fs::Permissions::from_mode(0o777)).unwrap();
            symlink("../victim", t.0.join("a/link")).unwrap();
            symlink("..", t.0.join("a/up")).unwrap();
            let dir = t.0.join("a");
            {
                // SAFETY: changes only this child.
                unsafe { libc::setresuid(4242, 4242, 4242) };
                a.mkdir_all("d/e", 0o755).unwrap();
                put(&a, "d/e/f", "", 0o644);
                a.chmod("d/e", 0o000).unwrap();
                a.chmod("d", 0o500).unwrap();
                remove_tree(&dir.join("d")).unwrap();
                assert!(!a.exists("d"));
            }
            remove_tree(&t.0.join("a/up")).unwrap();
            remove_tree(&t.0.join("a")).unwrap();
            remove_tree(&t.0.join("a")).unwrap();
            remove_tree(&t.0.join("no/such/thing")).unwrap();
            assert!(t.0.join("victim").exists() && t.0.join("b").exists());
        },
    );
}
