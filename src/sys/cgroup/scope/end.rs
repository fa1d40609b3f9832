//! The end of a container's group: kill everything in it, wait until it is empty, remove it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::{Part, Scope};
use crate::sys::cgroup::{control, Version};
use crate::sys::{poll, process};

/// Rounds of signals where the kernel cannot kill a whole group; each waits for the processes it hit.
const ROUNDS: u32 = 50;
/// How long a round waits.
const ROUND: Duration = Duration::from_millis(200);

impl Scope {
    /// Sends SIGKILL to every process of the group and of groups below it, also to those that are forked meanwhile.
    /// Returns when they are killed, which is before they have ended: see [`Scope::wait_empty`].
    ///
    /// Version 2: `cgroup.kill` (Linux 5.14). Otherwise: no forks any more (`pids.max`), or frozen (v2), and signals to
    /// all until none is left. Errors: EBUSY (processes go on appearing), EPERM.
    pub fn kill(&self) -> io::Result<()> {
        match self.part(Version::Two) {
            Some(part) => match control::write(part.dir.as_fd(), "cgroup.kill", "1") {
                // Somebody may be in the groups of version 1 only.
                Ok(()) if self.parts.len() > 1 => self.kill_each(),
                Ok(()) => Ok(()),
                Err(e) if control::is_gone(&e) => self.kill_each(),
                Err(e) => Err(e),
            },
            None => self.kill_each(),
        }
    }

    fn kill_each(&self) -> io::Result<()> {
        self.forbid_forks();
        for _ in 0..ROUNDS {
            let open = self.open_processes()?;
            if open.is_empty() {
                return Ok(());
            }
            for process in &open {
                match process::pidfd_send_signal(process.as_fd(), libc::SIGKILL) {
                    Err(e) if e.raw_os_error() != Some(libc::ESRCH) => return Err(e),
                    _ => {}
                }
            }
            self.thaw();
            wait_all(&open, Some(Instant::now() + ROUND))?;
        }
        let text = format!(
            "the control group {} cannot be emptied: processes go on appearing",
            self.name
        );
        Err(io::Error::new(io::ErrorKind::ResourceBusy, text))
    }

    /// Whatever of it exists; without any the rounds of signals have to be faster than the forks.
    fn forbid_forks(&self) {
        for part in &self.parts {
            let _ = control::write(part.dir.as_fd(), "pids.max", "0");
            let _ = control::write(part.dir.as_fd(), "cgroup.freeze", "1");
        }
    }

    /// Frozen processes of version 2 die all the same, but only when the group may be used again.
    fn thaw(&self) {
        for part in &self.parts {
            let _ = control::write(part.dir.as_fd(), "cgroup.freeze", "0");
        }
    }

    /// A handle to each process but this one. It was a member after the handle was made, so it is no other process
    /// that has got its number.
    fn open_processes(&self) -> io::Result<Vec<OwnedFd>> {
        let me = std::process::id() as i32;
        let mut open = Vec::new();
        for pid in self.processes()?.into_iter().filter(|pid| *pid != me) {
            match process::pidfd_open(pid) {
                Ok(fd) => open.push((pid, fd)),
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
                Err(e) => return Err(e),
            }
        }
        let still = self.processes()?;
        open.retain(|(pid, _)| still.contains(pid));
        Ok(open.into_iter().map(|(_, fd)| fd).collect())
    }

    /// Waits until no process is in the group or below it; without waking up meanwhile for anything else. `false`: the
    /// deadline has passed. No deadline = forever. A group that is gone is empty.
    pub fn wait_empty(&self, deadline: Option<Instant>) -> io::Result<bool> {
        if let Some(part) = self.part(Version::Two) {
            match wait_for_event(part, deadline) {
                Err(e) if control::is_gone(&e) => {}
                Ok(true) => {}
                other => return other,
            }
        }
        self.wait_for_each(deadline)
    }

    /// Version 1 tells nobody that a group is empty.
    fn wait_for_each(&self, deadline: Option<Instant>) -> io::Result<bool> {
        if self.parts.iter().all(|part| part.version == Version::Two) {
            return Ok(true);
        }
        loop {
            let open = self.open_processes()?;
            if open.is_empty() {
                return Ok(true);
            }
            if !wait_all(&open, deadline)? {
                return Ok(false);
            }
        }
    }

    /// Removes the group and groups below it from all hierarchies. One that is gone is fine.
    ///
    /// Errors: EBUSY (processes are in it).
    pub fn remove(&self) -> io::Result<()> {
        let remove = |part: &Part| control::remove(part.slice.as_fd(), OsStr::new(&self.name));
        // The others are removed also when one is not.
        let results: Vec<io::Result<()>> = self.parts.iter().map(remove).collect();
        results
            .into_iter()
            .collect::<io::Result<()>>()
            .map_err(|e| io::Error::new(e.kind(), format!("remove the control group {}: {e}", self.name)))
    }

    fn part(&self, version: Version) -> Option<&Part> {
        self.parts.iter().find(|part| part.version == version)
    }
}

/// `cgroup.events` says so when the last process has gone.
fn wait_for_event(part: &Part, deadline: Option<Instant>) -> io::Result<bool> {
    let mut file = control::open(part.dir.as_fd(), "cgroup.events")?;
    loop {
        if !is_populated(&mut file)? {
            return Ok(true);
        }
        if !poll::wait_change(file.as_fd(), deadline)? {
            return Ok(false);
        }
    }
}

fn is_populated(events: &mut File) -> io::Result<bool> {
    let mut text = String::new();
    events.rewind()?;
    events.read_to_string(&mut text)?;
    Ok(control::field(&text, "populated") == Some(1))
}

/// Waits for the end of all of them, `false`: the deadline has passed.
fn wait_all(open: &[OwnedFd], deadline: Option<Instant>) -> io::Result<bool> {
    for process in open {
        if poll::wait(&[process.as_fd()], deadline)? == [false] {
            return Ok(false);
        }
    }
    Ok(true)
}
