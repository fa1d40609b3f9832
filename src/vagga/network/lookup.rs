//! Where names are looked up: the host's resolver, as children of a network of their own can reach it.

use std::fs;
use std::net::Ipv4Addr;

use super::gateway::HOST;

/// The host's resolver if it is a single one on a loopback address: then the gateway passes questions on to it.
pub fn local_resolver() -> Option<Ipv4Addr> {
    local_of(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

/// `/etc/resolv.conf` for children behind a gateway; `None`: the host's file serves them too.
pub fn resolv_conf() -> Option<Vec<u8>> {
    local_resolver().map(|_| format!("nameserver {HOST}\n").into_bytes())
}

fn local_of(text: &str) -> Option<Ipv4Addr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next().unwrap_or_default())
    });
    let mut servers = servers.collect::<Vec<_>>().into_iter();
    match (servers.next()?.parse::<Ipv4Addr>(), servers.next()) {
        (Ok(ip), None) if ip.octets().starts_with(&[127, 0, 0]) => Some(ip),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_loopback_resolver_is_local() {
        let stub = Some(Ipv4Addr::new(127, 0, 0, 53));
        assert_eq!(local_of("# x\nnameserver 127.0.0.53\noptions edns0\n"), stub);
        for other in [
            "",
            "nameserver 10.0.0.1\n",
            "nameserver 127.0.0.1\nnameserver 10.0.0.1",
            "nameserver ::1",
            "nameserver",
        ] {
            assert_eq!(local_of(other), None, "{other}");
        }
    }
}
