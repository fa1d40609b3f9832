//! A container file after substitution: what the process gets.

use std::collections::BTreeMap;

use super::Variables;
use crate::lithos::config::container::PortVariable;
use crate::lithos::config::{Container, TcpPort, VariableType};

/// First descriptor of socket activation (sd_listen_fds(3)).
const FIRST_FD: u16 = 3;
/// A value that stands for the process id inside.
const PID: &str = "@{lithos:pid}";

/// A socket that a process gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Port.
    pub port: u16,
    /// How it is made and where it goes.
    pub socket: TcpPort,
}

/// Everything that variables have a say in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effective {
    /// Arguments after the program's name.
    pub arguments: Vec<String>,
    /// Environment, without what lithos adds about the container.
    pub environ: BTreeMap<String, String>,
    /// Variables that get the process id inside as their value.
    pub pid_variables: Vec<String>,
    /// Sockets.
    pub listeners: Vec<Listener>,
    /// Port of `ready: {tcp}`.
    pub ready_port: Option<u16>,
}

/// The variables with socket activation, by name: the first gets descriptor 3.
pub fn activated(declared: &BTreeMap<String, VariableType>) -> Vec<(&str, u16)> {
    let wanted =
        |kind: &VariableType| matches!(kind, VariableType::TcpPort(PortVariable { activation: Some(_) }));
    let names = declared
        .iter()
        .filter(|(_, kind)| wanted(kind))
        .map(|(name, _)| name.as_str());
    names.zip(FIRST_FD..).collect()
}

impl Effective {
    /// Substitutes everywhere.
    ///
    /// Errors: everything that is wrong, each with the key it stands in.
    pub fn of(container: &Container, variables: &Variables<'_>) -> Result<Effective, Vec<String>> {
        let mut work = Work {
            variables,
            wrong: Vec::new(),
        };
        let mut effective = Effective {
            arguments: container
                .arguments
                .iter()
                .map(|a| work.text("arguments", a))
                .collect(),
            ..Effective::default()
        };
        for (name, value) in &container.environ {
            match value == PID {
                true => effective.pid_variables.push(name.clone()),
                false => {
                    let value = work.text(&format!("environ.{name}"), value);
                    effective.environ.insert(name.clone(), value);
                }
            }
        }
        for (key, socket) in &container.tcp_ports {
            let socket = socket.clone();
            let port = work.port("tcp-ports", key);
            effective
                .listeners
                .extend(port.map(|port| Listener { port, socket }));
        }
        let ready = container.ready.as_ref().and_then(|r| r.tcp.as_deref());
        effective.ready_port = ready.and_then(|port| work.port("ready.tcp", port));
        activate(&mut effective, container, &mut work);
        match work.wrong.is_empty() {
            true => Ok(effective),
            false => Err(work.wrong),
        }
    }
}

/// Adds what sd_listen_fds(3) describes, if a variable asks for it.
fn activate(effective: &mut Effective, container: &Container, work: &mut Work<'_>) {
    let activated = activated(&container.variables);
    if activated.is_empty() {
        return;
    }
    let names: Vec<&str> = activated.iter().map(|(name, _)| *name).collect();
    let mut add = |name: &str, value: String| effective.environ.insert(name.into(), value);
    add("LISTEN_FDS", names.len().to_string());
    add("LISTEN_FDNAMES", names.join(":"));
    effective.pid_variables.push("LISTEN_PID".into());
    for (name, fd) in activated {
        let socket = TcpPort::activated(fd);
        let port = work.port(&format!("variables.{name}"), &format!("@{{{name}}}"));
        effective
            .listeners
            .extend(port.map(|port| Listener { port, socket }));
    }
}

struct Work<'a> {
    variables: &'a Variables<'a>,
    wrong: Vec<String>,
}

impl Work<'_> {
    fn text(&mut self, key: &str, text: &str) -> String {
        self.variables.substitute(text).unwrap_or_else(|wrong| {
            self.wrong.extend(wrong.iter().map(|why| format!("{key}: {why}")));
            String::new()
        })
    }

    fn port(&mut self, key: &str, text: &str) -> Option<u16> {
        let before = self.wrong.len();
        let value = self.text(key, text);
        if self.wrong.len() > before {
            return None;
        }
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let port = digits.then(|| value.parse().ok()).flatten();
        if port.is_none() {
            self.wrong
                .push(format!("{key}: {value:?} is not a port (0 to 65535)"));
        }
        port
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lithos::config::parse;
    use crate::lithos::instance::InstanceName;

    fn effective(file: &str, values: &[(&str, &str)]) -> Result<Effective, Vec<String>> {
        let text = format!("executable: /bin/x\n{file}");
        let container: Container = parse("c", text.as_bytes()).unwrap();
        let values = values
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        let name = InstanceName::daemon("app", "web", 0);
        Effective::of(
            &container,
            &Variables {
                declared: &container.variables,
                values: &values,
                name: &name,
                config: "/c",
            },
        )
    }

    #[test]
    fn sockets_are_activated_in_the_order_of_names() {
        let file =
            "variables: {b_port: !TcpPort {activation: systemd}, a_port: !TcpPort {activation: systemd}}";
        let e = effective(file, &[("a_port", "81"), ("b_port", "82")]).unwrap();
        let sockets: Vec<_> = e.listeners.iter().map(|l| (l.port, l.socket.fd)).collect();
        assert_eq!(sockets, [(81, 3), (82, 4)]);
        assert_eq!(
            (
                e.environ["LISTEN_FDS"].as_str(),
                e.environ["LISTEN_FDNAMES"].as_str()
            ),
            ("2", "a_port:b_port")
        );
        assert_eq!(e.pid_variables, ["LISTEN_PID"]);
    }

    #[test]
    fn the_process_id_is_a_whole_value() {
        let e = effective("environ: {P: \"@{lithos:pid}\", N: \"@{lithos:name}\"}", &[]).unwrap();
        assert_eq!(
            (e.pid_variables, e.environ["N"].as_str()),
            (vec!["P".to_string()], "app/web.0")
        );
        let wrong = effective("environ: {P: \"pid @{lithos:pid}\"}", &[]).unwrap_err();
        assert!(wrong[0].starts_with("environ.P: "), "{wrong:?}");
    }

    #[test]
    fn ports_are_checked_after_substitution() {
        let file = "variables: {p: !TcpPort}\ntcp-ports: {\"@{p}\": {fd: 5}}";
        let port = |value| effective(file, &[("p", value)]).map(|e| e.listeners[0].port);
        assert_eq!(port("17001"), Ok(17001));
        assert!(port("70000").is_err() && port("x").is_err() && port("+5").is_err());
    }
}
