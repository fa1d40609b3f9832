//! Ceilings of the sandbox, which an image cannot raise.

use std::path::Path;

use super::Violation;
use crate::lithos::config::{Container, Sandbox, Volume};

/// A file without `memory-limit` has this one.
const NO_LIMIT: u64 = i64::MAX as u64;

/// What a container gets: what it asks for, or the ceiling where it asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// Bytes; `None` = no limit.
    pub memory: Option<u64>,
    /// Percent of one processor.
    pub cpu: Option<u64>,
    /// Processes.
    pub pids: Option<u64>,
    /// Open files of a process.
    pub fileno: u64,
}

/// The limits of a container under its sandbox.
pub fn ceilings(sandbox: &Sandbox, container: &Container) -> Ceilings {
    let lower = |own: Option<u64>, most: Option<u64>| own.into_iter().chain(most).min();
    let memory = (container.memory_limit < NO_LIMIT).then_some(container.memory_limit);
    Ceilings {
        memory: lower(memory, sandbox.max_memory),
        cpu: lower(container.cpu_quota, sandbox.max_cpu),
        pids: lower(container.pids_limit, sandbox.max_pids),
        fileno: container.fileno_limit.min(sandbox.max_fileno.unwrap_or(u64::MAX)),
    }
}

/// Asking for more than the ceiling is an error, not silently less.
pub(super) fn check(sandbox: &Sandbox, container: &Container) -> Vec<Violation> {
    let memory = (container.memory_limit < NO_LIMIT).then_some(container.memory_limit);
    let fileno = (container.fileno_limit != 1024).then_some(container.fileno_limit);
    let asked = [
        ("memory-limit", memory, "max-memory", sandbox.max_memory),
        (
            "memory-high",
            container.memory_high,
            "max-memory",
            sandbox.max_memory,
        ),
        ("cpu-quota", container.cpu_quota, "max-cpu", sandbox.max_cpu),
        ("pids-limit", container.pids_limit, "max-pids", sandbox.max_pids),
        ("fileno-limit", fileno, "max-fileno", sandbox.max_fileno),
    ];
    let over = asked.into_iter().filter_map(|(key, own, rule, most)| {
        let (own, most) = (own?, most?);
        (own > most).then(|| {
            Violation::new(
                key,
                format!("{own} is more than `{rule}` of the sandbox ({most})"),
            )
        })
    });
    let mut found: Vec<Violation> = over.collect();
    found.extend(
        container
            .io_limit
            .keys()
            .filter_map(|point| check_io(container, point)),
    );
    found
}

/// A container file cannot name places of the host: it says which of its own it means.
fn check_io(container: &Container, point: &Path) -> Option<Violation> {
    let what = match container.volumes.get(point) {
        _ if point == Path::new("/") => return None,
        Some(Volume::Tmpfs(_)) => "is memory, on no disk",
        Some(_) => return None,
        None => "is neither / nor the mount point of a volume",
    };
    Some(Violation::new("io-limit", format!("{} {what}", point.display())))
}
