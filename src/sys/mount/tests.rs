//! Real mounts in namespaces of their own; as an ordinary user nothing can be mounted and nothing is checked.

use std::fs;
use std::os::unix::fs::{symlink, MetadataExt};

use nix::sched::{unshare, CloneFlags};

use super::*;
use crate::sys::fs::tests::{isolated, Temp};
use crate::sys::seccomp;

/// A directory with a private mount namespace around it; `None` without the right to have one.
fn stage() -> Option<(Temp, Root)> {
    unshare(CloneFlags::CLONE_NEWNS).ok()?;
    make_private().unwrap();
    let t = Temp::new();
    for dir in ["source/below", "target", "outside"] {
        fs::create_dir_all(t.0.join(dir)).unwrap();
    }
    fs::write(t.0.join("source/f"), "x").unwrap();
    let root = Root::open(&t.0).unwrap();
    Some((t, root))
}

fn refuse_young_calls(errno: i32) {
    let calls: Vec<i64> = seccomp::YOUNG_CALLS.iter().map(|(_, n)| *n).collect();
    seccomp::refuse(&calls, errno).unwrap();
}

fn is_read_only(path: impl AsRef<Path>) -> bool {
    let error = fs::write(path.as_ref().join("probe"), "").err();
    error.is_some_and(|e| e.raw_os_error() == Some(libc::EROFS))
}

fn binds() {
    let Some((t, root)) = stage() else { return };
    tmpfs(&root, "source/below", Some(1 << 20), 0o750, Some(1), Some(2)).unwrap();
    let below = fs::metadata(t.0.join("source/below")).unwrap();
    assert_eq!((below.mode() & 0o7777, below.uid(), below.gid()), (0o750, 1, 2));
    fs::create_dir(t.0.join("source/below/with space")).unwrap();
    tmpfs(&root, "source/below/with space", None, 0o755, None, None).unwrap();
    let source = root.open_dir("source").unwrap();
    bind(source.as_fd(), &root, "target", true, Flags::READ_ONLY).unwrap();
    for dir in ["", "below", "below/with space"] {
        assert!(is_read_only(t.0.join("target").join(dir)), "{dir}");
        assert!(!is_read_only(t.0.join("source").join(dir)), "{dir}");
    }
    let flags = nix::sys::statvfs::statvfs(&t.0.join("target/below"))
        .unwrap()
        .flags();
    assert!(flags.contains(nix::sys::statvfs::FsFlags::ST_NODEV), "kept");
    umount(&root, "target").unwrap();
    assert!(fs::read_dir(t.0.join("target")).unwrap().next().is_none());

    bind(source.as_fd(), &root, "target", false, Flags::empty()).unwrap();
    assert!(!t.0.join("target/below/with space").exists());
    assert!(!is_read_only(t.0.join("target")));
    umount(&root, "target").unwrap();

    fs::write(t.0.join("file"), "covered").unwrap();
    let file = root.open_with("source/f", OFlag::O_PATH, 0).unwrap();
    bind(file.as_fd(), &root, "file", false, Flags::READ_ONLY).unwrap();
    assert_eq!(fs::read(t.0.join("file")).unwrap(), b"x");
    assert!(fs::write(t.0.join("file"), "").is_err());
}

#[test]
fn binds_by_descriptor() {
    isolated(module_path!(), "binds_by_descriptor", binds);
}

#[test]
fn binds_with_mount_2_only() {
    isolated(module_path!(), "binds_with_mount_2_only", || {
        if nix::unistd::geteuid().is_root() {
            refuse_young_calls(libc::ENOSYS);
            binds();
        }
    });
}

#[test]
fn binds_in_an_old_sandbox() {
    isolated(module_path!(), "binds_in_an_old_sandbox", || {
        if nix::unistd::geteuid().is_root() {
            refuse_young_calls(libc::EPERM);
            binds();
        }
    });
}

