//! The builder's process: a forked child in new user, mount, PID and IPC namespaces.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::sys::process::{self, Fork, Namespaces, Status, WaitOptions};
use crate::vagga::doctor::namespaces_refused;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids::IdMaps;

/// Exit code of a child that could not become what it should be.
const NOT_SET_UP: i32 = 124;

/// Exit code of a child that crashed.
const CRASHED: i32 = 101;

/// Runs `work` in a child that is user 0 of new user, mount, PID and IPC namespaces, with stdin from `/dev/null` and
/// stdout merged into stderr; returns how the child ended. The child dies with its parent, and everything that it
/// started dies with it.
pub fn run(ids: &IdMaps, work: impl FnOnce() -> u8) -> Result<Status, Failure> {
    let failed = |what: &str, e: io::Error| Failure::new(exit::LAUNCHER, format!("{what}: {e}"));
    let (ready, go) = process::pipe().map_err(|e| failed("Can't create a pipe", e))?;
    let namespaces = Namespaces::USER | Namespaces::MOUNT | Namespaces::PID | Namespaces::IPC;
    match process::fork(namespaces)
        .map_err(|e| namespaces_refused("Can't create namespaces for the build", &e))?
    {
        Fork::Child => {
            drop(go);
            let code = catch_unwind(AssertUnwindSafe(|| child(ready, work)));
            process::exit_now(code.unwrap_or(CRASHED));
        }
        Fork::Parent(child) => {
            drop(ready);
            let mapped = ids.write(child.pid).and_then(|()| {
                let told = File::from(go).write_all(b"g");
                told.map_err(|e| failed("Can't start the builder", e))
            });
            let status = process::wait(Some(child.pid), WaitOptions::default());
            mapped?;
            match status.map_err(|e| failed("Can't wait for the builder", e))? {
                Some((_, status)) => Ok(status),
                None => Err(Failure::new(exit::LAUNCHER, "the builder vanished")),
            }
        }
    }
}

/// In the child: waits for its id maps (end of file means that they could not be written), becomes user 0, works.
fn child(ready: OwnedFd, work: impl FnOnce() -> u8) -> i32 {
    let mut byte = [0];
    match File::from(ready).read(&mut byte) {
        Ok(1) => {}
        _ => return NOT_SET_UP,
    }
    let result = process::set_ids(0, 0, Some(&[]))
        .and_then(|()| process::set_parent_death_signal(libc::SIGKILL))
        .and_then(|()| standard_streams());
    if let Err(e) = result {
        eprintln!("can't set up the builder: {e}");
        return NOT_SET_UP;
    }
    // Images must not depend on the umask of whoever builds them.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    work().into()
}

/// stdin from `/dev/null`, stdout into stderr.
fn standard_streams() -> io::Result<()> {
    let null = File::open("/dev/null")?;
    process::dup_to(null.as_fd(), 0)?;
    process::dup_to(io::stderr().as_fd(), 1)
}
