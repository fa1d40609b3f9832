//! The end of the machine: every process is asked to end, then killed, disks are completed, power is turned off.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{place, Place};
use crate::sys::machine::{self, Power};
use crate::sys::mount;
use crate::sys::path::Root;
use crate::sys::poll::{self, Signals};
use crate::sys::process::{close_from, exit_now, kill_namespace, wait, WaitOptions};

/// Time for processes other than containers, which have ended before.
const ASKED: Duration = Duration::from_secs(5);
/// Time for killed processes to disappear.
const KILLED: Duration = Duration::from_secs(2);

/// How the work of the first process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The machine is turned off.
    PowerOff,
    /// The machine starts again.
    Restart,
}

impl End {
    /// What a signal to the first process asks for: SIGTERM and SIGPWR (the power fails, or a manager of containers
    /// ends this one) the former, SIGINT (Ctrl-Alt-Delete) the latter.
    pub fn of_signal(signal: i32) -> Option<End> {
        match signal {
            libc::SIGTERM | libc::SIGPWR => Some(End::PowerOff),
            libc::SIGINT => Some(End::Restart),
            _ => None,
        }
    }
}

/// Ends everything: called by the first process after its containers have ended. In a container the process exits with
/// 0; a machine is turned off or started again.
pub fn end(how: End) -> ! {
    end_processes();
    if place() == Place::Machine {
        // Files open for writing, our logs, would keep their disk from being completed.
        let _ = close_from(3);
        complete_disks();
        let power = match how {
            End::PowerOff => Power::Off,
            End::Restart => Power::Restart,
        };
        let error = machine::set_power(power);
        eprintln!("lithos_tree: the machine cannot be turned off: {error}");
    }
    exit_now(0)
}

fn end_processes() {
    // Blocked before the first one ends, so that no end is missed.
    let children = Signals::new(&[libc::SIGCHLD]);
    for (signal, time) in [(libc::SIGTERM, ASKED), (libc::SIGKILL, KILLED)] {
        let asked = kill_namespace(signal).and_then(|()| kill_namespace(libc::SIGCONT));
        let nobody = asked.is_err_and(|e| e.raw_os_error() == Some(libc::ESRCH));
        if nobody || reap_all(children.as_ref().ok(), Instant::now() + time) {
            return;
        }
    }
}

/// Takes leave of everybody; all processes become ours when their parents end. `false`: some are left at the deadline.
fn reap_all(children: Option<&Signals>, deadline: Instant) -> bool {
    let options = WaitOptions {
        nohang: true,
        ..WaitOptions::default()
    };
    loop {
        match wait(None, options) {
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(_) => return true,
        }
        let Some(children) = children else { return false };
        let more = poll::wait(&[children.fd()], Some(deadline)).is_ok_and(|ready| ready == [true]);
        let drained = children.drain();
        if !more || drained.is_err() {
            return false;
        }
    }
}

/// Writes everything and makes file systems read-only, the last mounted first.
fn complete_disks() {
    machine::sync();
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = on_disks(&text);
    if let Ok(root) = Root::open("/") {
        let failed = points.iter().rev().map(|point| mount::seal(&root, point));
        let failed: Vec<io::Error> = failed.filter_map(Result::err).collect();
        for error in failed {
            eprintln!("lithos_tree: a file system stays writable: {error}");
        }
    }
    machine::sync();
}

/// Mount points of file systems that are on a device, from the text of `mountinfo` (`proc_pid_mountinfo(5)`).
fn on_disks(mountinfo: &str) -> Vec<PathBuf> {
    let point = |line: &str| {
        let (fields, rest) = line.split_once(" - ")?;
        let source = rest.split(' ').nth(1)?;
        let point = fields.split(' ').nth(4)?;
        source.starts_with('/').then(|| PathBuf::from(point))
    };
    mountinfo.lines().filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_and_their_ends() {
        assert_eq!(End::of_signal(libc::SIGTERM), Some(End::PowerOff));
        assert_eq!(End::of_signal(libc::SIGPWR), Some(End::PowerOff));
        assert_eq!(End::of_signal(libc::SIGINT), Some(End::Restart));
        for signal in [
            libc::SIGHUP,
            libc::SIGQUIT,
            libc::SIGUSR1,
            libc::SIGUSR2,
            libc::SIGCHLD,
        ] {
            assert_eq!(End::of_signal(signal), None, "reload, or nothing");
        }
    }

    /// In a namespace of its own, where it can hit nobody else.
    #[test]
    fn the_first_process_of_a_container_ends_after_all_others() {
        use crate::sys::process::{fork, Fork, Namespaces, Status};
        let Fork::Parent(first) = fork(Namespaces::USER | Namespaces::PID).unwrap() else {
            for _ in 0..3 {
                if let Ok(Fork::Child) = fork(Namespaces::empty()) {
                    std::thread::sleep(Duration::from_secs(60));
                    exit_now(1);
                }
            }
            match place() {
                Place::Container => end(End::PowerOff),
                Place::Machine => exit_now(9),
            }
        };
        let started = Instant::now();
        let (_, status) = wait(Some(first.pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Exited(0));
        assert!(
            started.elapsed() < ASKED,
            "those that end at once are not waited for"
        );
    }

    #[test]
    fn only_what_is_on_a_device_is_completed() {
        let text = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 0:4 / /proc rw - proc proc rw\n\
            22 20 8:2 / /var rw shared:3 - xfs /dev/mapper/var rw\nrubbish\n23 20 0:9 / /run rw - tmpfs run rw\n";
        assert_eq!(on_disks(text), [PathBuf::from("/"), PathBuf::from("/var")]);
    }
}
