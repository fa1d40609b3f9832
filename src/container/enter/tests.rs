//! Plans that are really entered, in namespaces of their own; without the right to have some nothing is checked.

use std::fs;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

use nix::sched::{unshare, CloneFlags};

use super::*;
use crate::sys::fs::tests::{isolated, Temp};
use crate::sys::seccomp;

/// A tree for a root, with `dev proc tmp mnt etc work`, beside a directory `host` with a file; kept, since nobody
/// could remove it from inside.
fn stage() -> Option<PathBuf> {
    unshare(CloneFlags::CLONE_NEWNS).ok()?;
    let t = std::mem::ManuallyDrop::new(Temp::new());
    for dir in ["dev", "proc", "tmp", "mnt", "etc", "work", "snap/d"] {
        fs::create_dir_all(t.0.join("root").join(dir)).unwrap();
    }
    fs::write(t.0.join("root/snap/d/f"), "original").unwrap();
    fs::set_permissions(t.0.join("root/snap/d"), fs::Permissions::from_mode(0o2750)).unwrap();
    fs::create_dir_all(t.0.join("host/d")).unwrap();
    fs::write(t.0.join("host/d/f"), "x").unwrap();
    Some(t.0.clone())
}

fn plan(dir: &Path, ops: Vec<Op>) -> Plan {
    Plan {
        base: Base::Bind {
            source: Source::Host(dir.join("root")),
            write: false,
        },
        ops,
    }
}

fn beneath(dir: &Path, path: &str, target: &str) -> Op {
    Op::Bind {
        source: Source::Beneath {
            dir: dir.join("host"),
            path: path.into(),
        },
        target: target.into(),
        write: true,
        create: false,
    }
}

fn tmpfs(target: &str) -> Op {
    Op::Tmpfs {
        target: target.into(),
        size: Some(1 << 20),
        mode: 0o1777,
        owner: Owner::default(),
    }
}

fn errno(result: io::Result<impl Sized>) -> Option<i32> {
    result.err().and_then(|e| e.raw_os_error())
}

fn every_operation() {
    let Some(dir) = stage() else { return };
    let mut ops = crate::container::dev::minimal();
    ops.extend([
        Op::Proc {
            target: "/proc".into(),
            guard: true,
        },
        tmpfs("/tmp"),
        Op::Dir {
            path: "/tmp/set".into(),
            mode: 0o2775,
            owner: Owner::default(),
        },
        Op::File {
            path: "/tmp/set/f".into(),
            mode: 0o640,
            content: b"text".to_vec(),
        },
        beneath(&dir, "/d", "/mnt"),
        Op::Snapshot {
            target: "/snap/d".into(),
            from: None,
            size: 1 << 20,
            owner: Owner::default(),
        },
        Op::Empty {
            target: "/work".into(),
        },
    ]);
    plan(&dir, ops).enter().unwrap();
    assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
    assert!(!dir.exists(), "nothing of the host is left");
    assert_eq!(errno(fs::write("/new", "")), Some(libc::EROFS));
    assert_eq!(
        errno(fs::write("/proc/sys/kernel/hostname", "x")),
        Some(libc::EROFS)
    );
    assert_eq!(fs::metadata("/tmp").unwrap().mode() & 0o7777, 0o1777);
    assert_eq!(fs::metadata("/tmp/set").unwrap().mode() & 0o7777, 0o2775);
    assert_eq!(fs::metadata("/tmp/set/f").unwrap().mode() & 0o7777, 0o640);
    assert_eq!(fs::read("/tmp/set/f").unwrap(), b"text");
    fs::write("/mnt/f", "changed").unwrap();
    assert_eq!(fs::metadata("/snap/d").unwrap().mode() & 0o7777, 0o2750);
    fs::write("/snap/d/f", "private").unwrap();
    assert_eq!(fs::metadata("/work").unwrap().mode() & 0o7777, 0);
    fs::write("/dev/null", "x").unwrap();
    fs::File::open("/dev/ptmx").unwrap();
    assert!(!Path::new("/dev/mem").exists());
}

#[test]
fn every_operation_does_its_work() {
    isolated(module_path!(), "every_operation_does_its_work", every_operation);
}

#[test]
fn every_operation_does_its_work_by_mount_2() {
    isolated(module_path!(), "every_operation_does_its_work_by_mount_2", || {
        if nix::unistd::geteuid().is_root() {
            let calls: Vec<i64> = seccomp::YOUNG_CALLS.iter().map(|(_, n)| *n).collect();
            seccomp::refuse(&calls, libc::ENOSYS).unwrap();
            every_operation();
        }
    });
}

/// Links of the image and of the bound directory lead somewhere in their own tree, or nowhere.
fn hostile_links() {
    let Some(dir) = stage() else { return };
    let root = dir.join("root");
    fs::remove_dir(root.join("tmp")).unwrap();
    symlink("../../../../mnt", root.join("tmp")).unwrap();
    symlink("/d/f", dir.join("host/absolute")).unwrap();
    symlink("../../../d", dir.join("host/up")).unwrap();
    fs::write(root.join("etc/f"), "").unwrap();
    let ops = vec![
        tmpfs("/tmp"),
        beneath(&dir, "/absolute", "/etc/f"),
        beneath(&dir, "/up", "/work"),
    ];
    plan(&dir, ops).enter().unwrap();
    fs::write("/mnt/here", "").unwrap();
    assert_eq!(fs::read("/etc/f").unwrap(), b"x");
    assert_eq!(fs::read("/work/f").unwrap(), b"x");
}

