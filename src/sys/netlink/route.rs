//! Routes and neighbours: RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH.

use std::fmt;
use std::io;
use std::net::IpAddr;

use super::address::{family, from_octets, octets, Address};
use super::message::{attribute, read_u16, read_u32, Message};
use super::Netlink;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;
/// Bytes of `struct rtmsg`.
const RTMSG: usize = 12;
/// Bytes of `struct ndmsg`.
const NDMSG: usize = 12;

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to; `None` = everywhere (the default route).
    pub to: Option<Address>,
    /// The router; `None` = directly.
    pub via: Option<IpAddr>,
    /// The device; `None` = found by the router's address.
    pub device: Option<String>,
}

impl Route {
    /// The default route over a router.
    pub fn default_via(router: IpAddr) -> Route {
        Route {
            to: None,
            via: Some(router),
            device: None,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            Some(to) => write!(f, "{to}")?,
            None => f.write_str("default")?,
        }
        if let Some(via) = &self.via {
            write!(f, " via {via}")?;
        }
        match &self.device {
            Some(device) => write!(f, " dev {device}"),
            None => Ok(()),
        }
    }
}

/// A neighbour: which hardware address stands behind an address on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Index of the device.
    pub device: u32,
    /// The address.
    pub ip: IpAddr,
    /// The hardware address; empty when it was not found.
    pub address: Vec<u8>,
    /// Never asked for again.
    pub permanent: bool,
}

impl Netlink {
    /// Adds a route. Errors: AlreadyExists, NetworkUnreachable (nothing leads to the router).
    pub fn add_route(&mut self, route: &Route) -> io::Result<()> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let m = self.route_message(libc::RTM_NEWROUTE, flags, route)?;
        self.request(&format!("add route {route}"), m)
    }

    /// Removes a route. Errors: ESRCH where there is none.
    pub fn delete_route(&mut self, route: &Route) -> io::Result<()> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
        let m = self.route_message(libc::RTM_DELROUTE, flags, route)?;
        self.request(&format!("delete route {route}"), m)
    }

    /// The routes of the main table, IPv4 and IPv6.
    pub fn routes(&mut self) -> io::Result<Vec<Route>> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
        let m = Message::new(libc::RTM_GETROUTE, flags as u16, &[0; RTMSG]);
        let found = self.query("list routes", m, read_route)?;
        let names: Vec<(u32, String)> = self.links()?.into_iter().map(|l| (l.index, l.name)).collect();
        let name = |index: u32| names.iter().find(|(i, _)| *i == index).map(|(_, n)| n.clone());
        Ok(found
            .into_iter()
            .map(|(route, index)| Route {
                device: index.and_then(name),
                ..route
            })
            .collect())
    }

    /// Fixes the hardware address behind an address, for ever.
    pub fn set_neighbour(&mut self, device: &str, ip: IpAddr, address: &[u8]) -> io::Result<()> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        let mut m = self.neighbour_message(libc::RTM_NEWNEIGH, flags, device, ip)?;
        m.put(NDA_LLADDR, address);
        self.request(&format!("set neighbour {ip} of device {device}"), m)
    }

    /// Forgets a neighbour. Errors: NotFound.
    pub fn delete_neighbour(&mut self, device: &str, ip: IpAddr) -> io::Result<()> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
        let m = self.neighbour_message(libc::RTM_DELNEIGH, flags, device, ip)?;
        self.request(&format!("delete neighbour {ip} of device {device}"), m)
    }

    /// All known neighbours.
    pub fn neighbours(&mut self) -> io::Result<Vec<Neighbour>> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
        let m = Message::new(libc::RTM_GETNEIGH, flags as u16, &[0; NDMSG]);
        self.query("list neighbours", m, read_neighbour)
    }

    fn route_message(&mut self, kind: u16, flags: i32, route: &Route) -> io::Result<Message> {
        let ip = route.to.map(|to| to.ip).or(route.via);
        let ip = ip.ok_or(io::ErrorKind::InvalidInput)?;
        let scope = match route.via {
            Some(_) => libc::RT_SCOPE_UNIVERSE,
            None => libc::RT_SCOPE_LINK,
        };
        let prefix = route.to.map_or(0, |to| to.prefix);
        let (table, protocol) = (libc::RT_TABLE_MAIN, libc::RTPROT_BOOT);
        let fixed = [
            family(ip),
            prefix,
            0,
            0,
            table,
            protocol,
            scope,
            libc::RTN_UNICAST,
            0,
            0,
            0,
            0,
        ];
        let mut m = Message::new(kind, flags as u16, &fixed);
        if let Some(to) = route.to {
            m.put(RTA_DST, &octets(to.ip));
        }
        if let Some(via) = route.via {
            m.put(RTA_GATEWAY, &octets(via));
        }
        if let Some(device) = &route.device {
            let index = self.index(device)?;
            m.put_u32(RTA_OIF, index);
        }
        Ok(m)
    }

    fn neighbour_message(&mut self, kind: u16, flags: i32, device: &str, ip: IpAddr) -> io::Result<Message> {
        let index = self.index(device)?;
        let mut fixed = [0; NDMSG];
        fixed[0] = family(ip);
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        fixed[8..10].copy_from_slice(&NUD_PERMANENT.to_ne_bytes());
        let mut m = Message::new(kind, flags as u16, &fixed);
        m.put(NDA_DST, &octets(ip));
        Ok(m)
    }
}

/// A unicast route of the main table and the index of its device.
fn read_route(body: &[u8]) -> Option<(Route, Option<u32>)> {
    let rest = body.get(RTMSG..)?;
    if *body.get(4)? != libc::RT_TABLE_MAIN || *body.get(7)? != libc::RTN_UNICAST {
        return None;
    }
    let prefix = *body.get(1)?;
    let to = attribute(rest, RTA_DST).and_then(from_octets);
    let route = Route {
        to: to.map(|ip| Address { ip, prefix }),
        via: attribute(rest, RTA_GATEWAY).and_then(from_octets),
        device: None,
    };
    Some((route, attribute(rest, RTA_OIF).and_then(|v| read_u32(v, 0))))
}

fn read_neighbour(body: &[u8]) -> Option<Neighbour> {
    let rest = body.get(NDMSG..)?;
    Some(Neighbour {
        device: read_u32(body, 4)?,
        ip: attribute(rest, NDA_DST).and_then(from_octets)?,
        address: attribute(rest, NDA_LLADDR).unwrap_or_default().to_vec(),
        permanent: read_u16(body, 8)? & NUD_PERMANENT != 0,
    })
}
