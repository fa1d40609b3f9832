//! Several containers in one network namespace of their own: `isolate-network` of a `!Supervise` command.
//!
//! The network belongs to a user namespace that holds every id the user may map, so that the maps of all containers
//! fit into it. Both are kept by descriptors only. Each container is forked by a *spawner* that enters them, makes the
//! first process a child of the launcher, and ends: containers may start at any time, and no process waits for that.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use crate::sys::loopback;
use crate::sys::namespace::{self, IdMap, IdMapping, MapMethod};
use crate::sys::process::{self, Child, Fork, Namespaces, Status, WaitOptions};
use crate::sys::sibling::fork_sibling;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids::{self, IdMaps};

use super::launcher::{Launcher, Running};
use super::link::{Link, Order, Report};
use super::process::Process;

/// A network namespace with only a loopback interface, and the user namespace it belongs to.
#[derive(Debug)]
pub struct Isolated {
    user: OwnedFd,
    net: OwnedFd,
    maps: IdMaps,
}

impl Isolated {
    /// A fresh one, its loopback interface up.
    pub fn new() -> Result<Isolated, Failure> {
        let maps = ids::maximal()?;
        let (ours, theirs) = Link::pair().map_err(error)?;
        match process::fork(Namespaces::USER | Namespaces::NET).map_err(error)? {
            Fork::Child => {
                drop(ours);
                if let Err(e) = prepare(&theirs) {
                    eprintln!("vagga: Can't bring up the loopback interface: {e}");
                }
                process::exit_now(0)
            }
            Fork::Parent(maker) => {
                drop(theirs);
                let begun = maps
                    .write(maker.pid)
                    .and_then(|()| ours.order(Order::Begin).map_err(error));
                let opened = begun.and_then(|()| open_namespaces(maker.pid, &ours));
                // Now it ends.
                drop(ours);
                process::wait(Some(maker.pid), WaitOptions::default()).map_err(error)?;
                let (user, net) = opened?;
                Ok(Isolated { user, net, maps })
            }
        }
    }

    /// Starts a process here.
    pub fn start(&self, launcher: &Launcher, process: &Process) -> Result<Running, Failure> {
        let (ours, theirs) = Link::pair().map_err(error)?;
        let (pid, report) = process::pipe().map_err(error)?;
        match process::fork(Namespaces::empty()).map_err(error)? {
            Fork::Child => {
                drop(pid);
                let result = self.spawn(launcher, process, (&ours, theirs), File::from(report));
                if let Err(e) = &result {
                    eprintln!("vagga: Can't start an isolated container: {e}");
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
                    _ => return Err(Failure::new(exit::LAUNCHER, "Can't start an isolated container")),
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
        namespace::setns(self.user.as_fd(), Namespaces::USER)?;
        namespace::setns(self.net.as_fd(), Namespaces::NET)?;
        process::set_parent_death_signal(libc::SIGKILL)?;
        let namespaces = Namespaces::USER | Namespaces::MOUNT | Namespaces::PID | Namespaces::IPC;
        let Some(pid) = fork_sibling(namespaces)? else {
            launcher.become_first(process, theirs);
        };
        report.write_all(&pid.to_ne_bytes())?;
        let method = match &process.maps.method {
            MapMethod::SingleId => MapMethod::SingleId,
            _ => MapMethod::Direct,
        };
        let uid = nested(&process.maps.uid, &self.maps.uid)?;
        let gid = nested(&process.maps.gid, &self.maps.gid)?;
        namespace::write_maps(pid, &uid, &gid, &method)?;
        ours.order(Order::Begin)
    }
}

/// In the new namespaces: prepares them, and lives until the launcher has opened them.
fn prepare(link: &Link) -> io::Result<()> {
    process::set_parent_death_signal(libc::SIGKILL)?;
    match link.next_order()? {
        Some(Order::Begin) => {}
        _ => return Err(io::ErrorKind::BrokenPipe.into()),
    }
    loopback::up()?;
    link.report(Report::Ready)?;
    link.next_order().map(drop)
}

/// Waits until the process has prepared its namespaces and opens them.
fn open_namespaces(pid: i32, link: &Link) -> Result<(OwnedFd, OwnedFd), Failure> {
    match link.next_report().map_err(error)? {
        Some(Report::Ready) => {}
        _ => return Err(Failure::new(exit::LAUNCHER, "Can't create an isolated network")),
    }
    let open = |name: &str| File::open(format!("/proc/{pid}/ns/{name}")).map_err(error);
    Ok((open("user")?.into(), open("net")?.into()))
}

/// A map whose outside ids are those of the host, as seen from a namespace with the map `outer`.
fn nested(map: &IdMap, outer: &IdMap) -> io::Result<IdMap> {
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
    Failure::new(exit::LAUNCHER, format!("Can't start isolated containers: {e}"))
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
