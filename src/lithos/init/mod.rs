//! What `lithos_tree` does in addition as the first process of a machine or of a container (PID 1): it mounts what is
//! missing, has the keyboard ask before it restarts the machine, and turns the machine off in the end.
//!
//! It does no more than that: no terminals, no network beyond `lo`, no disks, no other services. Nothing here decides
//! about sandboxes. As any first process it may not end: every failure is a line for the log.

mod end;
mod mounts;

use std::path::Path;

pub use end::{end, End};

use crate::sys::process::Status;
use crate::sys::{loopback, machine};

/// Number of the PID namespace that the kernel starts with (`PROC_PID_INIT_INO`).
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// What is around the first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The kernel of the machine has started it.
    Machine,
    /// It is the first one of a container.
    Container,
}

/// True for the process that gets the orphans and whose end is the end of all.
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// Prepares for being the first process; again after each re-exec, then nothing is left to do. The result says what was
/// done and what was impossible, lines for the log.
pub fn begin() -> Vec<String> {
    let mut remarks = Vec::new();
    mounts::mount_missing(&mounts::FOR_ALL, &mut remarks);
    if place() == Place::Machine {
        mounts::mount_missing(&mounts::FOR_MACHINES, &mut remarks);
        if let Err(e) = machine::keyboard_asks() {
            remarks.push(format!("Ctrl-Alt-Delete restarts the machine at once: {e}"));
        }
        if let Err(e) = loopback::up() {
            remarks.push(format!("the network device lo stays down: {e}"));
        }
    }
    remarks
}

/// Where this process is the first one. `/proc` must be mounted; without it, a container.
pub fn place() -> Place {
    match std::fs::read_link("/proc/self/ns/pid") {
        Ok(link) if link == Path::new(FIRST_NAMESPACE) => Place::Machine,
        _ => Place::Container,
    }
}

/// The line for the log about an orphan that has ended. Orphans are only reaped: they are nobody's business here, and
/// no reload ends them.
pub fn reaped(pid: i32, status: Status) -> String {
    match status {
        Status::Signaled(signal) => format!("Unknown process {pid} killed by signal {signal}"),
        status => format!("Unknown process {pid} exited with code {}", status.exit_code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orphans_are_named_with_their_end() {
        assert_eq!(
            reaped(7, Status::Exited(3)),
            "Unknown process 7 exited with code 3"
        );
        assert_eq!(
            reaped(7, Status::Signaled(9)),
            "Unknown process 7 killed by signal 9"
        );
    }

    /// What a machine does whose first process is this test: see `vm/tests/machine.sh`. It does not come back.
    #[test]
    fn the_first_process_of_a_machine() {
        if std::env::var_os("ORCHESTRATION_FIRST_PROCESS").is_none() {
            assert!(!is_first());
            return;
        }
        assert!(is_first());
        let remarks = begin();
        println!("# {}", remarks.join("\n# "));
        let count = mounts::FOR_ALL.len() + mounts::FOR_MACHINES.len();
        let mounted = remarks.iter().filter(|line| line.starts_with("mounted ")).count();
        println!(
            "{} 1 - everything is mounted, nothing is remarked",
            verdict((mounted, remarks.len()) == (count, count))
        );
        println!("{} 2 - it is a machine", verdict(place() == Place::Machine));
        println!("{} 3 - a reload has nothing to do", verdict(begin().is_empty()));
        let stubborn = std::process::Command::new("/bin/sh")
            .args(["-c", "trap '' TERM; sleep 1000"])
            .spawn();
        println!("{} 4 - a process that does not listen", verdict(stubborn.is_ok()));
        println!("machine: complete");
        end(End::PowerOff)
    }

    fn verdict(good: bool) -> &'static str {
        if good {
            "ok"
        } else {
            "not ok"
        }
    }
}
