//! Network devices: RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK, RTM_GETLINK.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::message::{attribute, read_u16, read_u32, text, Message};
use super::{refused, Netlink};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_INET_CONF: u16 = 1;
/// Bytes of `struct ifinfomsg`.
const IFINFOMSG: usize = 16;
/// IF_OPER_UP.
const OPERATIONAL: u8 = 6;
/// Between two looks at a device that is about to come up.
const PAUSE: Duration = Duration::from_millis(2);
/// Longest name of a device, without the NUL.
const LONGEST_NAME: usize = 15;

/// A network device as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in this network namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Switched on.
    pub up: bool,
    /// Packets pass: switched on, and so is the other end (IF_OPER_UP; loopback never says so).
    pub running: bool,
    /// Index of the bridge (or other device) it is part of.
    pub master: Option<u32>,
    /// `veth`, `bridge`…; empty for hardware and loopback.
    pub kind: String,
    /// The remark that `ip link` shows.
    pub alias: String,
    /// Hardware address.
    pub address: Vec<u8>,
}

/// A device to be made.
#[derive(Debug, Clone, Copy)]
pub enum LinkKind<'a> {
    /// A bridge without ports.
    Bridge,
    /// One end of a cable; the other end, `peer`, appears in the network namespace `netns` (`None` = this one).
    Veth {
        /// Name of the other end.
        peer: &'a str,
        /// Where the other end is.
        netns: Option<BorrowedFd<'a>>,
    },
    /// A device that swallows what is sent to it.
    Dummy,
}

/// An IPv4 option of one device: `net.ipv4.conf.DEVICE.…`, set without procfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv4Option {
    /// Route what arrives here on to elsewhere.
    Forwarding,
    /// Do not treat 127.0.0.0/8 as impossible on this device.
    RouteLocalnet,
}

impl Ipv4Option {
    /// IPV4_DEVCONF_*, from linux/ip.h.
    fn number(self) -> u16 {
        match self {
            Ipv4Option::Forwarding => 1,
            Ipv4Option::RouteLocalnet => 26,
        }
    }
}

impl Netlink {
    /// Makes a device, switched off. Errors: AlreadyExists, Unsupported (no such kind in this kernel), InvalidInput
    /// (a name the kernel does not take), PermissionDenied.
    pub fn add_link(&mut self, name: &str, kind: LinkKind<'_>) -> io::Result<()> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let mut m = Message::new(libc::RTM_NEWLINK, flags as u16, &[0; IFINFOMSG]);
        m.put_str(IFLA_IFNAME, name);
        let info = m.open(IFLA_LINKINFO);
        let label = match kind {
            LinkKind::Bridge => "bridge",
            LinkKind::Veth { .. } => "veth",
            LinkKind::Dummy => "dummy",
        };
        m.put_str(IFLA_INFO_KIND, label);
        if let LinkKind::Veth { peer, netns } = kind {
            check_name(peer)?;
            let data = m.open(IFLA_INFO_DATA);
            let other = m.open(VETH_INFO_PEER);
            m.raw(&[0; IFINFOMSG]).put_str(IFLA_IFNAME, peer);
            if let Some(fd) = netns {
                m.put_u32(IFLA_NET_NS_FD, fd.as_raw_fd() as u32);
            }
            m.close(other);
            m.close(data);
        }
        m.close(info);
        check_name(name)?;
        self.request(&format!("add {label} device {name}"), m)
    }

    /// Removes a device (of a veth pair: both ends). Errors: NotFound.
    pub fn delete_link(&mut self, name: &str) -> io::Result<()> {
        let m = named(libc::RTM_DELLINK, name, 0)?;
        self.request(&format!("delete device {name}"), m)
    }

    /// Switches a device on or off.
    pub fn set_up(&mut self, name: &str, up: bool) -> io::Result<()> {
        let m = named(libc::RTM_NEWLINK, name, if up { libc::IFF_UP as u32 } else { 0 })?;
        self.request(
            &format!("switch device {name} {}", if up { "on" } else { "off" }),
            m,
        )
    }

    /// Makes a device a port of a bridge; `None` takes it out.
    pub fn set_master(&mut self, name: &str, master: Option<&str>) -> io::Result<()> {
        let index = master.map(|m| self.index(m)).transpose()?.unwrap_or(0);
        let mut m = named(libc::RTM_SETLINK, name, 0)?;
        m.put_u32(IFLA_MASTER, index);
        self.request(
            &format!("put device {name} into {}", master.unwrap_or("no bridge")),
            m,
        )
    }

    /// Moves a device into another network namespace, where it is switched off.
    pub fn move_link(&mut self, name: &str, netns: BorrowedFd<'_>) -> io::Result<()> {
        let mut m = named(libc::RTM_SETLINK, name, 0)?;
        m.put_u32(IFLA_NET_NS_FD, netns.as_raw_fd() as u32);
        self.request(&format!("move device {name} into a network namespace"), m)
    }

