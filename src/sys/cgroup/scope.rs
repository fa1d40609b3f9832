//! The group of one container in all hierarchies: limits, members, use, end.

mod end;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::branch::Branch;
use super::limits::{Limits, Setting};
use super::{control, scope_name, Version};
use crate::sys::path::Root;

/// The group in one hierarchy.
#[derive(Debug)]
struct Part {
    version: Version,
    controllers: Vec<String>,
    /// The group that holds ours.
    slice: Root,
    dir: Root,
    /// Nobody has used it before.
    is_new: bool,
}

/// The group of one container. Dropping it changes nothing.
#[derive(Debug)]
pub struct Scope {
    name: String,
    parts: Vec<Part>,
    path: PathBuf,
    unset: Vec<String>,
}

/// What the processes of a group use now; `None` where no controller counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes, the page cache included.
    pub memory: Option<u64>,
    /// Processor time since the group was made, microseconds.
    pub cpu: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

impl Scope {
    pub(super) fn create(branches: &[Branch], container: &str) -> io::Result<Scope> {
        let name = scope_name(container)?;
        let mut parts = Vec::new();
        for branch in branches {
            match Part::make(branch, &name) {
                Ok(part) => parts.push(part),
                // Beside version 1 it only helps to kill and to wait.
                Err(_)
                    if branch.version == Version::Two
                        && !parts.is_empty()
                        && branch.controllers.is_empty() => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Scope::new(branches, name, parts))
    }

    pub(super) fn open(branches: &[Branch], container: &str) -> io::Result<Option<Scope>> {
        let name = scope_name(container)?;
        let mut parts = Vec::new();
        for branch in branches {
            match Part::open(branch, &name) {
                Ok(part) => parts.push(part),
                Err(e) if control::is_gone(&e) => {}
                Err(e) => return Err(e),
            }
        }
        Ok((!parts.is_empty()).then(|| Scope::new(branches, name, parts)))
    }

    fn new(branches: &[Branch], name: String, parts: Vec<Part>) -> Scope {
        // The one that shows the most to whoever monitors.
        let main = branches.iter().max_by_key(|branch| branch.controllers.len());
        Scope {
            path: main.map(|branch| branch.shown(&name)).unwrap_or_default(),
            name,
            parts,
            unset: Vec::new(),
        }
    }

    /// The directory of the group in the hierarchy with the most controllers, for records and messages.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Limits that could not be set, a line each: no such controller, or refused by the kernel. They are for the log;
    /// the container runs without them.
    pub fn unset(&self) -> &[String] {
        &self.unset
    }

    pub(super) fn limit(&mut self, limits: &Limits, absent: &[String]) {
        for controller in ["memory", "cpu", "pids", "io"] {
            match self.parts.iter().find(|part| part.has(controller)) {
                Some(part) => {
                    let (mut settings, missing) = limits.settings(controller, part.version);
                    if !part.is_new {
                        settings.extend(limits.stale(controller, part.version, |file| part.text(file)));
                    }
                    self.unset
                        .extend(missing.map(|what| format!("{what} is not available")));
                    let failed = part.apply(settings);
                    self.unset.extend(failed);
                }
                None if limits.wants(controller) => {
                    let known = absent
                        .iter()
                        .any(|name| name == controller || name == "blkio" && controller == "io");
                    let why = if known {
                        "this machine does not offer it"
                    } else {
                        "it is not in cgroup-controllers"
                    };
                    self.unset
                        .push(format!("limits of the controller {controller}: {why}"));
                }
                None => {}
            }
        }
    }

    /// For `CLONE_INTO_CGROUP` of clone3(2): the group in the hierarchy of version 2, if there is one. A child that
    /// is cloned so is in it from its first instruction, and the machine's other forks need not be stopped as for
    /// [`Scope::add`]. It is in the groups of version 1 only if its parent is: see [`Scope::join_v1`].
    ///
    /// A cgroup namespace made by the same clone3 has the *parent's* group as its root: unshare it afterwards.
    pub fn join_fd(&self) -> Option<BorrowedFd<'_>> {
        let part = self.parts.iter().find(|part| part.version == Version::Two)?;
        Some(part.dir.as_fd())
    }

    /// Moves this (single-threaded) process into the groups of version 1; its later children begin there. The cheap
    /// way, for whoever then clones into [`Scope::join_fd`].
    pub fn join_v1(&self) -> io::Result<()> {
        let ours = |part: &&Part| part.version == Version::One;
        self.parts
            .iter()
            .filter(ours)
            .try_for_each(|part| self.write(part, "tasks", "0"))
    }

    /// Moves this (single-threaded) process into the group.
    pub fn join(&self) -> io::Result<()> {
        self.join_v1()?;
        self.members(Version::Two, "0")
    }

    /// Moves a process, all its threads, into the group. Takes some milliseconds; see [`Scope::join_fd`].
    ///
    /// Errors: ESRCH (it has ended), EACCES, ENOMEM, EAGAIN (limits of the group).
    pub fn add(&self, pid: i32) -> io::Result<()> {
        self.members(Version::One, &pid.to_string())?;
        self.members(Version::Two, &pid.to_string())
    }

