//! What the host says and what the experiment showed; no judgement here.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{statvfs, FsFlags};

use super::networks::Networks;
use super::probe::{attempt, attempt_overlay, Trial};
use crate::vagga::config::range::default_ranges;
use crate::vagga::failure::Failure;
use crate::vagga::ids::{self, Caller, Helpers, IdMaps};

/// What bears on user namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `kernel.unprivileged_userns_clone` (Debian, Arch); `None` = no such sysctl.
    pub unprivileged_userns_clone: Option<i64>,
    /// `user.max_user_namespaces`.
    pub max_user_namespaces: Option<i64>,
    /// `kernel.apparmor_restrict_unprivileged_userns` (Ubuntu).
    pub apparmor_restrict: Option<i64>,
    /// Effective uid 0, of whatever user namespace.
    pub root: bool,
    /// Effective uid 0 of the initial user namespace, whom restrictions of ordinary users do not touch.
    pub privileged: bool,
    /// The root directory is not the root of the mount namespace.
    pub chroot: bool,
    /// Signs of Docker, Podman or another outer container.
    pub container: bool,
    /// A seccomp filter is in force.
    pub seccomp: bool,
    /// Set-user-id programs have no effect.
    pub no_new_privs: bool,
    /// This executable.
    pub program: PathBuf,
}

impl Surroundings {
    /// Reads them.
    pub fn read() -> Surroundings {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        let root = nix::unistd::geteuid().is_root();
        Surroundings {
            unprivileged_userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            apparmor_restrict: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            root,
            privileged: root && is_whole(&text("/proc/self/uid_map")),
            chroot: fs::read_to_string("/proc/self/mountinfo").is_ok_and(|text| !has_root(&text)),
            container: ["/.dockerenv", "/run/.containerenv"]
                .iter()
                .any(|f| Path::new(f).exists())
                || env::var_os("container").is_some(),
            seccomp: field("Seccomp:").is_some_and(|v| v != "0"),
            no_new_privs: field("NoNewPrivs:") == Some("1"),
            program: env::current_exe().unwrap_or_else(|_| PathBuf::from("/usr/bin/vagga")),
        }
    }
}

/// Whether a map is that of the initial user namespace: everything to itself.
fn is_whole(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether some mount is at `/`: not so in a chroot to a plain directory.
fn has_root(mountinfo: &str) -> bool {
    mountinfo.lines().any(|line| line.split(' ').nth(4) == Some("/"))
}

/// Everything that is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// See there.
    pub surroundings: Surroundings,
    /// `6.12.0-1-amd64`.
    pub kernel: String,
    /// Name of the user.
    pub user: String,
    /// Maps for the default `uids` and `gids`, with the warnings.
    pub ids: Result<(IdMaps, Vec<String>), Failure>,
    /// The experiment; `None` when there are no maps to try.
    pub trial: Option<Trial>,
    /// What children with networks need.
    pub networks: Networks,
    /// newuidmap and newgidmap; not looked for when root.
    pub helpers: Helpers,
    /// `fs.inotify.max_user_watches`.
    pub inotify_watches: Option<i64>,
    /// `fs.inotify.max_user_instances`.
    pub inotify_instances: Option<i64>,
    /// Control groups as mounted.
    pub cgroups: Cgroups,
    /// The file system of the images.
    pub disk: Option<Disk>,
    /// gpgv or sqv, the first one found.
    pub signature_checker: Option<PathBuf>,
    /// git.
    pub git: Option<PathBuf>,
    /// Certificates for https.
    pub certificates: Option<PathBuf>,
}

/// Control groups of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroups {
    /// Not mounted.
    None,
    /// Version 1 controllers only.
    V1,
    /// Version 1 controllers with the unified hierarchy beside.
    Hybrid,
    /// The unified hierarchy.
    V2,
}

/// Room on a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The existing directory that was asked.
    pub path: PathBuf,
    /// Bytes available to the user.
    pub bytes: u64,
    /// Inodes available; `None` where the file system has no fixed number (btrfs).
    pub inodes: Option<u64>,
    /// Programs cannot be executed from it.
    pub noexec: bool,
    /// Errno of an overlay with its layers there (0 = it works); `None` = not tried.
    pub overlay: Option<i32>,
}

