//! Sockets and addresses.

use std::collections::BTreeSet;

use super::Violation;
use crate::lithos::config::{is_within, Container, ProcessKind, Sandbox};
use crate::lithos::instance::{Effective, Instance, InstanceName, Listener};

/// Descriptors are free, ports of the host are allowed.
pub(super) fn check(sandbox: &Sandbox, container: &Container, effective: &Effective) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut taken = BTreeSet::new();
    for Listener { port, socket } in &effective.listeners {
        let object = format!("tcp-ports.{port}");
        match socket.fd {
            1 | 2 => found.push(Violation::new(
                &object,
                format!("descriptor {} is for output", socket.fd),
            )),
            fd if u64::from(fd) >= container.fileno_limit => {
                found.push(Violation::new(
                    &object,
                    format!("descriptor {fd} is beyond fileno-limit"),
                ));
            }
            fd if !taken.insert(fd) => {
                found.push(Violation::new(&object, format!("descriptor {fd} is used twice")));
            }
            _ => {}
        }
        let on_host = sandbox.bridged_network.is_none() || socket.external;
        if on_host && !is_within(&sandbox.allow_tcp_ports, u32::from(*port)) {
            let text = format!("port {port} is not in `allow-tcp-ports` of the sandbox");
            found.push(Violation::new(object, text));
        }
    }
    found
}

/// A daemon in a bridged sandbox has an address of its network.
pub(super) fn check_address(sandbox: &Sandbox, instance: &Instance, name: &InstanceName) -> Vec<Violation> {
    let Some(bridged) = &sandbox.bridged_network else {
        return Vec::new();
    };
    let text = match instance.ip_address {
        None if instance.kind == ProcessKind::Daemon => format!("there is none for {name}"),
        Some(ip) if !bridged.network.contains(ip) => {
            format!("{ip} of {name} is not in the network {}", bridged.network)
        }
        _ => return Vec::new(),
    };
    vec![Violation::new("ip-addresses", text)]
}