    fn members(&self, version: Version, pid: &str) -> io::Result<()> {
        let ours = |part: &&Part| part.version == version;
        self.parts
            .iter()
            .filter(ours)
            .try_for_each(|part| self.write(part, "cgroup.procs", pid))
    }

    fn write(&self, part: &Part, file: &str, value: &str) -> io::Result<()> {
        control::write(part.dir.as_fd(), file, value).map_err(|e| {
            io::Error::new(
                e.kind(),
                format!("write {value} to {file} of the control group {}: {e}", self.name),
            )
        })
    }

    /// Ids of the processes in the group and below, as our PID namespace sees them.
    pub fn processes(&self) -> io::Result<Vec<i32>> {
        let mut found = Vec::new();
        for part in &self.parts {
            match control::processes(part.dir.as_fd()) {
                Ok(pids) => found.extend(pids),
                Err(e) => control::gone_is_fine(Err(e))?,
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Processes that the kernel has killed for want of memory since the group was made. A group is used again by the
    /// next container of its name: compare with the number at its start. 0 where nothing counts it.
    pub fn oom_kills(&self) -> u64 {
        self.oom_counter().map_or(0, |counter| counter.read())
    }

    /// The counter alone, for a process that keeps nothing else of the group.
    pub fn oom_counter(&self) -> Option<OomCounter> {
        let part = self.parts.iter().find(|part| part.has("memory"))?;
        let file = match part.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        Some(OomCounter(control::open(part.dir.as_fd(), file).ok()?))
    }

    /// What is used now.
    pub fn usage(&self) -> Usage {
        Usage {
            memory: self.number("memory.current", "memory.usage_in_bytes"),
            cpu: self.cpu_time(),
            pids: self.number("pids.current", "pids.current"),
        }
    }

    /// Of the first hierarchy that has one of the files.
    fn number(&self, v2: &str, v1: &str) -> Option<u64> {
        self.parts.iter().find_map(|part| match part.version {
            Version::One => control::number(part.dir.as_fd(), v1).ok(),
            Version::Two => control::number(part.dir.as_fd(), v2).ok(),
        })
    }

    fn cpu_time(&self) -> Option<u64> {
        let count = |part: &Part| match part.version {
            Version::One => Some(control::number(part.dir.as_fd(), "cpuacct.usage").ok()? / 1000),
            Version::Two => control::field(&control::read(part.dir.as_fd(), "cpu.stat").ok()?, "usage_usec"),
        };
        self.parts.iter().find_map(count)
    }
}

impl Part {
    fn make(branch: &Branch, name: &str) -> io::Result<Part> {
        let slice = branch.slice_root()?;
        let is_new = branch.make_in(&slice, name)?;
        Part::of(branch, slice, name, is_new)
    }

    fn open(branch: &Branch, name: &str) -> io::Result<Part> {
        Part::of(branch, branch.slice_root()?, name, false)
    }

    fn of(branch: &Branch, slice: Root, name: &str, is_new: bool) -> io::Result<Part> {
        Ok(Part {
            version: branch.version,
            controllers: branch.controllers.clone(),
            dir: slice.sub(name)?,
            slice,
            is_new,
        })
    }

    /// Of a control file; empty when it cannot be read.
    fn text(&self, file: &str) -> String {
        control::read(self.dir.as_fd(), file).unwrap_or_default()
    }

    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }

    /// Writes the values; those that the kernel refuses once more after the others, since one may have to make room
    /// for another (memory and memory with swap of version 1). The result: what could not be set.
    fn apply(&self, settings: Vec<Setting>) -> Vec<String> {
        let wanted = settings.into_iter().filter(|s| !(s.is_default && self.is_new));
        let refused: Vec<Setting> = wanted.filter(|setting| self.set(setting).is_err()).collect();
        let failure = |setting: &Setting| {
            let error = self.set(setting).err()?;
            let file = setting.files.first().copied().unwrap_or_default();
            Some(format!("{file} could not be set to {}: {error}", setting.value))
        };
        refused.iter().filter_map(failure).collect()
    }

    fn set(&self, setting: &Setting) -> io::Result<()> {
        for file in setting.files {
            match control::write(self.dir.as_fd(), file, &setting.value) {
                Err(e) if control::is_gone(&e) => {}
                done => return done,
            }
        }
        match setting.is_optional {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(libc::ENOENT)),
        }
    }
}

#[cfg(test)]
impl Scope {
    /// Of a control file in whichever hierarchy has it, empty if none.
    pub(super) fn text(&self, file: &str) -> String {
        let read = |part: &Part| control::read(part.dir.as_fd(), file).ok();
        self.parts.iter().find_map(read).unwrap_or_default()
    }
}

/// The open file with the number of kills for want of memory. Readable from everywhere, also after the switch of roots.
#[derive(Debug)]
pub struct OomCounter(File);

impl OomCounter {
    /// Kills since the group was made; 0 when it cannot be read.
    pub fn read(&self) -> u64 {
        let mut buffer = [0; 512];
        let text = self
            .0
            .read_at(&mut buffer, 0)
            .ok()
            .and_then(|n| buffer.get(..n))
            .unwrap_or_default();
        control::field(&String::from_utf8_lossy(text), "oom_kill").unwrap_or(0)
    }
}

impl std::os::fd::AsFd for OomCounter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
