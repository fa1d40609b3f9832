//! One hierarchy that is used, with the place of our group in it.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::layout::{self, Mount, SUPERVISOR};
use super::{control, invalid, Options, Sources, Version, DEFAULT_CONTROLLERS};
use crate::sys::fs::explain;
use crate::sys::path::Root;

/// Permissions of the groups we make.
const MODE: u32 = 0o755;

/// One hierarchy.
#[derive(Debug)]
pub struct Branch {
    pub version: Version,
    /// Controllers whose limits are set here, in the names of version 2: `cpu`, `memory`, `io`, `pids`…
    pub controllers: Vec<String>,
    /// The top of what is mounted.
    top: Root,
    /// The group above ours, relative to the top; empty for the top itself.
    base: PathBuf,
    /// Name of our group.
    name: String,
}

/// The hierarchies for the controllers wanted, and the controllers that no hierarchy has.
pub fn select(options: &Options<'_>, sources: &Sources) -> io::Result<(Vec<Branch>, Vec<String>)> {
    let mounts = layout::mounts(&sources.mountinfo);
    let mut branches = Vec::new();
    let mut rest: Vec<String> = match options.controllers {
        [] => DEFAULT_CONTROLLERS.map(String::from).to_vec(),
        named => named.to_vec(),
    };
    for mount in mounts.iter().filter(|mount| mount.version == Version::One) {
        let (here, elsewhere) = rest.into_iter().partition(|wanted| has(mount, wanted));
        rest = elsewhere;
        if !here.is_empty() {
            branches.push(Branch::v1(mount, here, options, sources)?);
        }
    }
    if let Some(mount) = mounts.iter().find(|mount| mount.version == Version::Two) {
        match Branch::v2(mount, &mut rest, options, sources) {
            Ok(branch) => branches.push(branch),
            // Version 1 alone does as well.
            Err(_) if !branches.is_empty() => {}
            Err(e) => return Err(e),
        }
    }
    judge(options, branches, rest)
}

/// A controller that was named must exist.
fn judge(
    options: &Options<'_>,
    branches: Vec<Branch>,
    rest: Vec<String>,
) -> io::Result<(Vec<Branch>, Vec<String>)> {
    if branches.is_empty() {
        return Err(invalid(
            "no control groups are mounted: mount cgroup2 on /sys/fs/cgroup, or set cgroup-name to null"
                .into(),
        ));
    }
    if let ([_, ..], Some(missing)) = (options.controllers, rest.first()) {
        return Err(invalid(format!(
            "the control group controller {missing:?} is not available here: take it out of cgroup-controllers"
        )));
    }
    Ok((branches, rest))
}

/// `name` alone is systemd's hierarchy, or any that has a name.
fn has(mount: &Mount, wanted: &str) -> bool {
    match wanted {
        "name" => mount.controllers.iter().any(|c| c.starts_with("name=")),
        wanted => mount.controllers.iter().any(|c| c == wanted),
    }
}

/// The name of version 2; `None` for what it does without a controller.
fn modern(controller: &str) -> Option<&str> {
    match controller {
        "blkio" => Some("io"),
        "cpuacct" => Some("cpu"),
        "freezer" | "name" => None,
        other if other.starts_with("name=") => None,
        other => Some(other),
    }
}

impl Branch {
    fn v1(mount: &Mount, here: Vec<String>, options: &Options<'_>, sources: &Sources) -> io::Result<Branch> {
        let path = layout::group_in(&sources.first, mount).unwrap_or("/");
        let first = layout::below_mount(mount, path).ok_or_else(|| outside(mount, path))?;
        let base = layout::base(&first, options.name).unwrap_or(&first).to_path_buf();
        // The accounting of processor time comes with a hierarchy of its own, but sets no limits.
        let limits = |c: &String| (c != "cpuacct").then(|| modern(c).map(String::from)).flatten();
        Ok(Branch {
            version: Version::One,
            controllers: here.iter().filter_map(limits).collect(),
            top: open(mount)?,
            base,
            name: options.name.to_string(),
        })
    }

    fn v2(
        mount: &Mount,
        rest: &mut Vec<String>,
        options: &Options<'_>,
        sources: &Sources,
    ) -> io::Result<Branch> {
        let mut branch = Branch {
            version: Version::Two,
            controllers: Vec::new(),
            top: open(mount)?,
            base: PathBuf::new(),
            name: options.name.to_string(),
        };
        branch.base = branch.base_v2(mount, sources)?;
        let offered = branch.read(&branch.base, "cgroup.controllers")?;
        let offered: Vec<&str> = offered.split_whitespace().collect();
        rest.retain(|wanted| match modern(wanted) {
            None => false,
            Some(name) if offered.contains(&name) => {
                if !branch.controllers.iter().any(|c| c == name) {
                    branch.controllers.push(name.to_string());
                }
                false
            }
            Some(_) => true,
        });
        Ok(branch)
    }

    /// Our group if it is ours alone, the root otherwise.
    fn base_v2(&self, mount: &Mount, sources: &Sources) -> io::Result<PathBuf> {
        let path = layout::group_in(&sources.own, mount).unwrap_or("/");
        let own = layout::below_mount(mount, path).ok_or_else(|| outside(mount, path))?;
        if let Some(base) = layout::base(&own, &self.name) {
            return Ok(base.to_path_buf());
        }
        let path = layout::group_in(&sources.first, mount).unwrap_or("/");
        let first = layout::below_mount(mount, path).unwrap_or_default();
        let root = layout::without_init_scope(&first);
        let members = control::members(self.group(&own)?.as_fd());
        // Under systemd a unit's own group is no place, not even a delegated one: it could not start a next tree there while
        // containers are below. Such a tree begins in a `supervisor` below its unit, which is answered above.
        if members.is_ok_and(|pids| pids == [sources.pid]) && root == first {
            return Ok(own);
        }
        Ok(layout::base(root, &self.name).unwrap_or(root).to_path_buf())
    }

