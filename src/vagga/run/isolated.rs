//! Several containers in one network namespace of their own: `isolate-network` of a `!Supervise` command.
//!
//! The network belongs to a user namespace that holds every id the user may map, so that the maps of all containers
//! fit into it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use crate::sys::loopback;
use crate::sys::process::{self, Fork, Namespaces, WaitOptions};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids;

use super::link::{Link, Order, Report};
use super::place::Place;

/// A fresh network with only a loopback interface, up.
pub fn network() -> Result<Place, Failure> {
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
            Ok(Place {
                user: Some(user),
                net,
                uts: None,
                outer: Some((maps.uid, maps.gid)),
            })
        }
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

fn error(e: io::Error) -> Failure {
    Failure::new(exit::LAUNCHER, format!("Can't create an isolated network: {e}"))
}
