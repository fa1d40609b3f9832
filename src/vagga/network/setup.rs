//! Making the network of one run: user, network and host name namespaces, the bridge, the cables.
//!
//! ```text
//! outer user namespace: every id the caller may map; roots of bridge commands are mounted here
//! └ bridge user namespace + bridge network: bridge commands; all of the below obeys its root
//!   ├ user, network, host name of the first child (ids of its container)
//!   └ … of the second
//! ```
//!
//! A process per level makes them, sends their descriptors to the launcher, and ends. Root of a child has all
//! capabilities over its own network, none over the others; root of a bridge command has them over all.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::sys::namespace::{self, IdMap, IdMapping};
use crate::sys::netlink::{Address, Ipv4Option, LinkKind, Netlink, Route};
use crate::sys::passing::Passage;
use crate::sys::process::{self, Fork, Namespaces, WaitOptions};
use crate::vagga::doctor::namespaces_refused;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids::{self, IdMaps};
use crate::vagga::run::place::{method_inside, nested, Place};

use super::topology::{Topology, BRIDGE, BRIDGE_DEVICE, CHILD_DEVICE, PREFIX};

/// Longest wait for a cable to carry packets.
const CABLE: Duration = Duration::from_secs(2);
/// First byte of messages between the processes: an error, or that something is done.
const FAILED: u8 = b'!';
const DONE: &[u8] = b"done";

/// The namespaces of one networked child.
#[derive(Debug)]
pub struct NodeSpaces {
    /// Ids of its container.
    pub user: OwnedFd,
    /// Its network.
    pub net: OwnedFd,
    /// Its host name.
    pub uts: OwnedFd,
}

/// The network of one run; it ends when this is dropped and the containers are gone.
#[derive(Debug)]
pub struct Spaces {
    outer: OwnedFd,
    /// The user namespace of bridge commands.
    pub bridge_user: OwnedFd,
    /// The network of the bridge.
    pub bridge: OwnedFd,
    /// In the order of the topology.
    pub nodes: Vec<NodeSpaces>,
}

impl Spaces {
    /// Makes everything. `maps` are the ids of the children's containers, in the order of the topology.
    ///
    /// Errors: exit 121, with what the kernel refused.
    pub fn create(topology: &Topology, maps: &[&IdMaps]) -> Result<Spaces, Failure> {
        let outer = ids::maximal()?;
        let (ours, theirs) = Passage::pair().map_err(error)?;
        let fork = process::fork(Namespaces::USER)
            .map_err(|e| namespaces_refused("Can't create the network's user namespace", &e))?;
        let Fork::Parent(maker) = fork else {
            drop(ours);
            end(&theirs, make_outer(&theirs, &outer, topology, maps));
        };
        drop(theirs);
        let begun = outer
            .write(maker.pid)
            .and_then(|()| ours.send(DONE, &[]).map_err(error));
        let collected = begun.and_then(|()| collect(&ours, topology.nodes.len()));
        drop(ours);
        process::wait(Some(maker.pid), WaitOptions::default()).map_err(error)?;
        collected
    }

    /// Where the child of this index is started.
    pub fn place_of(&self, index: usize) -> io::Result<Option<Place>> {
        let Some(node) = self.nodes.get(index) else {
            return Ok(None);
        };
        Ok(Some(Place {
            user: node.user.try_clone()?,
            net: node.net.try_clone()?,
            uts: Some(node.uts.try_clone()?),
            outer: None,
        }))
    }

    /// Where bridge commands are started; the command itself goes on into [`Spaces::bridge_user`].
    pub fn place_of_bridge(&self) -> io::Result<Place> {
        Ok(Place {
            user: self.outer.try_clone()?,
            net: self.bridge.try_clone()?,
            uts: None,
            outer: None,
        })
    }
}

