//! Which control group hierarchies there are and where a process is in them: texts of `/proc` as values.
//!
//! Pure: no file is opened here. Formats: `proc_pid_mountinfo(5)`, `cgroups(7)`.

use std::path::{Path, PathBuf};

use super::Version;
use crate::sys::mount::unescape;

/// The group of the tree's own processes below a group that has members of its own forbidden (v2), and the value for
/// `DelegateSubgroup=` of a systemd unit.
pub const SUPERVISOR: &str = "supervisor";

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// First or second version.
    pub version: Version,
    /// `cpu`, `memory`, `name=systemd`… of v1; empty for v2, whose groups say themselves what they have.
    pub controllers: Vec<String>,
    /// The group that is visible as the top of the mount.
    pub root: String,
    /// Where it is mounted.
    pub point: PathBuf,
}

/// One line of `/proc/PID/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// As in [`Mount`]; empty for v2.
    pub controllers: Vec<String>,
    /// The process's group, from the root of our cgroup namespace.
    pub path: String,
}

/// The hierarchies of a `mountinfo`, each once, in its order. Of several mounts of one the first that shows most of it
/// counts.
pub fn mounts(mountinfo: &[u8]) -> Vec<Mount> {
    let mut found: Vec<Mount> = Vec::new();
    for mount in mountinfo.split(|b| *b == b'\n').filter_map(mount) {
        let same =
            |other: &&mut Mount| other.version == mount.version && other.controllers == mount.controllers;
        match found.iter_mut().find(same) {
            Some(other) if mount.root.len() < other.root.len() => *other = mount,
            Some(_) => {}
            None => found.push(mount),
        }
    }
    found
}

/// `ID PARENT DEVICE ROOT POINT OPTIONS [TAGS…] - TYPE SOURCE SUPER_OPTIONS`
fn mount(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let dash = fields.iter().position(|field| *field == b"-")?;
    let version = match *fields.get(dash + 1)? {
        b"cgroup" => Version::One,
        b"cgroup2" => Version::Two,
        _ => return None,
    };
    let options = std::str::from_utf8(fields.get(dash + 3)?).ok()?;
    Some(Mount {
        version,
        controllers: match version {
            Version::One => options
                .split(',')
                .filter(|o| is_controller(o))
                .map(String::from)
                .collect(),
            Version::Two => Vec::new(),
        },
        root: unescape(fields.get(3)?).into_string().ok()?,
        point: PathBuf::from(unescape(fields.get(4)?)),
    })
}

/// Not one of the options of the mount itself (`cgroup1_show_options` of the kernel).
fn is_controller(option: &str) -> bool {
    const OTHERS: &[&str] = &[
        "rw",
        "ro",
        "noprefix",
        "xattr",
        "cpuset_v2_mode",
        "favordynmods",
        "clone_children",
        "none",
        "all",
        "",
    ];
    !OTHERS.contains(&option) && !option.starts_with("release_agent=")
}

/// The lines of a `/proc/PID/cgroup`; what does not look like one is left out.
pub fn memberships(text: &str) -> Vec<Membership> {
    let line = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Membership {
            controllers: controllers
                .split(',')
                .filter(|c| !c.is_empty())
                .map(String::from)
                .collect(),
            path: path.strip_suffix(" (deleted)").unwrap_or(path).to_string(),
        })
    };
    text.lines().filter_map(line).collect()
}

/// Where a process is in the hierarchy of `mount`.
pub fn group_in<'a>(memberships: &'a [Membership], mount: &Mount) -> Option<&'a str> {
    let same = |m: &&Membership| match mount.version {
        Version::Two => m.controllers.is_empty(),
        Version::One => m.controllers.iter().any(|c| mount.controllers.contains(c)),
    };
    memberships.iter().find(same).map(|m| m.path.as_str())
}

/// The group `path` as a path below the mount point; `None` when it is outside of what is mounted.
pub fn below_mount(mount: &Mount, path: &str) -> Option<PathBuf> {
    let rest = Path::new(path).strip_prefix(&mount.root).ok()?;
    let plain = rest
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    plain.then(|| rest.to_path_buf())
}

/// The group below which ours (`name`) is or will be, from the group a process of ours is in: that group itself, or
/// what is above the parts that we have added. So a tree that starts again finds the same one, and never nests.
pub fn base<'a>(path: &'a Path, name: &str) -> Option<&'a Path> {
    let (parent, last) = (path.parent(), path.file_name());
    if last.is_some_and(|last| last == name) {
        return parent;
    }
    match parent {
        Some(_) if last.is_none_or(|last| last != SUPERVISOR) => None,
        Some(parent) if parent.file_name().is_some_and(|above| above == name) => parent.parent(),
        parent => parent,
    }
}

