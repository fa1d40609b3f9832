//! The builder's process: a forked child in new user, mount, PID and IPC namespaces.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::sys::poll::{self, Signals};
use crate::sys::process::{self, Fork, Namespaces, Status, WaitOptions};
use crate::sys::tty;
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
            let started = ids.write(child.pid).and_then(|()| {
                let watched: Vec<i32> = ending().chain([libc::SIGCHLD]).collect();
                let signals = Signals::new(&watched).map_err(|e| failed("Can't watch signals", e))?;
                let told = File::from(go).write_all(b"g");
                told.map_err(|e| failed("Can't start the builder", e))?;
                Ok(signals)
            });
            match started {
                Ok(signals) => {
                    let ended =
                        watch(child.pid, &signals).map_err(|e| failed("Can't wait for the builder", e));
                    signals
                        .release()
                        .map_err(|e| failed("Can't stop watching signals", e))?;
                    ended?
                }
                Err(failure) => {
                    let _ = process::wait(Some(child.pid), WaitOptions::default());
                    Err(failure)
                }
            }
        }
    }
}

/// Signals that end a build: from the terminal, or sent to vagga. Those that the caller ignores (`nohup`, background
/// jobs of scripts) stay ignored.
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP];

fn ending() -> impl Iterator<Item = i32> {
    ENDING.into_iter().filter(|signal| !poll::is_ignored(*signal))
}

/// Waits for the child. When a signal wants us to end, the child is killed, and with it everything that it started.
///
/// The outer error is of the system; the inner one is the interruption, with 128 + signal as its exit code.
fn watch(child: i32, signals: &Signals) -> io::Result<Result<Status, Failure>> {
    let mut interrupted = None;
    loop {
        let arrived = signals.drain()?;
        if let Some(signal) = arrived.into_iter().find(|signal| ENDING.contains(signal)) {
            interrupted.get_or_insert(signal);
            process::kill(child, libc::SIGKILL)?;
        }
        let options = WaitOptions {
            nohang: true,
            ..WaitOptions::default()
        };
        let Some((_, status)) = process::wait(Some(child), options)? else {
            poll::wait(&[signals.fd()], None)?;
            continue;
        };
        // The signal that ended the child's programs may have come to us after the look at the top.
        let late = signals.drain()?.into_iter();
        let signal = interrupted.or_else(|| late.into_iter().find(|signal| ENDING.contains(signal)));
        return Ok(signal.map_or(Ok(status), |signal| Err(interruption(signal))));
    }
}

fn interruption(signal: i32) -> Failure {
    let code = u8::try_from(signal).unwrap_or_default();
    if tty::is_terminal(io::stderr().as_fd()) {
        // The status line of the build, or the ^C of the terminal.
        eprintln!();
    }
    let why = match signal {
        libc::SIGINT => "interrupted".to_string(),
        _ => format!("interrupted by signal {signal}"),
    };
    Failure::new(code.saturating_add(128), why)
}

/// In the builder: true when somebody wants the build to end. Our parent knows that too and kills us; until then
/// nothing should be said of commands that the same signal has ended.
pub fn is_interrupted() -> bool {
    poll::is_pending(&ENDING)
}

/// In the child: waits for its id maps (end of file means that they could not be written), becomes user 0, works.
fn child(ready: OwnedFd, work: impl FnOnce() -> u8) -> i32 {
    let mut byte = [0];
    match File::from(ready).read(&mut byte) {
        Ok(1) => {}
        _ => return NOT_SET_UP,
    }
    // Only collected; without, the kernel would not even deliver them to the first process of a PID namespace.
    let held = ending().collect::<Vec<_>>();
    let _signals = Signals::new(&held);
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
