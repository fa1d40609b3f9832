//! The network part of a sandbox.

use std::fmt;
use std::net::IpAddr;

use serde::de::{Deserialize, Deserializer, Error};
use serde_derive::Deserialize;

use crate::config::schema::{optional, required, strings, Key, Kind, Structure};

/// Kind of `bridged-network`.
pub const BRIDGED: Kind = Kind::Structure(&Structure {
    keys: &[KEYS],
    scalar: None,
});

const KEYS: &[Key] = &[
    required("bridge", Kind::Text, "Existing bridge of the host."),
    required(
        "network",
        Kind::IpNetwork,
        "Network the containers' addresses lie in.",
    ),
    optional("default_gateway", Kind::IpAddress, "Router of the default route."),
    strings(
        "after_setup_command",
        "Program and arguments to run in the container's network once it is set up.",
    ),
];

/// A network of its own for every container of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BridgedNetwork {
    /// Existing bridge of the host.
    pub bridge: String,
    /// Where the addresses lie; its prefix is theirs.
    pub network: IpNetwork,
    /// Router of the default route.
    #[serde(default)]
    pub default_gateway: Option<IpAddr>,
    /// Program and arguments, run as root of the host in the network of the container; empty = none.
    #[serde(default)]
    pub after_setup_command: Vec<String>,
}

/// An address and the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNetwork {
    /// Any address in it.
    pub ip: IpAddr,
    /// Bits that all addresses share.
    pub prefix: u8,
}

impl IpNetwork {
    /// Reads `IP/PREFIX` or `IP`.
    pub fn parse(text: &str) -> Option<IpNetwork> {
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip.parse().ok()?, prefix.parse().ok()?),
            None => {
                let ip: IpAddr = text.parse().ok()?;
                (ip, bits(ip))
            }
        };
        (prefix <= bits(ip)).then_some(IpNetwork { ip, prefix })
    }

    /// Whether an address lies in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        bits(ip) == bits(self.ip) && head(ip, self.prefix) == head(self.ip, self.prefix)
    }
}

/// Bits of an address.
fn bits(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The first bits of an address.
fn head(ip: IpAddr, prefix: u8) -> u128 {
    let number = match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    };
    let rest = u32::from(bits(ip).saturating_sub(prefix));
    number.checked_shr(rest).unwrap_or(0)
}

impl<'de> Deserialize<'de> for IpNetwork {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<IpNetwork, D::Error> {
        let text = String::deserialize(d)?;
        IpNetwork::parse(&text).ok_or_else(|| D::Error::custom("not a network"))
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}
