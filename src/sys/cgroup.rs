//! Control groups of version 1, version 2 and both at once (hybrid): a group of ours, and in it one for each container.
//!
//! Where the groups are: below *base* there is `NAME` (`lithos.slice`), and in it `SB:PROC.N.scope` for each container
//! and, in version 2, `supervisor` for the processes of the tree, since a group that hands controllers down may have
//! no processes itself. The base is the group of the first process (v1); in v2 it is our own group if nobody else is
//! in it, or under systemd the unit in whose subgroup `supervisor` we begin, otherwise the root. It is the same again after a restart, whether the
//! tree is the first process or not.
//!
//! Everything is done by descriptor beneath the mounted hierarchies, and nothing is written to groups that are not
//! ours, but for the list of controllers that the base hands down. No error here is worth a container's life: limits
//! that could not be set are reported, see [`Scope::unset`].

mod branch;
mod control;
mod layout;
mod limits;
mod name;
mod scope;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};

use branch::Branch;
use layout::Membership;
pub use layout::SUPERVISOR;
pub use limits::{cpu_weight, IoMax, Limits, CPU_PERIOD};
pub use name::{container_name, scope_name};
pub use scope::{OomCounter, Scope, Usage};

/// The version of a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A hierarchy for each controller, or for a few.
    One,
    /// One hierarchy for all.
    Two,
}

/// Controllers that are used when none are named, in the names of version 1. `name` is the hierarchy without
/// controllers, by which systemd and others group processes.
pub const DEFAULT_CONTROLLERS: [&str; 6] = ["name", "cpu", "cpuacct", "memory", "blkio", "pids"];

/// What to look for.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Name of our group, one component.
    pub name: &'a str,
    /// Controllers in the names of version 1 (`name`, `name=systemd`, `cpu`, `cpuacct`, `memory`, `blkio`, `pids`…);
    /// empty: [`DEFAULT_CONTROLLERS`], as far as they exist.
    pub controllers: &'a [String],
    /// The running tree, if this process is not it and was not started by it: its groups are meant.
    pub tree: Option<i32>,
}

/// The texts of `/proc` that everything is found from.
struct Sources {
    mountinfo: Vec<u8>,
    own: Vec<Membership>,
    first: Vec<Membership>,
    /// The process that `own` is about.
    pid: i32,
}

/// The hierarchies to use, with the place of our group in each.
#[derive(Debug)]
pub struct Cgroups {
    branches: Vec<Branch>,
    absent: Vec<String>,
}

impl Cgroups {
    /// Finds the hierarchies. Changes nothing.
    ///
    /// Errors: no hierarchy is mounted, a controller that was named does not exist, `/proc` is not readable; the text
    /// says what to do.
    pub fn detect(options: &Options<'_>) -> io::Result<Cgroups> {
        Cgroups::from_sources(options, &Sources::read(options.tree)?)
    }

    fn from_sources(options: &Options<'_>, sources: &Sources) -> io::Result<Cgroups> {
        if options.name.is_empty() || options.name.starts_with('.') || options.name.contains(['/', '\0']) {
            return Err(invalid(format!(
                "cgroup-name {:?} is not one name without slashes",
                options.name
            )));
        }
        let (branches, absent) = branch::select(options, sources)?;
        Ok(Cgroups { branches, absent })
    }

    /// Controllers of the default list that this machine does not offer: their limits cannot be enforced.
    pub fn absent(&self) -> &[String] {
        &self.absent
    }

    /// Makes our group where it is missing and has its controllers handed down. Moves this process into `supervisor`
    /// where the rule of version 2 demands it. For whoever creates scopes without a tree; the tree calls [`enter`].
    ///
    /// Errors: EACCES, EROFS, EBUSY (others are in the group that has to hand down its controllers), with a text.
    ///
    /// [`enter`]: Cgroups::enter
    pub fn prepare(&self) -> io::Result<()> {
        self.branches.iter().try_for_each(Branch::prepare)
    }

    /// [`prepare`](Cgroups::prepare), and this (single-threaded) process becomes a member of our group.
    pub fn enter(&self) -> io::Result<()> {
        self.branches.iter().try_for_each(Branch::enter)
    }

    /// Makes the group of a container (`SB/PROC.N`), or takes the one that is there, and sets its limits. Our own group
    /// must exist, see [`prepare`](Cgroups::prepare). Values that could not be set: [`Scope::unset`].
    pub fn create(&self, container: &str, limits: &Limits) -> io::Result<Scope> {
        let mut scope = Scope::create(&self.branches, container)?;
        scope.limit(limits, &self.absent);
        Ok(scope)
    }

    /// The group of a container, `None` if there is none.
    pub fn open(&self, container: &str) -> io::Result<Option<Scope>> {
        Scope::open(&self.branches, container)
    }

    /// Processes that are where [`enter`](Cgroups::enter) leads, as far as that can be read.
    pub fn members(&self) -> BTreeSet<i32> {
        let members = |branch: &Branch| branch.members().unwrap_or_default();
        self.branches.iter().flat_map(members).collect()
    }

    /// Containers that have a group, in any hierarchy, and other groups in ours (the second list), sorted.
    pub fn scopes(&self) -> io::Result<(Vec<String>, Vec<String>)> {
        let mut names = BTreeSet::new();
        for branch in &self.branches {
            names.extend(branch.names()?);
        }
        let (scopes, others): (Vec<_>, Vec<_>) = names
            .into_iter()
            .filter(|name| name != SUPERVISOR)
            .partition(|name| container_name(name).is_some());
        Ok((
            scopes.iter().filter_map(|name| container_name(name)).collect(),
            others,
        ))
    }
}

impl Sources {
    fn read(tree: Option<i32>) -> io::Result<Sources> {
        let own = match tree {
            Some(pid) => format!("/proc/{pid}/cgroup"),
            None => "/proc/self/cgroup".to_string(),
        };
        let read = |path: &str| {
            // Files of /proc have no size that could be asked for.
            let mut bytes = Vec::with_capacity(4096);
            let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
            read.map(|_| bytes)
                .map_err(|e| crate::sys::fs::explain(e, "read", std::path::Path::new(path)))
        };
        let groups = |path: &str| read(path).map(|text| layout::memberships(&String::from_utf8_lossy(&text)));
        Ok(Sources {
            mountinfo: read("/proc/self/mountinfo")?,
            own: groups(&own)?,
            first: groups("/proc/1/cgroup")?,
            pid: tree.unwrap_or(std::process::id() as i32),
        })
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests;
