//! From the init of the container to the service: a child that gives up what is left and executes the program.
//!
//! Everything here runs inside the container; nothing of the host can be reached any more.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{fcntl, FcntlArg, OFlag};

use super::design::{Ids, Process};
use super::profile;
use crate::sys::capability;
use crate::sys::descriptors::{arrange, copy_above};
use crate::sys::path::Root;
use crate::sys::process::{self, Child, Fork, Namespaces};

/// Longest message of a child that failed, bytes.
const LONGEST: u64 = 4096;

/// Descriptors that the process gets.
#[derive(Debug)]
pub struct Descriptors<'a> {
    /// What becomes standard output and standard error, unless the process keeps those of the knot.
    pub output: Option<[BorrowedFd<'a>; 2]>,
    /// Sockets and the numbers they get; 0 is standard input.
    pub sockets: &'a [(OwnedFd, i32)],
}

/// Starts the process; returns once it is executed.
///
/// Errors: the step that failed, and why.
pub fn start(process: &Process, ids: &Ids, descriptors: &Descriptors<'_>) -> io::Result<Child> {
    let (read, write) = process::pipe()?;
    match process::fork(Namespaces::empty())? {
        Fork::Child => {
            drop(read);
            // Above all numbers that the process gets, so that none of them covers it.
            let above = descriptors.sockets.iter().map(|(_, fd)| *fd).max();
            if let Ok(report) = copy_above(write.as_fd(), above.unwrap_or(2).max(2) + 1) {
                let (step, error) = become_service(process, ids, descriptors, report.as_fd());
                let _ = write!(File::from(report), "{step}: {error}");
            }
            process::exit_now(1)
        }
        Fork::Parent(child) => {
            drop(write);
            let mut message = String::new();
            File::from(read).take(LONGEST).read_to_string(&mut message)?;
            match message.trim_end() {
                "" => Ok(child),
                text => {
                    let _ = process::wait(Some(child.pid), process::WaitOptions::default());
                    Err(io::Error::other(text.to_string()))
                }
            }
        }
    }
}

type Failed = (String, io::Error);

fn step(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failed {
    |e| (what.into(), e)
}

/// Returns only when something failed.
fn become_service(process: &Process, ids: &Ids, given: &Descriptors<'_>, report: BorrowedFd<'_>) -> Failed {
    match prepare(process, ids, given, report) {
        Err(failed) => failed,
        Ok(()) => {
            let program = Path::new(&process.program);
            let words = std::iter::once(&process.program).chain(&process.arguments);
            let argv: Vec<_> = words.map(Into::into).collect();
            let env = environment(process);
            if process.seccomp {
                if let Err(e) = profile::install() {
                    return ("install the filter of system calls".into(), e);
                }
            }
            let error = process::exec(program, &argv, &env);
            (format!("execute {:?}", process.program), error)
        }
    }
}

fn prepare(
    process: &Process,
    ids: &Ids,
    given: &Descriptors<'_>,
    report: BorrowedFd<'_>,
) -> Result<(), Failed> {
    let (uid, gid) = (ids.uid, ids.gid);
    if process.ambient {
        capability::keep_over_user_change().map_err(step("keep capabilities"))?;
    }
    limit_open_files(process.open_files).map_err(step("set fileno-limit"))?;
    process::set_ids(uid, gid, Some(&[])).map_err(step(format!("become user {uid} and group {gid}")))?;
    capability::reduce(process.capabilities, process.ambient).map_err(step("reduce capabilities"))?;
    let workdir = &process.workdir;
    nix::unistd::chdir(workdir)
        .map_err(|e| step(format!("change to workdir {}", workdir.display()))(e.into()))?;
    let file = match (&process.output, process.interactive) {
        (Some(path), false) => Some(open_output(path).map_err(step(format!("open {}", path.display())))?),
        _ => None,
    };
    let own = file.as_ref().map(|file| [file.as_fd(), file.as_fd()]);
    let output = own.or(given.output);
    let mut wanted: Vec<_> = given.sockets.iter().map(|(fd, n)| (fd.as_fd(), *n)).collect();
    wanted.extend(output.iter().flat_map(|[out, err]| [(*out, 1), (*err, 2)]));
    process::reset_signals().map_err(step("reset signals"))?;
    let arranged = arrange(&wanted, report).map_err(step("arrange descriptors"));
    // Its number may belong to a socket now.
    std::mem::forget(file);
    arranged
}

/// Soft and hard; the knot's own limit was raised on the host if need be.
fn limit_open_files(number: u64) -> io::Result<()> {
    use nix::sys::resource::{setrlimit, Resource};
    Ok(setrlimit(Resource::RLIMIT_NOFILE, number, number)?)
}

/// As the user of the process and beneath the container's root; a link that leads nowhere, or a device, is refused.
fn open_output(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let fd = Root::open("/")?.open_with(path, flags, 0o644)?;
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
    Ok(fd)
}

fn environment(process: &Process) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    let pid = std::process::id().to_string();
    let fixed = process.environment.iter().map(|(name, value)| (name, value));
    let own = process.pid_variables.iter().map(|name| (name, &pid));
    fixed
        .chain(own)
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
