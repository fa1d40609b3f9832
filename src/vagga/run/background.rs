//! A group of services before the command that needs them: it runs beside it from the moment all are ready, in a
//! launcher of its own, and is stopped after it.
//!
//! That launcher is a forked process in a session of its own, so that neither the keys of the terminal nor its input
//! reach the services. It dies with us, and its containers with it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use crate::sys::poll::{self, Signals};
use crate::sys::process::{self, Child, Fork, Namespaces, Status, WaitOptions};
use crate::sys::tty;
use crate::vagga::config::{MainCommand, SuperviseInfo};
use crate::vagga::failure::{exit, Failure};

use super::terminal::SIGNALS;

/// True for a group that can stand behind another command: all of its children tell when they are ready.
pub fn is_services(command: &MainCommand) -> bool {
    let all_ready = |group: &SuperviseInfo| {
        !group.children.is_empty() && group.children.values().all(|c| c.info().ready.is_some())
    };
    matches!(command, MainCommand::Supervise(group) if all_ready(group))
}

/// Services that run; stopped when dropped.
#[derive(Debug)]
pub struct Services {
    name: String,
    launcher: Child,
    ended: bool,
}

/// How the start of services ended.
#[derive(Debug)]
pub enum Begun {
    /// All are ready.
    Ready(Services),
    /// The group has come to its end before, with this status for the shell.
    Ended(u8),
}

/// Starts the group `name` by `run`, which gets a pipe to write to when all are ready, and waits for that. What
/// signals vagga gets meanwhile go to the group.
pub fn start(name: &str, run: &mut dyn FnMut(OwnedFd) -> Result<u8, Failure>) -> Result<Begun, Failure> {
    let fail = |e: io::Error| Failure::new(exit::LAUNCHER, format!("Can't start {name:?}: {e}"));
    let signals = Signals::new(&SIGNALS).map_err(fail)?;
    let (told, tell) = process::pipe().map_err(fail)?;
    match process::fork(Namespaces::empty()).map_err(fail)? {
        Fork::Child => {
            drop((signals, told));
            process::exit_now(lead(tell, run).into())
        }
        Fork::Parent(launcher) => {
            drop(tell);
            let mut services = Services {
                name: name.to_string(),
                launcher,
                ended: false,
            };
            match services.wait_until_ready(&signals, told).map_err(fail)? {
                true => Ok(Begun::Ready(services)),
                false => services.wait_for_end().map(Begun::Ended).map_err(fail),
            }
        }
    }
}

/// The life of the launcher in the background.
fn lead(tell: OwnedFd, run: &mut dyn FnMut(OwnedFd) -> Result<u8, Failure>) -> u8 {
    match detach().map_err(|e| Failure::new(exit::LAUNCHER, format!("Can't go to the background: {e}"))) {
        Ok(()) => run(tell),
        Err(failure) => Err(failure),
    }
    .unwrap_or_else(|failure| {
        eprintln!("vagga: {failure}");
        failure.exit
    })
}

fn detach() -> io::Result<()> {
    process::set_parent_death_signal(libc::SIGKILL)?;
    nix::unistd::setsid()?;
    let null = OpenOptions::new().read(true).open("/dev/null")?;
    process::dup_to(null.as_fd(), 0)
}

impl Services {
    /// False when the group has ended instead.
    fn wait_until_ready(&self, signals: &Signals, told: OwnedFd) -> io::Result<bool> {
        loop {
            if let [_, true] = poll::wait(&[signals.fd(), told.as_fd()], None)?[..] {
                return Ok(File::from(told).read(&mut [0])? == 1);
            }
            for signal in signals.drain()? {
                match signal {
                    libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => tty::suspend(signal, false)?,
                    libc::SIGCHLD | libc::SIGCONT => {}
                    signal => drop(self.launcher.signal(signal)),
                }
            }
        }
    }

    /// Errors: exit 121 when the services are gone, although somebody still needs them.
    pub fn check(&mut self) -> Result<(), Failure> {
        let nohang = WaitOptions {
            nohang: true,
            ..WaitOptions::default()
        };
        if !self.ended && matches!(process::wait(Some(self.launcher.pid), nohang), Ok(None)) {
            return Ok(());
        }
        self.ended = true;
        let message = format!(
            "The processes of {:?} have ended before what needs them",
            self.name
        );
        Err(Failure::new(exit::LAUNCHER, message))
    }

    /// Status for the shell; that of a process that was reaped elsewhere is not known and counts as good.
    fn wait_for_end(&mut self) -> io::Result<u8> {
        if self.ended {
            return Ok(0);
        }
        self.ended = true;
        match process::wait(Some(self.launcher.pid), WaitOptions::default()) {
            Ok(found) => Ok(found.map_or(0, |(_, status): (i32, Status)| status.exit_code())),
            Err(e) if e.raw_os_error() == Some(libc::ECHILD) => Ok(0),
            Err(e) => Err(e),
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if !self.ended {
            let begun = Instant::now();
            let _ = self.launcher.signal(libc::SIGTERM);
            let _ = self.wait_for_end();
            log::info!("{:?} stopped in {:?}", self.name, begun.elapsed());
        }
    }
}
