//! Finding out from inside a container whether its command is ready: a process of its own beside the command, in all
//! of its namespaces, that tries, pauses, and ends with its one report. The launcher sleeps meanwhile,
//! and so does the prober of a file until the kernel tells of it.
//!
//! It decides nothing but the length of its pauses; what follows from being ready or late is the business of
//! [`super::group`].

use std::fs::OpenOptions;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::sys::path::Root;
use crate::sys::process::{self, Child, Fork, Namespaces, Status, WaitOptions};
use crate::vagga::config::children::tcp_addresses;
use crate::vagga::config::command::{CommandInfo, Ready};
use crate::vagga::failure::{exit, Failure};

use super::appearance;
use super::link::{Link, Report};
use super::program::Program;

/// First pause between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Longest wait for one connection.
const CONNECT: Duration = Duration::from_secs(1);

/// What to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// One of these accepts connections.
    Tcp(Vec<SocketAddr>),
    /// This path exists.
    File(PathBuf),
    /// This program ends with status 0.
    Program(Program),
}

/// What to try, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What.
    pub condition: Condition,
    /// Longest pause between two attempts.
    pub interval: Duration,
}

impl Probe {
    /// The probe of a child; `shell` is the container's `default-shell`.
    ///
    /// Errors: exit 121 for what the configuration should have refused.
    pub fn new(ready: &Ready, info: &CommandInfo, shell: &[String]) -> Result<Probe, Failure> {
        let own: Option<IpAddr> = info.network.as_ref().and_then(|n| n.ip.parse().ok());
        let condition = match ready {
            Ready { tcp: Some(tcp), .. } => tcp_addresses(tcp, own).map(Condition::Tcp),
            Ready { file: Some(file), .. } => Some(Condition::File(file.clone())),
            Ready {
                command: Some(run), ..
            } => Some(Condition::Program(Program::new(run, shell, &[]))),
            _ => None,
        };
        Ok(Probe {
            condition: condition.ok_or_else(|| Failure::new(exit::LAUNCHER, "bad `ready`"))?,
            interval: Duration::from_millis(ready.interval),
        })
    }
}

/// Forks the prober. `start` starts a program as the command of the container is
/// started; its standard streams are the null device.
pub fn start(
    probe: &Probe,
    link: &Link,
    start: &dyn Fn(&Program) -> Result<i32, Failure>,
) -> io::Result<Child> {
    match process::fork(Namespaces::empty())? {
        Fork::Parent(child) => Ok(child),
        Fork::Child => {
            // A container without a null device hears the probes.
            let _ = silence();
            let result = process::set_parent_death_signal(libc::SIGKILL)
                .and_then(|()| crate::sys::descriptors::hide())
                .and_then(|()| watch(probe, link, start));
            process::exit_now(if result.is_ok() { 0 } else { 1 })
        }
    }
}

/// What a probe prints again and again would only hide what the command prints.
fn silence() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    (0..3).try_for_each(|fd| process::dup_to(null.as_fd(), fd))
}

/// Tries until it succeeds; whoever is no longer interested ends this process.
fn watch(probe: &Probe, link: &Link, start: &dyn Fn(&Program) -> Result<i32, Failure>) -> io::Result<()> {
    if let Condition::File(path) = &probe.condition {
        let exists = || holds(&probe.condition, start).unwrap_or(false);
        if appearance::wait(path, &exists)? {
            return link.report(Report::Ready);
        }
    }
    let mut pause = FIRST_PAUSE;
    while !holds(&probe.condition, start)? {
        thread::sleep(pause.min(probe.interval));
        pause = pause.saturating_mul(2);
    }
    link.report(Report::Ready)
}

fn holds(condition: &Condition, start: &dyn Fn(&Program) -> Result<i32, Failure>) -> io::Result<bool> {
    Ok(match condition {
        Condition::Tcp(addresses) => addresses
            .iter()
            .any(|address| TcpStream::connect_timeout(address, CONNECT).is_ok()),
        Condition::File(path) => Root::open("/")?.stat(path).is_ok(),
        Condition::Program(program) => match start(program) {
            Ok(pid) => {
                let end = process::wait(Some(pid), WaitOptions::default())?;
                matches!(end, Some((_, Status::Exited(0))))
            }
            Err(_) => false,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn no_program(_: &Program) -> Result<i32, Failure> {
        unreachable!("no program is to be started")
    }

    #[test]
    fn ports_and_files_are_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tcp = Condition::Tcp(vec!["[::1]:1".parse().unwrap(), address]);
        assert!(holds(&tcp, &no_program).unwrap());
        drop(listener);
        assert!(!holds(&tcp, &no_program).unwrap());
        for (path, there) in [("/proc/self/status", true), ("/no/such/file", false)] {
            assert_eq!(holds(&Condition::File(path.into()), &no_program).unwrap(), there);
        }
    }

    #[test]
    fn one_report_when_the_condition_holds() {
        let (ours, theirs) = Link::pair().unwrap();
        let probe = Probe {
            condition: Condition::File("/".into()),
            interval: Duration::from_millis(250),
        };
        watch(&probe, &theirs, &no_program).unwrap();
        assert_eq!(ours.next_report().unwrap(), Some(Report::Ready));
    }
}