/// Above the group that systemd keeps for itself: the root of the machine or the container.
pub fn without_init_scope(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if path.file_name().is_some_and(|last| last == "init.scope") => parent,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/systemd/agent,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

    fn names(mounts: &[Mount]) -> Vec<(Version, String)> {
        mounts
            .iter()
            .map(|m| (m.version, m.controllers.join("+")))
            .collect()
    }

    #[test]
    fn a_hybrid_machine() {
        let found = mounts(HYBRID.as_bytes());
        let expected = [
            (Version::One, "cpu+cpuacct"),
            (Version::One, "memory"),
            (Version::One, "name=systemd"),
            (Version::Two, ""),
        ];
        assert_eq!(names(&found), expected.map(|(v, n)| (v, n.to_string())));
        assert_eq!(found[0].point, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
    }

    #[test]
    fn a_machine_with_v2_only() {
        let found = mounts(
            b"30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n",
        );
        assert_eq!(names(&found), [(Version::Two, String::new())]);
    }

    #[test]
    fn of_two_mounts_of_one_hierarchy_the_wider_counts() {
        let text = b"1 0 0:5 /a/b /x rw - cgroup c rw,pids\n2 0 0:5 / /y\\040z rw - cgroup c rw,pids\n3 0 0:5 / /w rw - cgroup c rw,pids\n";
        let found = mounts(text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].point, Path::new("/y z"));
    }

    #[test]
    fn nonsense_is_no_mount() {
        for text in [
            "",
            "\n\n",
            "1 2 3 4 5 6 -",
            "a b - cgroup",
            "- cgroup2 x rw",
            "1 1 1:1 / /x rw - cgroup3 x rw",
        ] {
            assert_eq!(mounts(text.as_bytes()), [], "{text:?}");
        }
    }

    #[test]
    fn the_groups_of_a_process() {
        let text =
            "12:name=systemd:/user.slice\n8:cpu,cpuacct:/a:b (deleted)\n0::/user.slice/x.scope\nrubbish\n";
        let found = memberships(text);
        let mounts = mounts(HYBRID.as_bytes());
        assert_eq!(group_in(&found, &mounts[0]), Some("/a:b"));
        assert_eq!(group_in(&found, &mounts[1]), None);
        assert_eq!(group_in(&found, &mounts[2]), Some("/user.slice"));
        assert_eq!(group_in(&found, &mounts[3]), Some("/user.slice/x.scope"));
    }

    #[test]
    fn groups_outside_of_the_mount_are_refused() {
        let mut mount = mounts(HYBRID.as_bytes()).remove(3);
        assert_eq!(below_mount(&mount, "/a/b"), Some("a/b".into()));
        assert_eq!(below_mount(&mount, "/"), Some("".into()));
        assert_eq!(below_mount(&mount, "/../x"), None);
        mount.root = "/docker/12".into();
        assert_eq!(below_mount(&mount, "/docker/12/x"), Some("x".into()));
        assert_eq!(below_mount(&mount, "/docker/123"), None);
    }

    /// [F33]: a tree that is the first process computes its place from its own group.
    #[test]
    fn a_place_below_ours_leads_back_to_the_base() {
        let base = |path| base(Path::new(path), "lithos.slice").map(|p| p.to_str().unwrap());
        assert_eq!(base("lithos.slice"), Some(""));
        assert_eq!(base("lithos.slice/supervisor"), Some(""));
        assert_eq!(base("a/b.service/lithos.slice/supervisor"), Some("a/b.service"));
        assert_eq!(
            base("lithos.slice/app:web.0.scope"),
            None,
            "a tree in a container of another one nests"
        );
        assert_eq!(base("a/b.service/supervisor"), Some("a/b.service"));
        assert_eq!(base("lithos.slice/b.service"), None);
        assert_eq!(base("user.slice/session-3.scope"), None);
        assert_eq!(base(""), None);
    }

    #[test]
    fn the_group_of_systemd_itself_is_no_base() {
        assert_eq!(without_init_scope(Path::new("init.scope")), Path::new(""));
        assert_eq!(without_init_scope(Path::new("c/init.scope")), Path::new("c"));
        assert_eq!(without_init_scope(Path::new("c")), Path::new("c"));
    }
}