    /// Sets the hardware address, six bytes for what looks like Ethernet.
    pub fn set_hardware_address(&mut self, name: &str, address: &[u8]) -> io::Result<()> {
        let mut m = named(libc::RTM_SETLINK, name, 0)?;
        m.put(IFLA_ADDRESS, address);
        self.request(&format!("set the hardware address of device {name}"), m)
    }

    /// Sets the remark that `ip link` shows; at most 255 bytes are kept.
    pub fn set_alias(&mut self, name: &str, alias: &str) -> io::Result<()> {
        let mut end = alias.len().min(255);
        while !alias.is_char_boundary(end) {
            end -= 1;
        }
        let mut m = named(libc::RTM_SETLINK, name, 0)?;
        m.put(IFLA_IFALIAS, alias.get(..end).unwrap_or_default().as_bytes());
        self.request(&format!("describe device {name}"), m)
    }

    /// Sets an IPv4 option of one device.
    pub fn set_ipv4_option(&mut self, name: &str, option: Ipv4Option, on: bool) -> io::Result<()> {
        let mut m = named(libc::RTM_SETLINK, name, 0)?;
        let families = m.open(IFLA_AF_SPEC);
        let ipv4 = m.open(libc::AF_INET as u16);
        let options = m.open(IFLA_INET_CONF);
        m.put_u32(option.number(), on.into());
        m.close(options);
        m.close(ipv4);
        m.close(families);
        self.request(&format!("set {option:?} of device {name}"), m)
    }

    /// All devices of the namespace.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
        let m = Message::new(libc::RTM_GETLINK, flags as u16, &[0; IFINFOMSG]);
        self.query("list devices", m, read_link)
    }

    /// One device. Errors: NotFound.
    pub fn link(&mut self, name: &str) -> io::Result<Link> {
        let what = format!("find device {name}");
        let m = named(libc::RTM_GETLINK, name, 0)?;
        let found = self.query(&what, m, read_link)?;
        let missing = || refused(&what, io::Error::from_raw_os_error(libc::ENODEV), String::new());
        found.into_iter().next().ok_or_else(missing)
    }

    /// Waits until packets pass a device that has been switched on, which the kernel does a little later; the result
    /// is false when that did not happen in this time.
    pub fn wait_running(&mut self, name: &str, longest: Duration) -> io::Result<bool> {
        let end = Instant::now() + longest;
        while !self.link(name)?.running {
            if Instant::now() > end {
                return Ok(false);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(true)
    }

    pub(super) fn index(&mut self, name: &str) -> io::Result<u32> {
        self.link(name).map(|link| link.index)
    }
}

/// A message about the device of this name; `up` are the flags it is to have of IFF_UP.
fn named(kind: u16, name: &str, up: u32) -> io::Result<Message> {
    check_name(name)?;
    let mut fixed = [0; IFINFOMSG];
    let change = match kind {
        libc::RTM_NEWLINK => libc::IFF_UP as u32,
        _ => 0,
    };
    fixed[8..12].copy_from_slice(&up.to_ne_bytes());
    fixed[12..16].copy_from_slice(&change.to_ne_bytes());
    let mut m = Message::new(kind, (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16, &fixed);
    m.put_str(IFLA_IFNAME, name);
    Ok(m)
}

/// What the kernel would misread; the rest it refuses itself.
fn check_name(name: &str) -> io::Result<()> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(['\0', '%', '/']) {
        let error = io::Error::from_raw_os_error(libc::EINVAL);
        return Err(refused(
            &format!("device name {name:?}"),
            error,
            "1 to 15 bytes".into(),
        ));
    }
    Ok(())
}

fn read_link(body: &[u8]) -> Option<Link> {
    let rest = body.get(IFINFOMSG..)?;
    // The type is read only to be sure that the fixed part is complete.
    read_u16(body, 2)?;
    let word = |kind| attribute(rest, kind).map(text).unwrap_or_default();
    let info = attribute(rest, IFLA_LINKINFO).unwrap_or_default();
    Some(Link {
        index: read_u32(body, 4)?,
        name: word(IFLA_IFNAME),
        up: read_u32(body, 8)? & libc::IFF_UP as u32 != 0,
        running: attribute(rest, IFLA_OPERSTATE) == Some(&[OPERATIONAL]),
        master: attribute(rest, IFLA_MASTER).and_then(|v| read_u32(v, 0)),
        kind: attribute(info, IFLA_INFO_KIND).map(text).unwrap_or_default(),
        alias: word(IFLA_IFALIAS),
        address: attribute(rest, IFLA_ADDRESS).unwrap_or_default().to_vec(),
    })
}
