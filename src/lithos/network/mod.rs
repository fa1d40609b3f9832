//! A network of its own for a container: a cable (veth(4)) from a bridge of the host to one address inside.
//!
//! [`Attachment`] is what to do, as a value; [`connect`](Attachment::connect) does it over netlink, without any
//! program. The bridge is the operator's: nothing here makes bridges, translates addresses or filters packets.

mod connect;
mod hook;

use std::fmt;
use std::net::IpAddr;

use blake2::{Blake2b512, Digest};

use crate::sys::netlink::Address;

pub use hook::{arguments, run as run_hook};

/// What connects one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Existing bridge of the host.
    pub bridge: String,
    /// Address inside, with the length of the network's prefix.
    pub address: Address,
    /// Router of the default route.
    pub gateway: Option<IpAddr>,
}

impl Attachment {
    /// Name of the end on the host: the same for the same bridge and address, so that what a crash left is found.
    pub fn outer(&self) -> String {
        self.name('_')
    }

    /// Name of the end in the container.
    pub fn inner(&self) -> String {
        self.name('-')
    }

    fn name(&self, separator: char) -> String {
        let digest = self.digest();
        let octets = match self.address.ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let tail = octets.get(octets.len().saturating_sub(2)..).unwrap_or_default();
        format!("li{separator}{}{separator}{}", hex(&digest[..3]), hex(tail))
    }

    /// Hardware address of the inner end: always the same for the same address, so that neighbours need not notice a
    /// restart. Locally administered, unicast (IEEE 802, section 8).
    pub fn hardware_address(&self) -> [u8; 6] {
        let d = self.digest();
        [0x02, d[3], d[4], d[5], d[6], d[7]]
    }

    fn digest(&self) -> [u8; 64] {
        let quoted = |text: &str| serde_json::Value::String(text.to_string()).to_string();
        let ip = self.address.ip.to_string();
        let json = format!("{{\"bridge\":{},\"ip\":{}}}", quoted(&self.bridge), quoted(&ip));
        Blake2b512::digest(json.as_bytes()).into()
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} on bridge {} as {}",
            self.address,
            self.bridge,
            self.outer()
        )?;
        match self.gateway {
            Some(gateway) => write!(f, ", default route via {gateway}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(bridge: &str, ip: &str) -> Attachment {
        Attachment {
            bridge: bridge.into(),
            address: Address {
                ip: ip.parse().unwrap(),
                prefix: 16,
            },
            gateway: None,
        }
    }

    #[test]
    fn names_are_those_of_the_contract() {
        let first = attachment("br0", "10.64.0.10");
        assert_eq!(
            (first.outer().as_str(), first.inner().as_str()),
            ("li_72f0a3_000a", "li-72f0a3-000a")
        );
        assert_eq!(attachment("br0", "10.0.0.5").outer(), "li_a0a567_0005");
        assert_eq!(attachment("br0", "fd00::a:b").outer().len(), 14);
    }

    #[test]
    fn hardware_addresses_are_local_and_differ() {
        let one = attachment("br0", "10.0.0.5").hardware_address();
        let two = attachment("br0", "10.0.0.6").hardware_address();
        assert!(one != two && one[0] & 3 == 2);
    }

    #[test]
    fn attachments_are_printed() {
        let mut a = attachment("br0", "10.64.0.10");
        a.gateway = Some("10.64.0.1".parse().unwrap());
        assert_eq!(
            a.to_string(),
            "10.64.0.10/16 on bridge br0 as li_72f0a3_000a, default route via 10.64.0.1"
        );
    }
}