#[test]
fn binds_with_some_young_calls_missing() {
    isolated(module_path!(), "binds_with_some_young_calls_missing", || {
        if nix::unistd::geteuid().is_root() {
            seccomp::refuse(&[libc::SYS_mount_setattr, libc::SYS_openat2], libc::ENOSYS).unwrap();
            binds();
        }
    });
}

#[test]
fn links_cannot_redirect_a_mount() {
    isolated(module_path!(), "links_cannot_redirect_a_mount", || {
        let Some((t, _)) = stage() else { return };
        let image = Root::open(t.0.join("source")).unwrap();
        symlink("../outside", t.0.join("source/up")).unwrap();
        symlink(t.0.join("outside"), t.0.join("source/absolute")).unwrap();
        for link in ["up", "absolute"] {
            let error = tmpfs(&image, link, None, 0o755, None, None).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{link}");
        }
        fs::create_dir(t.0.join("source/outside")).unwrap();
        tmpfs(&image, "up", None, 0o755, None, None).unwrap();
        fs::write(t.0.join("source/outside/f"), "").unwrap();
        assert!(fs::read_dir(t.0.join("outside")).unwrap().next().is_none());
    });
}

/// What is mounted in the namespace of another user has flags we must not drop.
fn locked_flags() {
    let Some((t, root)) = stage() else { return };
    tmpfs(&root, "source", None, 0o755, None, None).unwrap();
    // A user namespace wants a process with one thread; nothing else runs in this one that a lock could belong to.
    // SAFETY: the child leaves by _exit.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let result = std::panic::catch_unwind(|| restrict_in_user_namespace(&t));
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    let mut status = 0;
    // SAFETY: our own child, a valid integer.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0);
}

fn restrict_in_user_namespace(t: &Temp) {
    use nix::sys::statvfs::{statvfs, FsFlags};
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
    make_private().unwrap();
    let root = Root::open(&t.0).unwrap();
    let source = root.open_dir("source").unwrap();
    bind(source.as_fd(), &root, "target", true, Flags::READ_ONLY).unwrap();
    assert!(is_read_only(t.0.join("target")));
    let top = root.open_dir("target").unwrap();
    set_flags(top.as_fd(), true, Flags::NOEXEC).unwrap();
    let flags = statvfs(&t.0.join("target")).unwrap().flags();
    let all = FsFlags::ST_NODEV | FsFlags::ST_NOSUID | FsFlags::ST_RDONLY | FsFlags::ST_NOEXEC;
    assert!(flags.contains(all), "{flags:?}");
}

#[test]
fn locked_flags_stay() {
    isolated(module_path!(), "locked_flags_stay", locked_flags);
}

#[test]
fn locked_flags_stay_with_mount_2_only() {
    isolated(module_path!(), "locked_flags_stay_with_mount_2_only", || {
        if nix::unistd::geteuid().is_root() {
            refuse_young_calls(libc::ENOSYS);
            locked_flags();
        }
    });
}

#[test]
fn overlay_of_directories_with_separators() {
    isolated(module_path!(), "overlay_of_directories_with_separators", || {
        let Some((t, root)) = stage() else { return };
        tmpfs(&root, "outside", None, 0o755, None, None).unwrap();
        for dir in ["low:er,1", "lower2", "upper", "work"] {
            fs::create_dir(t.0.join("outside").join(dir)).unwrap();
        }
        fs::write(t.0.join("outside/low:er,1/f"), "top").unwrap();
        fs::write(t.0.join("outside/lower2/f"), "hidden").unwrap();
        fs::write(t.0.join("outside/lower2/g"), "seen").unwrap();
        let open = |dir: &str| root.open_dir(Path::new("outside").join(dir)).unwrap();
        let (one, two) = (open("low:er,1"), open("lower2"));
        let lower = [one.as_fd(), two.as_fd()];
        let (upper, work) = (open("upper"), open("work"));
        overlay(&root, "target", &lower, upper.as_fd(), work.as_fd(), false).unwrap();
        assert_eq!(fs::read(t.0.join("target/f")).unwrap(), b"top");
        fs::write(t.0.join("target/g"), "changed").unwrap();
        assert_eq!(fs::read(t.0.join("outside/upper/g")).unwrap(), b"changed");
        assert_eq!(fs::read(t.0.join("outside/lower2/g")).unwrap(), b"seen");
    });
}

