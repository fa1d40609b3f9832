//! `_build_shell`: a shell outside of any container, in a root that holds the project, vagga's directories and a static
//! busybox of the host, and nothing else of the host (CMD §8.2).

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::container::plan::Owner;
use crate::container::{dev, Base, Op, Plan, Source};
use crate::vagga::cli::globals::Globals;
use crate::vagga::config::command::{Common, Pid1Mode};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids;
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;

use super::environ::{self, Configured};
use super::process::{check_external_volumes, Ids, Process};
use super::program::Program;
use super::volumes::WORK;

/// Size of the root, bytes.
const SIZE: u64 = 100 << 20;
/// Programs of the root.
const PATH: &str = "/vagga/bin:/bin";
/// Where the shell finds its applets.
const BUSYBOX: &str = "/bin/busybox";
/// Directories of the root, parents first.
const DIRECTORIES: [&str; 14] = [
    "/bin",
    "/dev",
    "/etc",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/volumes",
    "/work",
    "/vagga",
    "/vagga/bin",
    "/vagga/base",
    "/vagga/storage",
    "/vagga/cache",
];

/// Runs the shell to its end; its status.
///
/// Errors: exit 121 without a static busybox on the host.
pub fn run(project: &Project, globals: &Globals) -> Result<u8, Failure> {
    let storage = Storage::open(project)?;
    check_external_volumes(project)?;
    for dir in [&storage.base, &storage.cache] {
        storage.create_dir(dir)?;
    }
    let busybox = busybox()?;
    super::single(
        process(project, globals, &storage, &busybox)?,
        &Common::default(),
        None,
    )
}

fn process(
    project: &Project,
    globals: &Globals,
    storage: &Storage,
    busybox: &Path,
) -> Result<Process, Failure> {
    let caller: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let none = Default::default();
    let mut environ = environ::layers(
        &caller,
        &project.settings,
        globals,
        Configured {
            image: &none,
            file: None,
            container: &none,
            command: &none,
            fixed: &[],
        },
    );
    environ.below.insert("PATH".into(), PATH.into());
    let guard = nix::unistd::geteuid().is_root();
    let install = format!("{BUSYBOX} --install -s /bin; exec /bin/sh");
    Ok(Process {
        program: Program {
            argv: [BUSYBOX, "sh", "-c", &install].map(OsString::from).to_vec(),
            search: false,
        },
        work_dir: Path::new(WORK).join(&project.work_dir),
        environ,
        plan: Plan {
            base: Base::Tmpfs { size: SIZE },
            ops: operations(project, storage, busybox, guard),
        },
        chores: Vec::new(),
        ids: Ids {
            uid: 0,
            external: None,
            gid: 0,
            groups: Vec::new(),
        },
        maps: ids::maximal()?,
        socket: None,
        isolate: globals.isolate_network,
        probe: None,
        pid1: Pid1Mode::wait,
        fixed_mounts: guard,
        enclosure: None,
        mounted: Vec::new(),
        transient: None,
        fillings: Vec::new(),
        held: None,
    })
}

/// Everything in the root, also in that of a capsule command.
pub(super) fn operations(project: &Project, storage: &Storage, busybox: &Path, guard: bool) -> Vec<Op> {
    let dir = |path: &Path| Op::Dir {
        path: path.into(),
        mode: 0o755,
        owner: Owner::default(),
    };
    let mut ops: Vec<Op> = DIRECTORIES.iter().map(|path| dir(Path::new(path))).collect();
    ops.extend(dev::minimal());
    ops.extend([
        Op::Tmpfs {
            target: "/run".into(),
            size: Some(SIZE),
            mode: 0o755,
            owner: Owner::default(),
        },
        Op::Proc {
            target: "/proc".into(),
            guard,
        },
        Op::read_only("/sys", "/sys"),
        Op::writable(&project.root, WORK),
        Op::writable(&storage.base, "/vagga/base"),
        Op::writable(&storage.cache, "/vagga/cache"),
    ]);
    let file = |from: &Path, to: &str| Op::Bind {
        source: Source::Host(from.into()),
        target: to.into(),
        write: false,
        create: true,
    };
    ops.push(file(busybox, BUSYBOX));
    for path in ["/etc/hosts", "/etc/resolv.conf"] {
        if Path::new(path).exists() {
            ops.push(file(Path::new(path), path));
        }
    }
    let binary = std::env::current_exe().unwrap_or_default();
    if let Some(parent) = binary.parent() {
        ops.push(Op::read_only(parent, "/vagga/bin"));
    }
    if let Some(all) = &project.settings.storage_dir {
        ops.push(Op::writable(all, "/vagga/storage"));
    }
    for (name, path) in &project.settings.external_volumes {
        let target = Path::new("/volumes").join(name);
        let below = name.ancestors().filter(|a| !a.as_os_str().is_empty());
        let mut parents: Vec<PathBuf> = below.map(|a| Path::new("/volumes").join(a)).collect();
        parents.reverse();
        ops.extend(parents.iter().map(|p| dir(p)));
        ops.push(Op::writable(path, target));
    }
    ops
}

/// The static busybox of this host. Errors: exit 121 where there is none.
pub(super) fn busybox() -> Result<PathBuf, Failure> {
    find_busybox(&std::env::var_os("PATH").unwrap_or_default()).ok_or_else(|| {
        Failure::new(exit::LAUNCHER, "there is no static busybox on this machine")
            .with_hint("install Debian's package busybox-static, or put a static busybox into your PATH")
    })
}

/// The first busybox of a search path that runs without libraries.
fn find_busybox(path: &std::ffi::OsStr) -> Option<PathBuf> {
    let dirs = std::env::split_paths(path).filter(|dir| dir.is_absolute());
    dirs.map(|dir| dir.join("busybox")).find(|file| is_static(file))
}

/// True for an executable ELF file without an interpreter (elf(5): no program header of type PT_INTERP).
fn is_static(path: &Path) -> bool {
    const PT_INTERP: u32 = 3;
    let executable = path
        .metadata()
        .is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0);
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head));
    if !executable || read.is_err() || head.get(..5) != Some(&[0x7f, b'E', b'L', b'F', 2][..]) {
        return false;
    }
    // 64 bits, in the byte order of this machine: offset, size and number of the program headers.
    let number = |at: usize, length: usize| {
        let bytes = head.get(at..at.checked_add(length)?)?;
        let mut buffer = [0; 8];
        let start = if cfg!(target_endian = "little") {
            0
        } else {
            8 - length
        };
        buffer.get_mut(start..start + length)?.copy_from_slice(bytes);
        Some(u64::from_ne_bytes(buffer))
    };
    let (Some(offset), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else {
        return false;
    };
    let kind = |n: u64| number(usize::try_from(offset.checked_add(n * size)?).ok()?, 4);
    (0..count).all(|n| kind(n).is_some_and(|k| k != u64::from(PT_INTERP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_static_programs_will_do() {
        assert!(!is_static(Path::new("/nonexistent")));
        assert!(!is_static(Path::new("/etc/passwd")));
        assert!(!is_static(Path::new("/bin/sh")), "of a usual system");
    }

    #[test]
    fn parents_come_before_their_children() {
        let mut seen: Vec<&Path> = vec![Path::new("/")];
        for dir in DIRECTORIES {
            assert!(seen.contains(&Path::new(dir).parent().unwrap()), "{dir}");
            seen.push(Path::new(dir));
        }
    }
}
