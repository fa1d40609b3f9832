//! What the children of a `!Supervise` command say about one another: `after`, `ready`. Nothing is looked up.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::command::{ChildCommand, Ready, SuperviseInfo};

/// Something that makes a group impossible to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The child.
    pub child: String,
    /// Its key.
    pub key: &'static str,
    /// What is wrong.
    pub text: String,
}

/// Everything wrong with the children of a group.
pub fn faults(group: &SuperviseInfo) -> Vec<Fault> {
    let mut found = Vec::new();
    for (name, child) in &group.children {
        let mut fault = |key, text| {
            found.push(Fault {
                child: name.clone(),
                key,
                text,
            })
        };
        let info = child.info();
        for other in info.after.iter().filter(|o| !group.children.contains_key(*o)) {
            fault("after", format!("{other:?} is not a child of this group"));
        }
        if let Some(text) = info.ready.as_deref().and_then(ready_fault) {
            fault("ready", text);
        }
    }
    if let Some(ring) = waiting_ring(&group.children) {
        let text = format!("children wait for one another: {}", ring.join(" -> "));
        found.push(Fault {
            child: ring.first().map(ToString::to_string).unwrap_or_default(),
            key: "after",
            text,
        });
    }
    found
}

fn ready_fault(ready: &Ready) -> Option<String> {
    let given = [ready.tcp.is_some(), ready.file.is_some(), ready.command.is_some()];
    if given.iter().filter(|g| **g).count() != 1 {
        return Some("exactly one of `tcp`, `file` and `command` is expected".into());
    }
    let tcp = ready.tcp.as_ref()?;
    tcp_addresses(tcp, None)
        .is_none()
        .then(|| format!("`tcp` is a port, or an address with a port like 127.0.0.1:80, not {tcp:?}"))
}

/// Where a `tcp` value says to connect to. A port alone means both loopback addresses and the child's `own`.
pub fn tcp_addresses(text: &str, own: Option<IpAddr>) -> Option<Vec<SocketAddr>> {
    if let Ok(port) = text.parse::<u16>() {
        let loopback = ["127.0.0.1", "::1"].iter().filter_map(|a| a.parse().ok());
        let all = loopback.chain(own).map(|ip| SocketAddr::new(ip, port));
        return (port > 0).then(|| all.collect());
    }
    let address: SocketAddr = text.parse().ok()?;
    (address.port() > 0).then(|| vec![address])
}

/// Children that wait for each other, the first one repeated at the end. Without recursion.
fn waiting_ring(children: &BTreeMap<String, ChildCommand>) -> Option<Vec<&str>> {
    let after = |name: &str| children.get(name).map_or(&[][..], |c| &c.info().after);
    let mut finished: Vec<&str> = Vec::new();
    for start in children.keys() {
        let mut trail: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((name, next)) = trail.last_mut() {
            let other = after(name).get(*next).map(String::as_str);
            *next += 1;
            match other {
                Some(other) => {
                    if let Some(at) = trail.iter().position(|(n, _)| *n == other) {
                        let ring = trail.get(at..).unwrap_or_default().iter().map(|(n, _)| *n);
                        return Some(ring.chain([other]).collect());
                    }
                    if !finished.contains(&other) {
                        trail.push((other, 0));
                    }
                }
                None => {
                    finished.push(name);
                    trail.pop();
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use crate::vagga::config::schema::CONFIG;
    use crate::vagga::config::{Config, MainCommand};

    fn found(children: &str) -> Vec<String> {
        let text = format!("commands: {{g: !Supervise {{children: {{{children}}}}}}}");
        let config: Config = load_text("t", &text, &CONFIG).unwrap();
        let Some(MainCommand::Supervise(group)) = config.commands.get("g") else {
            panic!()
        };
        let show = |f: Fault| format!("{}.{}: {}", f.child, f.key, f.text);
        faults(group).into_iter().map(show).collect()
    }

    fn child(name: &str, keys: &str) -> String {
        format!("{name}: !Command {{container: c, run: x, {keys}}}, ")
    }

    #[test]
    fn sound_groups_have_no_faults() {
        let text = child("a", "ready: {tcp: 80}")
            + &child("b", "ready: {file: /run/x, timeout: 5s}, after: [a]")
            + &child("c", "after: [a, b], restart: on-failure")
            + &child("d", "ready: {command: [x], interval: 1500ms, timeout: 30}");
        assert_eq!(found(&text), [""; 0]);
    }

    #[test]
    fn faults_are_named() {
        let text = child("a", "ready: {}")
            + &child("b", "ready: {tcp: 1, file: /x}")
            + &child("c", "ready: {tcp: \"localhost:80\"}")
            + &child("d", "after: [nobody]");
        let all = found(&text);
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all[0].starts_with("a.ready: exactly one"));
        assert!(all[2].contains("\"localhost:80\""));
        assert!(all[3].contains("d.after: \"nobody\" is not a child"));
    }

    #[test]
    fn rings_are_shown() {
        let text = child("a", "after: [b]") + &child("b", "after: [c]") + &child("c", "after: [b]");
        assert_eq!(
            found(&text),
            ["b.after: children wait for one another: b -> c -> b"]
        );
        assert!(found(&child("a", "after: [a]"))[0].ends_with("a -> a"));
    }

    #[test]
    fn addresses_of_ports() {
        let own = "172.23.0.5".parse().ok();
        let all = tcp_addresses("80", own).unwrap();
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(all, ["127.0.0.1:80", "[::1]:80", "172.23.0.5:80"]);
        assert_eq!(tcp_addresses("10.0.0.1:1", own).unwrap().len(), 1);
        for bad in ["0", "x", "1.2.3.4", "1.2.3.4:0", "65536", "", "a:1"] {
            assert_eq!(tcp_addresses(bad, None), None, "{bad}");
        }
    }
}
