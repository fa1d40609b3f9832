//! The texts of `/etc/hosts` and `/etc/resolv.conf` of a container. Pure.

use std::net::IpAddr;

use super::compose::Facts;
use super::design::Generated;
use crate::lithos::config::{Container, Sandbox};

/// What both are made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// The sandbox's `hosts-file`, if it is wanted.
    pub hosts: Option<Vec<u8>>,
    /// The sandbox's `resolv-conf` and its permission bits, if it is wanted.
    pub resolv_conf: Option<(Vec<u8>, u32)>,
    /// `IP HOSTNAME` of the machine, if it is wanted.
    pub public: Option<String>,
}

/// Whether the host's own name is wanted in `hosts`.
pub fn wants_public(container: &Container) -> bool {
    let file = &container.hosts_file;
    file.public_hostname.unwrap_or(!file.copy_from_host)
}

/// Of the addresses of a name the first of IPv4, as ever, or where there is none the first of IPv6; those of a link mean
/// nothing without its interface, for which a hosts file has no place.
pub fn public_address(addresses: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
    let of_link = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    // Not before those that were equal: the order of the resolver stays.
    addresses.filter(|ip| !of_link(ip)).min_by_key(IpAddr::is_ipv6)
}

/// Both files, as far as they are wanted. Errors: one is to be mounted, and cannot be.
pub fn files(sandbox: &Sandbox, container: &Container, facts: &Facts) -> Result<Vec<Generated>, String> {
    let mut files = Vec::new();
    if let Some((content, mode)) = &facts.texts.resolv_conf {
        files.push(Generated {
            name: "resolv.conf",
            target: None,
            mode: *mode,
            content: content.clone(),
        });
    }
    files.extend(hosts(sandbox, container, facts));
    for (name, wish, possible) in [
        ("resolv.conf", container.resolv_conf.mount, facts.has_resolv_conf),
        ("hosts", container.hosts_file.mount, facts.has_hosts),
    ] {
        let made = files.iter_mut().find(|file| file.name == name);
        match (wish, made) {
            (Some(false), _) | (None, None) => {}
            (None, Some(file)) => file.target = possible.then(|| format!("/etc/{name}").into()),
            (Some(true), Some(file)) if possible => file.target = Some(format!("/etc/{name}").into()),
            (Some(true), Some(_)) => {
                return Err(format!(
                    "mount: true, but the image has no ordinary file /etc/{name} to mount over"
                ))
            }
            (Some(true), None) => {
                return Err(format!(
                    "mount: true, but nothing is to be written to /etc/{name}"
                ))
            }
        }
    }
    Ok(files)
}

fn hosts(sandbox: &Sandbox, container: &Container, facts: &Facts) -> Option<Generated> {
    let file = &container.hosts_file;
    let mut content = Vec::new();
    if let Some(text) = &facts.texts.hosts {
        content.extend_from_slice(text);
        content.push(b'\n');
    }
    let localhost = file.localhost.unwrap_or(!file.copy_from_host);
    let mut lines = Vec::new();
    if localhost {
        lines.push("127.0.0.1 localhost.localdomain localhost".to_string());
    }
    lines.extend(facts.texts.public.clone());
    let more = &sandbox.additional_hosts;
    lines.extend(more.iter().map(|(name, ip)| format!("{ip} {name}")));
    for line in lines {
        content.extend_from_slice(line.as_bytes());
        content.push(b'\n');
    }
    (!content.is_empty()).then_some(Generated {
        name: "hosts",
        target: None,
        mode: 0o644,
        content,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_address_is_ipv4_where_there_is_one() {
        let chosen = |texts: &[&str]| {
            public_address(texts.iter().map(|text| text.parse().unwrap())).map(|ip| ip.to_string())
        };
        assert_eq!(
            chosen(&["2001:db8::7", "10.1.1.1", "10.1.1.2"]).unwrap(),
            "10.1.1.1"
        );
        assert_eq!(
            chosen(&["fe80::1", "2001:db8::7", "2001:db8::8"]).unwrap(),
            "2001:db8::7"
        );
        assert_eq!(chosen(&["::1"]).unwrap(), "::1");
        assert_eq!((chosen(&["fe80::1"]), chosen(&[])), (None, None));
    }
}
