//! The network of one run as a value: addresses, names, files. Pure.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::vagga::config::command::Network;
use crate::vagga::failure::{exit, Failure};

/// The bridge's address: the router of the children.
pub const BRIDGE: Ipv4Addr = Ipv4Addr::new(172, 23, 0, 254);
/// Bits of the children's network.
pub const PREFIX: u8 = 24;
/// The bridge device.
pub const BRIDGE_DEVICE: &str = "children";
/// The device of every child, in its own namespace.
pub const CHILD_DEVICE: &str = "eth0";
/// Longest host name the kernel takes, bytes.
const LONGEST_HOSTNAME: usize = 64;

/// The cable between the gateway and the bridge of one run: the N-th of 2048 networks of 172.23.192.0/19.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uplink(pub u16);

impl Uplink {
    /// How many runs there can be at the same time.
    pub const MOST: u16 = 2048;
    /// Bits of its network.
    pub const PREFIX: u8 = 30;

    /// The gateway's end.
    pub fn device(self) -> String {
        format!("ch{}", self.0)
    }

    /// The bridge's end.
    pub fn peer(self) -> String {
        format!("ch{}c", self.0)
    }

    /// Address of the gateway's end.
    pub fn gateway_side(self) -> Ipv4Addr {
        self.address(1)
    }

    /// Address of the bridge's end.
    pub fn bridge_side(self) -> Ipv4Addr {
        self.address(2)
    }

    fn address(self, host: u32) -> Ipv4Addr {
        let first = u32::from(Ipv4Addr::new(172, 23, 192, 0));
        Ipv4Addr::from(first + u32::from(self.0 % Uplink::MOST) * 4 + host)
    }
}

/// A child with a network namespace of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The child's name.
    pub name: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its host name.
    pub hostname: String,
    /// Port outside, port of the child.
    pub ports: Vec<(u16, u16)>,
}

/// All networked children of one run, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// The children.
    pub nodes: Vec<Node>,
}

impl Topology {
    /// From the children that are run. Errors (exit 121): an address outside of 172.23.0.1–172.23.0.253, an address or
    /// an outside port of two children, an impossible host name.
    pub fn new<'a>(children: impl Iterator<Item = (&'a str, &'a Network)>) -> Result<Topology, Failure> {
        let mut nodes: Vec<Node> = Vec::new();
        for (name, network) in children {
            let node = node(name, network)?;
            if let Some(other) = nodes.iter().find(|n| n.ip == node.ip) {
                return Err(fault(
                    name,
                    format!("ip {} is that of {:?} too", node.ip, other.name),
                ));
            }
            let taken = |port: &u16| nodes.iter().any(|n| n.ports.iter().any(|(p, _)| p == port));
            if let Some((port, _)) = node.ports.iter().find(|(port, _)| taken(port)) {
                return Err(fault(name, format!("port {port} leads to another child too")));
            }
            nodes.push(node);
        }
        Ok(Topology { nodes })
    }

    /// The bridge's end of the cable to the node of this index. Names of children are no names of devices.
    pub fn port(index: usize) -> String {
        format!("child{index}")
    }

    /// `/etc/hosts` of all children: the host's own, and the children by name.
    pub fn hosts(&self, own: &str) -> String {
        let mut text = own.to_string();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for node in &self.nodes {
            let mut names = vec![&node.hostname, &node.name];
            names.dedup();
            names.retain(|name| is_hostname(name));
            for name in names {
                let _ = writeln!(text, "{}\t{name}", node.ip);
            }
        }
        text
    }

    /// What `_network` reads: `IP DEVICE NAME` a line.
    pub fn table(&self) -> String {
        let line =
            |(index, node): (usize, &Node)| format!("{} {} {}\n", node.ip, Topology::port(index), node.name);
        self.nodes.iter().enumerate().map(line).collect()
    }

    /// True when something outside is to be let in.
    pub fn has_ports(&self) -> bool {
        self.nodes.iter().any(|n| !n.ports.is_empty())
    }
}

fn node(name: &str, network: &Network) -> Result<Node, Failure> {
    let ip = network.ip.parse::<Ipv4Addr>().ok().filter(|ip| {
        let [a, b, c, d] = ip.octets();
        (a, b, c) == (172, 23, 0) && (1..=253).contains(&d)
    });
    let bad = || {
        let text = format!(
            "ip {:?} is no address from 172.23.0.1 to 172.23.0.253",
            network.ip
        );
        fault(name, text)
    };
    let hostname = network.hostname.clone().unwrap_or_else(|| name.to_string());
    let impossible = hostname.is_empty() || hostname.len() > LONGEST_HOSTNAME || hostname.contains('\0');
    if impossible {
        let text = format!("hostname {hostname:?} is no name of 1 to {LONGEST_HOSTNAME} bytes");
        return Err(fault(name, text));
    }
    Ok(Node {
        name: name.to_string(),
        ip: ip.ok_or_else(bad)?,
        hostname,
        ports: network.ports.iter().map(|(a, b)| (*a, *b)).collect(),
    })
}

/// A name that can stand in `/etc/hosts`.
fn is_hostname(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

fn fault(child: &str, text: String) -> Failure {
    Failure::new(exit::LAUNCHER, format!("network of child {child:?}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn network(ip: &str, ports: &[(u16, u16)]) -> Network {
        Network {
            ip: ip.into(),
            hostname: None,
            ports: BTreeMap::from_iter(ports.iter().copied()),
        }
    }

    fn build(children: &[(&str, Network)]) -> Result<Topology, Failure> {
        Topology::new(children.iter().map(|(name, n)| (*name, n)))
    }

    #[test]
    fn names_and_addresses_become_files() {
        let mut web = network("172.23.0.1", &[(8000, 80)]);
        web.hostname = Some("www".into());
        let t = build(&[("web", web), ("two words", network("172.23.0.2", &[]))]).unwrap();
        assert_eq!(
            t.hosts("127.0.0.1 localhost"),
            "127.0.0.1 localhost\n172.23.0.1\twww\n172.23.0.1\tweb\n"
        );
        assert_eq!(t.table(), "172.23.0.1 child0 web\n172.23.0.2 child1 two words\n");
        assert!(t.has_ports());
    }

    #[test]
    fn uplinks_have_networks_of_their_own() {
        assert_eq!(Uplink(0).gateway_side().to_string(), "172.23.192.1");
        assert_eq!(Uplink(65).gateway_side().to_string(), "172.23.193.5");
        assert_eq!(Uplink(2047).bridge_side().to_string(), "172.23.223.254");
        assert_eq!(Uplink(2047).peer(), "ch2047c");
    }

    #[test]
    fn impossible_networks_are_refused() {
        for bad in [
            "172.23.0.254",
            "172.23.0.0",
            "172.23.1.1",
            "10.0.0.1",
            "x",
            "::1",
            "",
        ] {
            let e = build(&[("a", network(bad, &[]))]).unwrap_err();
            assert_eq!(e.exit, exit::LAUNCHER);
            assert!(
                e.message.contains("child \"a\"") && e.message.contains(bad),
                "{e}"
            );
        }
        let same = build(&[
            ("a", network("172.23.0.1", &[])),
            ("b", network("172.23.0.1", &[])),
        ]);
        assert!(same.unwrap_err().message.contains("is that of \"a\" too"));
        let one = network("172.23.0.1", &[(80, 1)]);
        let two = network("172.23.0.2", &[(80, 2)]);
        assert!(build(&[("a", one), ("b", two)])
            .unwrap_err()
            .message
            .contains("port 80"));
        assert!(build(&[(&"x".repeat(65), network("172.23.0.1", &[]))]).is_err());
    }
}