/// The launcher's side: what the makers send, in their order.
fn collect(from: &Passage, nodes: usize) -> Result<Spaces, Failure> {
    let next = || -> Result<std::vec::IntoIter<OwnedFd>, Failure> {
        match from.receive().map_err(error)? {
            Some((text, _)) if text.first() == Some(&FAILED) => Err(Failure::new(
                exit::LAUNCHER,
                format!(
                    "Can't create the network of the children: {}",
                    String::from_utf8_lossy(text.get(1..).unwrap_or_default())
                ),
            )
            .with_hint("`vagga _doctor` checks what networks need")),
            Some((_, fds)) => Ok(fds.into_iter()),
            None => Err(lost()),
        }
    };
    let mut first = next()?;
    let (outer, bridge_user, bridge) = three(&mut first)?;
    let mut spaces = Spaces {
        outer,
        bridge_user,
        bridge,
        nodes: Vec::with_capacity(nodes),
    };
    for _ in 0..nodes {
        let (user, net, uts) = three(&mut next()?)?;
        spaces.nodes.push(NodeSpaces { user, net, uts });
    }
    next()?;
    Ok(spaces)
}

fn three(fds: &mut impl Iterator<Item = OwnedFd>) -> Result<(OwnedFd, OwnedFd, OwnedFd), Failure> {
    match (fds.next(), fds.next(), fds.next()) {
        (Some(a), Some(b), Some(c)) => Ok((a, b, c)),
        _ => Err(lost()),
    }
}

fn lost() -> Failure {
    error(io::Error::other("its maker has ended"))
}

fn error(e: io::Error) -> Failure {
    Failure::new(
        exit::LAUNCHER,
        format!("Can't create the network of the children: {e}"),
    )
}

/// The end of a maker; tells what went wrong.
fn end(to: &Passage, result: io::Result<()>) -> ! {
    if let Err(e) = &result {
        let mut text = vec![FAILED];
        text.extend(e.to_string().bytes().take(1000));
        let _ = to.send(&text, &[]);
    }
    process::exit_now(if result.is_ok() { 0 } else { exit::LAUNCHER.into() })
}

/// In the outer user namespace: makes that of the bridge and lets it go on.
fn make_outer(to: &Passage, maps: &IdMaps, topology: &Topology, children: &[&IdMaps]) -> io::Result<()> {
    process::set_parent_death_signal(libc::SIGKILL)?;
    wait_done(to)?;
    let outer = own("user")?;
    let (ours, theirs) = Passage::pair()?;
    let Fork::Parent(maker) = process::fork(Namespaces::USER | Namespaces::NET)? else {
        drop(ours);
        end(
            to,
            make_bridge(&theirs, to, outer.as_fd(), maps, topology, children),
        );
    };
    let method = method_inside(&maps.method);
    namespace::write_maps(maker.pid, &identity(&maps.uid), &identity(&maps.gid), &method)?;
    ours.send(DONE, &[])?;
    process::wait(Some(maker.pid), WaitOptions::default()).map(drop)
}

/// In the bridge's namespaces: the bridge, then child after child.
fn make_bridge(
    from: &Passage,
    to: &Passage,
    outer: BorrowedFd<'_>,
    maps: &IdMaps,
    topology: &Topology,
    children: &[&IdMaps],
) -> io::Result<()> {
    process::set_parent_death_signal(libc::SIGKILL)?;
    wait_done(from)?;
    to.send(DONE, &[outer, own("user")?.as_fd(), own("net")?.as_fd()])?;
    let mut bridge = Netlink::route()?;
    bridge.set_up("lo", true)?;
    bridge.add_link(BRIDGE_DEVICE, LinkKind::Bridge)?;
    bridge.add_address(BRIDGE_DEVICE, Address::v4(BRIDGE, PREFIX))?;
    // Children that ask for the outside then hear at once that there is none.
    bridge.set_ipv4_option(BRIDGE_DEVICE, Ipv4Option::Forwarding, true)?;
    bridge.set_up(BRIDGE_DEVICE, true)?;
    for (index, child) in children.iter().enumerate() {
        let NewNode(NodeSpaces { user, net, uts }, socket) = make_node(index, topology, child, maps)?;
        connect(&mut bridge, index, topology, (net.as_fd(), socket))?;
        to.send(DONE, &[user.as_fd(), net.as_fd(), uts.as_fd()])?;
    }
    for index in 0..children.len() {
        bridge.wait_running(&Topology::port(index), CABLE)?;
    }
    if !children.is_empty() {
        bridge.wait_running(BRIDGE_DEVICE, CABLE)?;
    }
    to.send(DONE, &[])
}