    /// Our group, relative to the top.
    fn slice(&self) -> PathBuf {
        self.base.join(&self.name)
    }

    /// Path of a scope for messages and records.
    pub fn shown(&self, scope: &str) -> PathBuf {
        self.top.path().join(self.slice()).join(scope)
    }

    /// Makes a group in our open one; `false`: it is there.
    pub fn make_in(&self, slice: &Root, name: &str) -> io::Result<bool> {
        match slice.mkdir(name, MODE) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(explain(e, "make the control group", &self.shown(name))),
        }
    }

    /// Our group itself.
    pub fn slice_root(&self) -> io::Result<Root> {
        self.top.sub(self.slice())
    }

    /// Names of the groups in ours, if it exists.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let slice = match self.slice_root() {
            Err(e) if control::is_gone(&e) => return Ok(Vec::new()),
            slice => slice?,
        };
        let names = control::children(slice.place(Path::new("."))?.dir())?;
        Ok(names
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .collect())
    }

    /// Processes where the tree is, but not those of scopes.
    pub fn members(&self) -> io::Result<Vec<i32>> {
        let slice = self.slice_root()?;
        let group = match self.version {
            Version::One => slice,
            Version::Two => slice.sub(SUPERVISOR)?,
        };
        let dir = group.open_dir(".")?;
        control::members(dir.as_fd())
    }

    /// See [`super::Cgroups::prepare`].
    pub fn prepare(&self) -> io::Result<()> {
        self.make_slice()?;
        match self.version {
            Version::One => Ok(()),
            Version::Two => self
                .hand_down(&self.base)
                .and_then(|()| self.hand_down(&self.slice())),
        }
    }

    /// See [`super::Cgroups::enter`].
    pub fn enter(&self) -> io::Result<()> {
        self.make_slice()?;
        match self.version {
            // A thread that moves itself does not stop all forks of the machine meanwhile, as a process does.
            Version::One => self.write(&self.slice(), "tasks", "0"),
            Version::Two => self.leave().and_then(|()| self.prepare()),
        }
    }

    fn make_slice(&self) -> io::Result<()> {
        match self.top.mkdir(self.slice(), MODE) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(explain(e, "make the control group", &self.shown("")));
            }
            _ => {}
        }
        match self.version {
            Version::One => Ok(()),
            Version::Two => self.make_in(&self.slice_root()?, SUPERVISOR).map(drop),
        }
    }

    /// Processes may not be where controllers are handed down.
    fn leave(&self) -> io::Result<()> {
        self.write(&self.slice().join(SUPERVISOR), "cgroup.procs", "0")
    }

    /// Has `group` give its controllers to the groups below it.
    fn hand_down(&self, group: &Path) -> io::Result<()> {
        let given = self.read(group, "cgroup.subtree_control")?;
        let missing = |c: &&String| !given.split_whitespace().any(|given| given == c.as_str());
        for controller in self.controllers.iter().filter(missing) {
            let value = format!("+{controller}");
            match self.write(group, "cgroup.subtree_control", &value) {
                Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {
                    self.hand_down_after_leaving(group, &value)?
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Processes are in the group. If it is only this one, it can go.
    fn hand_down_after_leaving(&self, group: &Path, value: &str) -> io::Result<()> {
        self.leave()?;
        self.write(group, "cgroup.subtree_control", value).map_err(|e| {
            let text = format!(
                "{e}: other processes are in this group; start the tree as the only process of a group (a systemd unit \
                 with Delegate=yes), or set cgroup-name to null"
            );
            io::Error::new(e.kind(), text)
        })
    }

    fn group(&self, path: &Path) -> io::Result<Root> {
        self.top
            .sub(path)
            .map_err(|e| explain(e, "open the control group", &self.top.path().join(path)))
    }

    fn write(&self, group: &Path, file: &str, value: &str) -> io::Result<()> {
        control::write(self.group(group)?.as_fd(), file, value).map_err(|e| {
            let path = self.top.path().join(group).join(file);
            explain(e, &format!("write {value:?} to"), &path)
        })
    }

    fn read(&self, group: &Path, file: &str) -> io::Result<String> {
        control::read(self.group(group)?.as_fd(), file)
            .map_err(|e| explain(e, "read", &self.top.path().join(group).join(file)))
    }
}

#[cfg(test)]
impl Branch {
    /// Removes our group with all below it.
    pub fn remove_slice(&self) {
        let base = self.group(&self.base).unwrap();
        control::remove(base.as_fd(), std::ffi::OsStr::new(&self.name)).unwrap();
    }
}

fn open(mount: &Mount) -> io::Result<Root> {
    Root::open(&mount.point).map_err(|e| explain(e, "open", &mount.point))
}

fn outside(mount: &Mount, path: &str) -> io::Error {
    invalid(format!(
        "the control group {path:?} is outside of what is mounted on {:?}: mount the hierarchy anew in this namespace",
        mount.point
    ))
}
