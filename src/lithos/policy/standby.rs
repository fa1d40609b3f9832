//! Whether a container can wait beside the one that runs.

use super::Violation;
use crate::lithos::config::{Container, ProcessEntry};

/// Everything that two containers of one name cannot have at the same time.
pub fn check_standby(entry: &ProcessEntry, container: &Container) -> Vec<Violation> {
    let mut found = Vec::new();
    if !entry.standby {
        return found;
    }
    if !entry.ip_addresses.is_empty() {
        let text = "cannot be with ip-addresses: the running container has the address";
        found.push(Violation::new("standby", text));
    }
    let shared = container.tcp_ports.iter().filter(|(_, socket)| socket.reuse_port);
    found.extend(shared.map(|(port, _)| {
        let text = format!(
            "cannot be with reuse-port (port {port}): connections would wait for a process that does not run"
        );
        Violation::new("standby", text)
    }));
    found
}
