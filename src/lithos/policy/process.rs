//! The process itself: kind, program, signal, readiness.

use super::Violation;
use crate::lithos::config::{Container, ProcessKind, Role};
use crate::lithos::instance::{Instance, InstanceName};
use crate::sys::process::signal_by_name;

/// Bytes of a process's name: with the sandbox, the number and an ending it is the name of a file.
const LONGEST_NAME: usize = 100;

pub(super) fn check(container: &Container, instance: &Instance) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut add = |object: &str, text: String| found.push(Violation::new(object, text));
    match (container.kind, instance.kind) {
        (Role::Daemon, ProcessKind::Command) => {
            add(
                "kind",
                "the container file is for a daemon, the entry for a command".into(),
            );
        }
        (Role::Command, ProcessKind::Daemon) => {
            add(
                "kind",
                "the container file is for a command, the entry for a daemon".into(),
            );
        }
        _ => {}
    }
    if !container.executable.starts_with('/') {
        add(
            "executable",
            format!("{:?} must be an absolute path", container.executable),
        );
    }
    if !container.workdir.is_absolute() {
        add(
            "workdir",
            format!("{:?} must be an absolute path", container.workdir),
        );
    }
    if signal_by_name(&container.stop_signal).is_none() {
        add(
            "stop-signal",
            format!("{:?} is not a signal", container.stop_signal),
        );
    }
    found.extend(check_ready(container));
    found
}

/// Files, directories and control groups are named after a process, and command lines are read back.
pub(super) fn check_name(name: &InstanceName) -> Option<Violation> {
    let process = &name.process;
    let read_back = InstanceName::parse(&name.to_string()).as_ref() == Some(name);
    let fits = process.len() <= LONGEST_NAME && !process.contains(char::is_control);
    (!read_back || !fits).then(|| {
        let text = format!(
            "{process:?} cannot be one: at most {LONGEST_NAME} bytes, without `/` and control characters, not beginning \
             with `cmd.`"
        );
        Violation::new("name of the process", text)
    })
}

fn check_ready(container: &Container) -> Option<Violation> {
    let ready = container.ready.as_ref()?;
    let kinds =
        usize::from(ready.tcp.is_some()) + usize::from(ready.file.is_some()) + usize::from(ready.notify);
    (kinds != 1).then(|| Violation::new("ready", "needs exactly one of tcp, file and notify"))
}

/// Names that no environment may set beside socket activation.
const LISTEN: [&str; 3] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"];

/// Socket activation must not meet variables or descriptors set by hand.
pub(super) fn check_activation(container: &Container) -> Vec<Violation> {
    let activated = crate::lithos::instance::activated(&container.variables);
    if activated.is_empty() {
        return Vec::new();
    }
    let set = |name: &&&str| {
        container.environ.contains_key(**name) || container.secret_environ.contains_key(**name)
    };
    let names = LISTEN
        .iter()
        .filter(set)
        .map(|name| Violation::new(format!("environ.{name}"), "is set by socket activation"));
    let ports = container.tcp_ports.iter().filter_map(|(port, socket)| {
        let (name, fd) = activated.iter().find(|(_, fd)| *fd == socket.fd)?;
        let text = format!("descriptor {fd} is used by the variable {name}");
        Some(Violation::new(format!("tcp-ports.{port}"), text))
    });
    names.chain(ports).collect()
}