#[test]
fn pivoting_leaves_nothing_of_the_old_root() {
    isolated(module_path!(), "pivoting_leaves_nothing_of_the_old_root", || {
        let Some((t, root)) = stage() else { return };
        let source = root.open_dir("source").unwrap();
        bind(source.as_fd(), &root, "target", true, Flags::empty()).unwrap();
        let new = Root::open(t.0.join("target")).unwrap();
        // What the test leaves behind cannot be reached from inside: the program that started us shares our files.
        let outside = nix::fcntl::open("/", OFlag::O_PATH, nix::sys::stat::Mode::empty()).unwrap();
        pivot_root(new.as_fd()).unwrap();
        assert_eq!(fs::read("/f").unwrap(), b"x");
        let names: Vec<_> = fs::read_dir("/")
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
        nix::unistd::fchdir(&outside).unwrap();
        nix::unistd::chroot(".").unwrap();
        drop(t);
    });
}

#[test]
fn new_file_systems_without_proc() {
    isolated(module_path!(), "new_file_systems_without_proc", || {
        let Some((t, root)) = stage() else { return };
        call::mount(Some("none".as_ref()), "/proc".as_ref(), Some("tmpfs"), 0, None).unwrap();
        tmpfs(&root, "target", Some(4096), 0o711, None, None).unwrap();
        assert_eq!(fs::metadata(t.0.join("target")).unwrap().mode() & 0o7777, 0o711);
        let full = fs::write(t.0.join("target/f"), vec![0; 100_000]);
        assert!(full.is_err(), "the limit counts");
    });
}

#[test]
fn removal_spares_what_is_mounted_below() {
    isolated(module_path!(), "removal_spares_what_is_mounted_below", || {
        let Some((t, root)) = stage() else { return };
        fs::write(t.0.join("outside/precious"), "").unwrap();
        let outside = root.open_dir("outside").unwrap();
        bind(outside.as_fd(), &root, "source/below", false, Flags::empty()).unwrap();
        let error = root.remove_all("source").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBUSY));
        assert!(!root.exists("source/f"), "the rest is gone");
        assert!(root.exists("outside/precious"));
        assert_eq!(
            root.remove_all("source/below").unwrap_err().raw_os_error(),
            Some(libc::EBUSY)
        );
        umount(&root, "source/below").unwrap();
        root.remove_all("source").unwrap();
        assert!(root.exists("outside/precious"));
    });
}

/// What is written through the copy lands in the directory, never in what is mounted there, and nobody sees a mount.
fn copies_without_mounts() {
    let Some((t, root)) = stage() else { return };
    tmpfs(&root, "source/below", None, 0o755, None, None).unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let source = root.open_dir("source").unwrap();
    let copy = Root::from_fd(clone_tree(source.as_fd()).unwrap().unwrap(), t.0.clone());
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts);
    fs::write(t.0.join("source/below/mounted"), "").unwrap();
    assert!(!copy.exists("below/mounted") && copy.exists("f"));
    copy.create_new("below/written", 0o644).unwrap();
    assert!(!t.0.join("source/below/written").exists());
    umount(&root, "source/below").unwrap();
    assert!(t.0.join("source/below/written").exists());
}

#[test]
fn a_directory_without_what_is_mounted_in_it() {
    isolated(
        module_path!(),
        "a_directory_without_what_is_mounted_in_it",
        copies_without_mounts,
    );
}

#[test]
fn a_directory_without_what_is_mounted_in_it_by_mount_2() {
    isolated(
        module_path!(),
        "a_directory_without_what_is_mounted_in_it_by_mount_2",
        || {
            if nix::unistd::geteuid().is_root() {
                refuse_young_calls(libc::ENOSYS);
                copies_without_mounts();
            }
        },
    );
}