#[test]
fn links_cannot_lead_out() {
    isolated(module_path!(), "links_cannot_lead_out", hostile_links);
}

fn failures() {
    let Some(dir) = stage() else { return };
    let e = plan(&dir, vec![tmpfs("/nosuch")]).enter().unwrap_err();
    assert_eq!(e.error.raw_os_error(), Some(libc::ENOENT));
    assert_eq!(e.path, Path::new("/nosuch"));
    assert!(e.hint.is_some() && !e.is_base, "{e}");
    let text = e.to_string();
    assert!(
        text.contains("mount /nosuch: ") && text.contains("tmpfs /nosuch size="),
        "{text}"
    );
}

#[test]
fn failures_name_operation_path_and_reason() {
    isolated(
        module_path!(),
        "failures_name_operation_path_and_reason",
        failures,
    );
}

fn missing_base() {
    let Some(dir) = stage() else { return };
    let e = plan(&dir.join("nosuch"), Vec::new()).enter().unwrap_err();
    assert!(e.is_base, "{e}");
    // The process is still where it was, and may try another base.
    plan(&dir, Vec::new()).enter().unwrap();
}

#[test]
fn another_base_may_be_tried() {
    isolated(module_path!(), "another_base_may_be_tried", missing_base);
}

/// A resolver's file behind a link into a tmpfs, as in images with systemd-resolved.
fn linked_file() {
    let Some(dir) = stage() else { return };
    symlink("../tmp/resolve/stub", dir.join("root/etc/resolv.conf")).unwrap();
    let ops = vec![
        tmpfs("/tmp"),
        Op::Bind {
            source: Source::Host(dir.join("host/d/f")),
            target: "/etc/resolv.conf".into(),
            write: false,
            create: true,
        },
    ];
    plan(&dir, ops).enter().unwrap();
    assert_eq!(fs::read("/tmp/resolve/stub").unwrap(), b"x");
    assert_eq!(errno(fs::write("/etc/resolv.conf", "")), Some(libc::EROFS));
}

#[test]
fn missing_file_behind_a_link_is_made() {
    isolated(module_path!(), "missing_file_behind_a_link_is_made", linked_file);
}

/// An image with a link in place of `/sys`, a volume that a link leads into procfs, and one that is fine.
fn prepared() {
    let Some(dir) = stage() else { return };
    let root = dir.join("root");
    symlink("/tmp", root.join("sys")).unwrap();
    symlink("/proc/sys", root.join("into-proc")).unwrap();
    let volume = |target: &str, flags| Op::Volume {
        source: Source::Host(dir.join("host/d")),
        target: target.into(),
        flags,
    };
    let proc = Op::Proc {
        target: "/proc".into(),
        guard: true,
    };
    let sysfs = Op::Sysfs {
        target: "/sys".into(),
        own_network: false,
    };
    let mask = |target: &str| Op::Mask {
        target: target.into(),
    };
    let good = plan(
        &dir,
        vec![
            proc.clone(),
            mask("/proc/kcore"),
            mask("/proc/irq"),
            mask("/proc/nosuch"),
            volume("/mnt", Flags::READ_ONLY | Flags::NOEXEC),
        ],
    );
    let bad = [
        plan(&dir, vec![sysfs]),
        plan(&dir, vec![proc, volume("/into-proc", Flags::empty())]),
    ];
    let Ok(good) = good.prepare() else { return };
    let bad: Vec<_> = bad.iter().map(|plan| plan.prepare().unwrap()).collect();
    for plan in bad {
        in_user_namespace(|| plan.enter().unwrap_err().error.kind() == io::ErrorKind::InvalidInput);
    }
    in_user_namespace(|| {
        good.enter().unwrap();
        fs::read("/proc/kcore").unwrap().is_empty()
            && fs::read_dir("/proc/irq").map_or(true, |dir| dir.count() == 0)
            && errno(fs::write("/mnt/f", "")) == Some(libc::EROFS)
            && fs::read("/mnt/f").unwrap() == b"x"
            && errno(fs::write("/work/x", "")) == Some(libc::EROFS)
    });
}

/// Runs `test` as the first process of a container that has no rights outside.
fn in_user_namespace(test: impl FnOnce() -> bool) {
    use crate::sys::namespace::{write_maps, IdMap, MapMethod};
    use crate::sys::process::{exit_now, fork, pipe, wait, Fork, Namespaces, WaitOptions};
    let (go, release) = pipe().unwrap();
    let ns = Namespaces::USER | Namespaces::MOUNT | Namespaces::PID;
    match fork(ns).unwrap() {
        Fork::Child => {
            drop(release);
            let _ = io::Read::read(&mut fs::File::from(go), &mut [0]);
            exit_now(if test() { 0 } else { 1 })
        }
        Fork::Parent(child) => {
            let map = IdMap::parse("0 100000 1000").unwrap();
            write_maps(child.pid, &map, &map, &MapMethod::Direct).unwrap();
            drop(release);
            let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
            assert_eq!(status.exit_code(), 0);
        }
    }
}

#[test]
fn prepared_plan_is_entered_without_rights_on_the_host() {
    isolated(
        module_path!(),
        "prepared_plan_is_entered_without_rights_on_the_host",
        || {
            if nix::unistd::geteuid().is_root() {
                prepared();
            }
        },
    );
}
