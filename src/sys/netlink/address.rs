//! Addresses of network devices: RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{attribute, read_u32, Message};
use super::Netlink;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// Bytes of `struct ifaddrmsg`.
const IFADDRMSG: usize = 8;

/// An address with the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// The address itself.
    pub ip: IpAddr,
    /// Bits of the network.
    pub prefix: u8,
}

impl Address {
    /// An IPv4 address.
    pub fn v4(ip: Ipv4Addr, prefix: u8) -> Address {
        Address {
            ip: IpAddr::V4(ip),
            prefix,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

impl Netlink {
    /// Gives a device an address; the route to its network comes with it once the device is on.
    /// Errors: NotFound (no such device), AlreadyExists.
    pub fn add_address(&mut self, device: &str, address: Address) -> io::Result<()> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let m = self.about(libc::RTM_NEWADDR, flags, device, address)?;
        self.request(&format!("add address {address} to device {device}"), m)
    }

    /// Takes an address away. Errors: NotFound, AddrNotAvailable.
    pub fn delete_address(&mut self, device: &str, address: Address) -> io::Result<()> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
        let m = self.about(libc::RTM_DELADDR, flags, device, address)?;
        self.request(&format!("delete address {address} of device {device}"), m)
    }

    /// All addresses of a device.
    pub fn addresses(&mut self, device: &str) -> io::Result<Vec<Address>> {
        let index = self.index(device)?;
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
        let m = Message::new(libc::RTM_GETADDR, flags as u16, &[0; IFADDRMSG]);
        let found = self.query("list addresses", m, read_address)?;
        Ok(found
            .into_iter()
            .filter(|(i, _)| *i == index)
            .map(|(_, a)| a)
            .collect())
    }

    fn about(&mut self, kind: u16, flags: i32, device: &str, address: Address) -> io::Result<Message> {
        let index = self.index(device)?;
        // An IPv6 address would be unusable for a second while the kernel asks whether somebody else has it.
        let flags_of_address = match address.ip {
            IpAddr::V4(_) => 0,
            IpAddr::V6(_) => libc::IFA_F_NODAD as u8,
        };
        let mut fixed = [
            family(address.ip),
            address.prefix,
            flags_of_address,
            0,
            0,
            0,
            0,
            0,
        ];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        let mut m = Message::new(kind, flags as u16, &fixed);
        m.put(IFA_LOCAL, &octets(address.ip))
            .put(IFA_ADDRESS, &octets(address.ip));
        Ok(m)
    }
}

fn read_address(body: &[u8]) -> Option<(u32, Address)> {
    let rest = body.get(IFADDRMSG..)?;
    let value = attribute(rest, IFA_LOCAL).or_else(|| attribute(rest, IFA_ADDRESS))?;
    let address = Address {
        ip: from_octets(value)?,
        prefix: *body.get(1)?,
    };
    Some((read_u32(body, 4)?, address))
}

/// AF_INET or AF_INET6.
pub(super) fn family(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => libc::AF_INET as u8,
        IpAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

/// The address in network byte order.
pub(super) fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

pub(super) fn from_octets(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?))),
        16 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?))),
        _ => None,
    }
}
