//! Several containers in one network namespace of their own: `isolate-network` of a `!Supervise` command.
//!
//! A *spawner*, forked into a user and a network namespace, forks the first processes of the containers as children
//! of the launcher and ends. Its user namespace holds every id the user may map, so that the maps of all containers
//! fit into it.

use std::fs::File;
use std::io::{self, Read, Write};

use crate::sys::loopback;
use crate::sys::namespace::{self, IdMap, IdMapping, MapMethod};
use crate::sys::process::{self, Child, Fork, Namespaces, Status, WaitOptions};
use crate::sys::sibling::fork_sibling;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids::{self, IdMaps};

use super::launcher::{Launcher, Running};
use super::link::{Link, Order};
use super::process::Process;

/// Starts all processes in one fresh network namespace with only a loopback interface, up.
pub fn start(launcher: &Launcher, processes: &[Process]) -> Result<Vec<Running>, Failure> {
    let maps = ids::maximal()?;
    let links: Vec<(Link, Link)> = processes
        .iter()
        .map(|_| Link::pair())
        .collect::<io::Result<_>>()
        .map_err(error)?;
    let (pids, report) = process::pipe().map_err(error)?;
    let (ours, theirs) = Link::pair().map_err(error)?;
    match process::fork(Namespaces::USER | Namespaces::NET).map_err(error)? {
        Fork::Child => {
            drop((ours, pids));
            let result = spawn_all(launcher, processes, links, &theirs, &maps, File::from(report));
            if let Err(e) = &result {
                eprintln!("vagga: Can't start isolated containers: {e}");
            }
            process::exit_now(if result.is_ok() { 0 } else { exit::LAUNCHER.into() })
        }
        Fork::Parent(spawner) => {
            drop((theirs, report));
            let begun = maps
                .write(spawner.pid)
                .and_then(|()| ours.order(Order::Begin).map_err(error));
            drop(ours);
            let running = collect(processes, links, File::from(pids));
            let end = process::wait(Some(spawner.pid), WaitOptions::default()).map_err(error)?;
            begun?;
            match end {
                // Whatever was started dies with its links.
                Some((_, Status::Exited(0))) => running.map_err(error),
                _ => Err(Failure::new(exit::LAUNCHER, "Can't create an isolated network")),
            }
        }
    }
}

/// The spawner: one first process after the other; reports their process ids.
fn spawn_all(
    launcher: &Launcher,
    processes: &[Process],
    links: Vec<(Link, Link)>,
    launcher_link: &Link,
    maps: &IdMaps,
    mut report: File,
) -> io::Result<()> {
    process::set_parent_death_signal(libc::SIGKILL)?;
    match launcher_link.next_order()? {
        Some(Order::Begin) => {}
        _ => return Err(io::ErrorKind::BrokenPipe.into()),
    }
    loopback::up()?;
    for (process, (ours, theirs)) in processes.iter().zip(links) {
        let namespaces = Namespaces::USER | Namespaces::MOUNT | Namespaces::PID | Namespaces::IPC;
        let Some(pid) = fork_sibling(namespaces)? else {
            drop(ours);
            launcher.become_first(process, theirs);
        };
        report.write_all(&pid.to_ne_bytes())?;
        let method = match &process.maps.method {
            MapMethod::SingleId => MapMethod::SingleId,
            _ => MapMethod::Direct,
        };
        let uid = nested(&process.maps.uid, &maps.uid)?;
        let gid = nested(&process.maps.gid, &maps.gid)?;
        namespace::write_maps(pid, &uid, &gid, &method)?;
        ours.order(Order::Begin)?;
    }
    Ok(())
}

/// The launcher: makes children known by the ids that arrive.
fn collect(processes: &[Process], links: Vec<(Link, Link)>, mut pids: File) -> io::Result<Vec<Running>> {
    let mut running = Vec::with_capacity(processes.len());
    for (process, (ours, theirs)) in processes.iter().zip(links) {
        drop(theirs);
        let mut pid = [0; 4];
        pids.read_exact(&mut pid)?;
        let pid = i32::from_ne_bytes(pid);
        let pidfd = process::pidfd_open(pid).ok();
        running.push(Running::new(process, Child { pid, pidfd }, ours));
    }
    Ok(running)
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
