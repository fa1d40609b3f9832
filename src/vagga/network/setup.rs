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
use crate::sys::netlink::nftables::{Chain, Family, Hook, Match, Rule, Table, Verdict};
use crate::sys::netlink::{Address, Ipv4Option, LinkKind, Netlink, Route};
use crate::sys::passing::Passage;
use crate::sys::process::{self, Fork, Namespaces, WaitOptions};
use crate::vagga::doctor::namespaces_refused;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids::{self, IdMaps};
use crate::vagga::run::place::{method_inside, nested, Place};

use super::gateway::{Opened, GUEST};
use super::topology::{Topology, Uplink, BRIDGE, BRIDGE_DEVICE, CHILD_DEVICE, PREFIX};
use super::{install, instead};

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
    /// Rules of the gateway for this run end with this socket, however vagga ends.
    _rules: Option<OwnedFd>,
}

impl Spaces {
    /// Makes everything. `maps` are the ids of the children's containers, in the order of the topology. With a
    /// gateway the outer user namespace is its own, and a cable leads there.
    ///
    /// Errors: exit 121, with what the kernel refused.
    pub fn create(
        topology: &Topology,
        maps: &[&IdMaps],
        gateway: Option<&Opened>,
    ) -> Result<Spaces, Failure> {
        let outer = ids::maximal()?;
        let (ours, theirs) = Passage::pair().map_err(error)?;
        let fresh = match gateway {
            Some(_) => Namespaces::empty(),
            None => Namespaces::USER,
        };
        let fork = process::fork(fresh)
            .map_err(|e| namespaces_refused("Can't create the network's user namespace", &e))?;
        let Fork::Parent(maker) = fork else {
            drop(ours);
            end(&theirs, make_outer(&theirs, gateway, outer, topology, maps));
        };
        drop(theirs);
        let mapped = match gateway {
            Some(_) => Ok(()),
            None => outer.write(maker.pid),
        };
        let begun = mapped.and_then(|()| ours.send(DONE, &[]).map_err(error));
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
            user: Some(node.user.try_clone()?),
            net: node.net.try_clone()?,
            uts: Some(node.uts.try_clone()?),
            outer: None,
        }))
    }

    /// Where bridge commands are started; the command itself goes on into [`Spaces::bridge_user`].
    pub fn place_of_bridge(&self) -> io::Result<Place> {
        Ok(Place {
            user: Some(self.outer.try_clone()?),
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
    let rules = next()?.next();
    let mut first = next()?;
    let (outer, bridge_user, bridge) = three(&mut first)?;
    let mut spaces = Spaces {
        outer,
        bridge_user,
        bridge,
        nodes: Vec::with_capacity(nodes),
        _rules: rules,
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

/// In the outer user namespace: makes that of the bridge, connects it with the gateway and lets it go on.
fn make_outer(
    to: &Passage,
    gateway: Option<&Opened>,
    maps: IdMaps,
    topology: &Topology,
    children: &[&IdMaps],
) -> io::Result<()> {
    process::set_parent_death_signal(libc::SIGKILL)?;
    wait_done(to)?;
    let maps = match gateway {
        Some(gateway) => enter(gateway, maps)?,
        None => maps,
    };
    let outer = own("user")?;
    let (ours, theirs) = Passage::pair()?;
    let Fork::Parent(maker) = process::fork(Namespaces::USER | Namespaces::NET)? else {
        drop(ours);
        end(
            to,
            make_bridge(&theirs, to, outer.as_fd(), &maps, topology, children),
        );
    };
    let method = method_inside(&maps.method);
    namespace::write_maps(maker.pid, &identity(&maps.uid), &identity(&maps.gid), &method)?;
    if gateway.is_some() {
        let bridge = fs::File::open(format!("/proc/{}/ns/net", maker.pid))?;
        let (uplink, rules) = connect_gateway(bridge.as_fd(), topology)?;
        let rules: Vec<BorrowedFd> = rules.iter().map(AsFd::as_fd).collect();
        to.send(DONE, &rules)?;
        ours.send(uplink.0.to_string().as_bytes(), &[])?;
    } else {
        to.send(DONE, &[])?;
        ours.send(DONE, &[])?;
    }
    process::wait(Some(maker.pid), WaitOptions::default()).map(drop)
}

/// Enters the gateway; the result are the ids that exist there.
fn enter(gateway: &Opened, maps: IdMaps) -> io::Result<IdMaps> {
    namespace::setns(gateway.user.as_fd(), Namespaces::USER)?;
    namespace::setns(gateway.net.as_fd(), Namespaces::NET)?;
    let read = |name: &str| IdMap::parse(&fs::read_to_string(format!("/proc/self/{name}"))?);
    Ok(IdMaps {
        uid: read("uid_map")?,
        gid: read("gid_map")?,
        ..maps
    })
}

/// In the gateway: a cable to the bridge, and the ports that lead to this run. The rules end with their socket, on
/// kernels before 5.12, and where ip_tables does it, when the next run takes the same cable.
fn connect_gateway(bridge: BorrowedFd<'_>, topology: &Topology) -> io::Result<(Uplink, Option<Netlink>)> {
    let mut here = Netlink::route()?;
    let uplink = free_uplink(&mut here, bridge)?;
    let device = uplink.device();
    here.add_address(&device, Address::v4(uplink.gateway_side(), Uplink::PREFIX))?;
    here.set_ipv4_option(&device, Ipv4Option::Forwarding, true)?;
    here.set_up(&device, true)?;
    let ports = topology.nodes.iter().flat_map(|n| &n.ports);
    let rules = ports.map(|(port, _)| Rule {
        matches: vec![Match::Destination(GUEST, 32), Match::TcpPort(*port)],
        verdict: Verdict::Redirect(uplink.bridge_side(), *port),
    });
    let table = table(device, vec![(Hook::Prerouting, rules.collect())]);
    let filter = owned(&table).or_else(|e| instead(e, &table).map(|()| None))?;
    Ok((uplink, filter))
}

/// Rules that end with the socket, where the kernel can do that.
fn owned(table: &Table) -> io::Result<Option<Netlink>> {
    let mut filter = Netlink::netfilter()?;
    match filter.replace_table(table, true) {
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            filter.replace_table(table, false)
        }
        result => result,
    }?;
    Ok(Some(filter))
}

/// The first cable that no other run has: making it is what takes it.
fn free_uplink(here: &mut Netlink, bridge: BorrowedFd<'_>) -> io::Result<Uplink> {
    for uplink in (0..Uplink::MOST).map(Uplink) {
        let (peer, netns) = (&uplink.peer(), Some(bridge));
        match here.add_link(&uplink.device(), LinkKind::Veth { peer, netns }) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| uplink),
        }
    }
    Err(io::Error::other(format!(
        "all {} networks are in use",
        Uplink::MOST
    )))
}

/// On the bridge: the way out, and what comes in.
fn connect_uplink(here: &mut Netlink, uplink: Uplink, topology: &Topology) -> io::Result<()> {
    let device = uplink.peer();
    here.add_address(&device, Address::v4(uplink.bridge_side(), Uplink::PREFIX))?;
    here.set_ipv4_option(&device, Ipv4Option::Forwarding, true)?;
    here.set_up(&device, true)?;
    here.add_route(&Route::default_via(uplink.gateway_side().into()))?;
    let nodes = topology.nodes.iter();
    let ports = nodes.flat_map(|n| n.ports.iter().map(|(out, own)| (n.ip, *out, *own)));
    let arriving = ports.map(|(ip, out, own)| Rule {
        matches: vec![Match::From(device.clone()), Match::TcpPort(out)],
        verdict: Verdict::Redirect(ip, own),
    });
    // Other runs use the same addresses.
    let leaving = Rule {
        matches: vec![Match::Source(BRIDGE, PREFIX), Match::To(device.clone())],
        verdict: Verdict::Masquerade,
    };
    let chains = vec![
        (Hook::Prerouting, arriving.collect()),
        (Hook::Postrouting, vec![leaving]),
    ];
    install(&table("vagga".into(), chains))?;
    here.wait_running(&device, CABLE).map(drop)
}

fn table(name: String, chains: Vec<(Hook, Vec<Rule>)>) -> Table {
    Table {
        family: Family::Ip,
        name,
        chains: chains
            .into_iter()
            .map(|(hook, rules)| Chain { hook, rules })
            .collect(),
    }
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
    let uplink = wait_done(from)?;
    to.send(DONE, &[outer, own("user")?.as_fd(), own("net")?.as_fd()])?;
    let mut bridge = Netlink::route()?;
    bridge.set_up("lo", true)?;
    bridge.add_link(BRIDGE_DEVICE, LinkKind::Bridge)?;
    bridge.add_address(BRIDGE_DEVICE, Address::v4(BRIDGE, PREFIX))?;
    // Children that ask for the outside then hear at once that there is none.
    bridge.set_ipv4_option(BRIDGE_DEVICE, Ipv4Option::Forwarding, true)?;
    bridge.set_up(BRIDGE_DEVICE, true)?;
    if let Some(uplink) = uplink {
        connect_uplink(&mut bridge, uplink, topology)?;
    }
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

/// Waits until the maker's own ids are mapped; hears about the cable to the gateway.
fn wait_done(from: &Passage) -> io::Result<Option<Uplink>> {
    match from.receive()? {
        Some((text, _)) => Ok(String::from_utf8_lossy(&text).parse().ok().map(Uplink)),
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
