//! Namespaces that exist before the containers that live in them: a network, and what it belongs to.
//!
//! They are kept by descriptors only. Each container is forked by a *spawner* that enters them, makes the first
//! process a child of the launcher, and ends: containers may start at any time, again and again, and no process waits
//! for that.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use crate::sys::namespace::{self, IdMap, IdMapping, MapMethod};
use crate::sys::process::{self, Child, Fork, Namespaces, Status, WaitOptions};
use crate::sys::sibling::fork_sibling;
use crate::vagga::failure::{exit, Failure};

use super::launcher::{Launcher, Running};
use super::link::{Link, Order};
use super::process::{Lookup, Process};
use super::terminal::SIGNALS;

/// What a container is started in.
#[derive(Debug)]
pub struct Place {
    /// The user namespace that is entered first; `None`: it is ours already.
    pub user: Option<OwnedFd>,
    /// The network namespace.
    pub net: OwnedFd,
    /// The host name.
    pub uts: Option<OwnedFd>,
    /// Maps of `user`, when containers get user namespaces of their own in it; `None`: they use it as it is.
    pub outer: Option<(IdMap, IdMap)>,
}

/// Where a single command is started instead of in the host's network.
#[derive(Debug)]
pub struct Inside {
    /// The namespaces.
    pub place: Place,
    /// How names are found there; `None`: as on the host.
    pub lookup: Option<Lookup>,
}

impl Place {
    /// Starts a process here. Errors: exit 121.
    pub fn start(&self, launcher: &Launcher, process: &Process) -> Result<Running, Failure> {
        let (ours, theirs) = Link::pair().map_err(error)?;
        let (pid, report) = process::pipe().map_err(error)?;
        match process::fork(Namespaces::empty()).map_err(error)? {
            Fork::Child => {
                drop(pid);
                let result = self.spawn(launcher, process, (&ours, theirs), File::from(report));
                if let Err(e) = &result {
                    eprintln!("vagga: Can't start a container in its network: {e}");
                }
                process::exit_now(if result.is_ok() { 0 } else { exit::LAUNCHER.into() })
            }
            Fork::Parent(spawner) => {
                drop((theirs, report));
                let mut number = [0; 4];
                let told = File::from(pid).read_exact(&mut number);
                let end = process::wait(Some(spawner.pid), WaitOptions::default()).map_err(error)?;
                match end {
                    // Whatever was started dies with its link.
                    Some((_, Status::Exited(0))) => told.map_err(error)?,
                    _ => {
                        return Err(Failure::new(
                            exit::LAUNCHER,
                            "Can't start a container in its network",
                        ))
                    }
                }
                let pid = i32::from_ne_bytes(number);
                let pidfd = process::pidfd_open(pid).ok();
                Ok(Running::new(process, Child { pid, pidfd }, ours))
            }
        }
    }

    /// The spawner: forks the first process, tells its id, writes its maps and lets it begin.
    fn spawn(
        &self,
        launcher: &Launcher,
        process: &Process,
        (ours, theirs): (&Link, Link),
        mut report: File,
    ) -> io::Result<()> {
        if let Some(user) = &self.user {
            namespace::setns(user.as_fd(), Namespaces::USER)?;
        }
        namespace::setns(self.net.as_fd(), Namespaces::NET)?;
        if let Some(uts) = &self.uts {
            namespace::setns(uts.as_fd(), Namespaces::UTS)?;
        }
        process::set_parent_death_signal(libc::SIGKILL)?;
        let mut namespaces = Namespaces::MOUNT | Namespaces::PID | Namespaces::IPC;
        if self.outer.is_some() {
            namespaces = namespaces | Namespaces::USER;
        }
        let Some(pid) = fork_sibling(namespaces, &SIGNALS)? else {
            launcher.become_first(process, theirs);
        };
        report.write_all(&pid.to_ne_bytes())?;
        if let Some((uids, gids)) = &self.outer {
            let uid = nested(&process.maps.uid, uids)?;
            let gid = nested(&process.maps.gid, gids)?;
            namespace::write_maps(pid, &uid, &gid, &method_inside(&process.maps.method))?;
        }
        ours.order(Order::Begin)
    }
}

/// How a process of the outer user namespace, which may map all its ids, writes a map.
pub fn method_inside(method: &MapMethod) -> MapMethod {
    match method {
        MapMethod::SingleId => MapMethod::SingleId,
        _ => MapMethod::Direct,
    }
}

/// A map whose outside ids are those of the host, as seen from a namespace with the map `outer`.
pub fn nested(map: &IdMap, outer: &IdMap) -> io::Result<IdMap> {
    let ours = IdMap(outer.0.iter().map(swap).collect());
    let translate = |m: &IdMapping| {
        let first = outer.to_inside(m.outside)?;
        let last = outer.to_inside(m.outside.checked_add(m.count - 1)?)?;
        (last.checked_sub(first)? == m.count - 1).then_some(IdMapping { outside: first, ..*m })
    };
    // Lines of the container that span two lines of the spawner come apart first.
    let lines: Option<Vec<_>> = map.split_by(&ours).0.iter().map(translate).collect();
    lines
        .map(IdMap)
        .ok_or_else(|| io::Error::other(format!("ids of a container are not available: {map}")))
}

/// The line read in the other direction.
fn swap(m: &IdMapping) -> IdMapping {
    IdMapping {
        inside: m.outside,
        outside: m.inside,
        count: m.count,
    }
}

fn error(e: io::Error) -> Failure {
    Failure::new(
        exit::LAUNCHER,
        format!("Can't start a container in its network: {e}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_translated_into_the_outer_namespace() {
        let map = |text| IdMap::parse(text).unwrap();
        let outer = map("0 1000 1\n200000 200000 65536\n");
        let inner = map("0 1000 1\n1 200000 65535\n");
        assert_eq!(nested(&inner, &outer).unwrap(), map("0 0 1\n1 200000 65535\n"));
        let outer = map("0 0 1\n1 1 65535\n");
        assert_eq!(nested(&map("0 0 5\n"), &outer).unwrap(), map("0 0 1\n1 1 4\n"));
        assert!(nested(&map("0 70000 1\n"), &outer).is_err());
        assert!(nested(&map("0 65535 2\n"), &outer).is_err());
    }
}
