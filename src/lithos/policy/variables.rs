//! Declared variables and their values.

use super::process::check_activation;
use super::Violation;
use crate::lithos::config::{is_within, Container, Sandbox, VariableType};
use crate::lithos::instance::{Instance, InstanceName, Variables};

/// Every declared variable has a value of its type.
pub(super) fn check_values(sandbox: &Sandbox, container: &Container, instance: &Instance) -> Vec<Violation> {
    let mut found = check_activation(container);
    for (name, kind) in &container.variables {
        let object = format!("variables.{name}");
        match instance.variables.get(name) {
            None => found.push(Violation::new(object, "has no value in the processes file")),
            Some(value) => {
                let fault = fault(sandbox, kind, value);
                found.extend(fault.map(|why| Violation::new(object, format!("{value:?} {why}"))));
            }
        }
    }
    found
}

/// What can be said of a container file alone: conflicts of socket activation, names that are not declared.
pub fn check_declarations(container: &Container) -> Vec<Violation> {
    let mut found = check_activation(container);
    let values = container
        .variables
        .keys()
        .map(|k| (k.clone(), String::new()))
        .collect();
    let name = InstanceName::daemon("SANDBOX", "PROCESS", 0);
    let variables = Variables {
        declared: &container.variables,
        values: &values,
        name: &name,
        config: "",
    };
    let mut look = |key: String, text: &str| {
        let wrong = variables.substitute(text).err().unwrap_or_default();
        found.extend(wrong.into_iter().map(|why| Violation::new(key.clone(), why)));
    };
    for argument in &container.arguments {
        look("arguments".into(), argument);
    }
    for (name, value) in container.environ.iter().filter(|(_, v)| *v != "@{lithos:pid}") {
        look(format!("environ.{name}"), value);
    }
    for port in container.tcp_ports.keys() {
        look("tcp-ports".into(), port);
    }
    if let Some(port) = container.ready.as_ref().and_then(|ready| ready.tcp.as_deref()) {
        look("ready.tcp".into(), port);
    }
    found
}

/// What is wrong with a value, if anything is.
fn fault(sandbox: &Sandbox, kind: &VariableType, value: &str) -> Option<String> {
    match kind {
        VariableType::TcpPort(_) => port_fault(sandbox, value),
        VariableType::Choice(choices) if choices.iter().any(|c| c == value) => None,
        VariableType::Choice(choices) => Some(format!("is not one of {}", choices.join(", "))),
        VariableType::Name if value.chars().all(is_of_name) => None,
        VariableType::Name => Some("may have only letters, digits, - and _".into()),
        VariableType::DottedName if is_dotted(value) => None,
        VariableType::DottedName => {
            Some("must be names of letters, digits, - and _ with dots between them".into())
        }
    }
}

fn port_fault(sandbox: &Sandbox, value: &str) -> Option<String> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let Some(port) = digits.then(|| value.parse::<u16>().ok()).flatten() else {
        return Some("is not a port (0 to 65535)".into());
    };
    let free = sandbox.bridged_network.is_some() || is_within(&sandbox.allow_tcp_ports, port.into());
    (!free).then(|| "is not in `allow-tcp-ports` of the sandbox".into())
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

fn is_dotted(value: &str) -> bool {
    value.split('.').all(|part| {
        !part.is_empty() && part.chars().all(is_of_name) && !part.starts_with('-') && !part.ends_with('-')
    })
}