/// The namespaces of a child, and a netlink socket in its network.
struct NewNode(NodeSpaces, Netlink);

/// Makes the namespaces of one child by a process in them, which sends them and ends.
fn make_node(index: usize, topology: &Topology, child: &IdMaps, outer: &IdMaps) -> io::Result<NewNode> {
    let hostname = topology.nodes.get(index).map(|n| n.hostname.as_str());
    let (ours, theirs) = Passage::pair()?;
    let namespaces = Namespaces::USER | Namespaces::NET | Namespaces::UTS;
    let Fork::Parent(maker) = process::fork(namespaces)? else {
        drop(ours);
        end(&theirs, send_node(&theirs, hostname.unwrap_or_default()));
    };
    drop(theirs);
    let (uid, gid) = (nested(&child.uid, &outer.uid)?, nested(&child.gid, &outer.gid)?);
    namespace::write_maps(maker.pid, &uid, &gid, &method_inside(&child.method))?;
    ours.send(DONE, &[])?;
    let answer = ours.receive()?;
    process::wait(Some(maker.pid), WaitOptions::default())?;
    let gone = || io::Error::other("the maker of a child's namespaces has ended");
    let (text, fds) = answer.ok_or_else(gone)?;
    if text.first() == Some(&FAILED) {
        let words = String::from_utf8_lossy(text.get(1..).unwrap_or_default()).into_owned();
        return Err(io::Error::other(words));
    }
    let mut fds = fds.into_iter();
    match (fds.next(), fds.next(), fds.next(), fds.next()) {
        (Some(user), Some(net), Some(uts), Some(socket)) => {
            Ok(NewNode(NodeSpaces { user, net, uts }, Netlink::from(socket)))
        }
        _ => Err(gone()),
    }
}

/// In the namespaces of a child.
fn send_node(to: &Passage, hostname: &str) -> io::Result<()> {
    process::set_parent_death_signal(libc::SIGKILL)?;
    wait_done(to)?;
    nix::unistd::sethostname(hostname)?;
    let mut socket = Netlink::route()?;
    socket.set_up("lo", true)?;
    let spaces = [own("user")?, own("net")?, own("uts")?];
    let [user, net, uts] = &spaces;
    to.send(DONE, &[user.as_fd(), net.as_fd(), uts.as_fd(), socket.as_fd()])
}

/// The cable between the bridge and a child, with its address.
fn connect(
    bridge: &mut Netlink,
    index: usize,
    topology: &Topology,
    (net, mut inside): (BorrowedFd<'_>, Netlink),
) -> io::Result<()> {
    let Some(about) = topology.nodes.get(index) else {
        return Ok(());
    };
    let port = Topology::port(index);
    let (peer, netns) = (CHILD_DEVICE, Some(net));
    bridge.add_link(&port, LinkKind::Veth { peer, netns })?;
    bridge.set_alias(&port, &about.name)?;
    bridge.set_master(&port, Some(BRIDGE_DEVICE))?;
    bridge.set_up(&port, true)?;
    inside.add_address(CHILD_DEVICE, Address::v4(about.ip, PREFIX))?;
    inside.set_up(CHILD_DEVICE, true)?;
    inside.add_route(&Route::default_via(BRIDGE.into()))
}

/// Waits until the maker's own ids are mapped.
fn wait_done(from: &Passage) -> io::Result<()> {
    match from.receive()? {
        Some(_) => Ok(()),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// A namespace of this process.
fn own(name: &str) -> io::Result<OwnedFd> {
    fs::File::open(format!("/proc/self/ns/{name}")).map(OwnedFd::from)
}

/// The ids of a namespace for a namespace in it.
fn identity(map: &IdMap) -> IdMap {
    let same = |m: &IdMapping| IdMapping {
        outside: m.inside,
        ..*m
    };
    IdMap(map.0.iter().map(same).collect())
}