impl Facts {
    /// Looks at the host and makes the experiment. `storage` need not exist yet.
    pub fn collect(storage: &Path) -> Facts {
        let caller = Caller::read();
        let mut warnings = Vec::new();
        let ids = ids::maps_of(&caller, &default_ranges(), &default_ranges(), &mut warnings);
        let maps = ids.as_ref().ok();
        let trial = maps.map(attempt);
        let networks = Networks::look(maps);
        let disk = storage.ancestors().find_map(|path| disk(path, maps));
        Facts {
            surroundings: Surroundings::read(),
            kernel: text("/proc/sys/kernel/osrelease"),
            user: caller.name,
            ids: ids.map(|maps| (maps, warnings)),
            trial,
            networks,
            helpers: caller.helpers,
            inotify_watches: number("/proc/sys/fs/inotify/max_user_watches"),
            inotify_instances: number("/proc/sys/fs/inotify/max_user_instances"),
            cgroups: cgroups(&text("/proc/self/mounts")),
            disk,
            signature_checker: ["gpgv", "sqv", "gpgv-sq"].into_iter().find_map(program),
            git: program("git"),
            certificates: certificates(),
        }
    }
}

/// File systems of type cgroup and cgroup2 among the mounts.
fn cgroups(mounts: &str) -> Cgroups {
    let has = |kind| mounts.lines().any(|line| line.split(' ').nth(2) == Some(kind));
    match (has("cgroup"), has("cgroup2")) {
        (false, false) => Cgroups::None,
        (true, false) => Cgroups::V1,
        (true, true) => Cgroups::Hybrid,
        (false, true) => Cgroups::V2,
    }
}

#[allow(clippy::useless_conversion)] // the fields are narrower on some architectures
fn disk(path: &Path, maps: Option<&IdMaps>) -> Option<Disk> {
    if path.as_os_str().is_empty() {
        return None;
    }
    let s = statvfs(path).ok()?;
    Some(Disk {
        path: path.to_path_buf(),
        bytes: u64::from(s.blocks_available()).saturating_mul(u64::from(s.fragment_size())),
        inodes: (s.files() > 0).then(|| u64::from(s.files_available())),
        noexec: s.flags().contains(FsFlags::ST_NOEXEC),
        overlay: maps.and_then(|maps| attempt_overlay(maps, path)),
    })
}

pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// `SSL_CERT_FILE`, else where distributions keep the bundle.
fn certificates() -> Option<PathBuf> {
    let usual = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    env::var_os("SSL_CERT_FILE")
        .map(PathBuf::from)
        .into_iter()
        .chain(usual.map(PathBuf::from))
        .find(|file| file.is_file())
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_string()
}

pub(super) fn number(path: &str) -> Option<i64> {
    text(path).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroot_is_seen_in_mountinfo() {
        assert!(has_root(
            "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:5 / /proc rw - proc proc rw"
        ));
        assert!(!has_root("22 21 0:5 / /proc rw - proc proc rw"));
    }

    #[test]
    fn root_of_a_nested_namespace_is_not_privileged() {
        assert!(is_whole("         0          0 4294967295"));
        assert!(!is_whole("0 1000 1\n1 100000 65535"));
    }

    #[test]
    fn cgroup_versions() {
        assert_eq!(cgroups("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0"), Cgroups::V2);
        assert_eq!(
            cgroups("c /a cgroup rw 0 0\nd /b cgroup2 rw 0 0"),
            Cgroups::Hybrid
        );
        assert_eq!(cgroups("c /a cgroup rw 0 0"), Cgroups::V1);
        assert_eq!(cgroups("proc /proc proc rw 0 0"), Cgroups::None);
    }

    #[test]
    fn facts_of_this_host_can_be_collected() {
        let facts = Facts::collect(Path::new("/no/such/directory"));
        assert!(!facts.kernel.is_empty());
        assert_eq!(facts.disk.unwrap().path, Path::new("/"));
    }
}
