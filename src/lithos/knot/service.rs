//! From the init of the container to the service: a child that gives up what is left and executes the program.
//!
//! Everything here runs inside the container; nothing of the host can be reached any more.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::fcntl::{fcntl, FcntlArg, OFlag};

use super::design::{Ids, Process};
use super::profile;
use crate::sys::capability;
use crate::sys::descriptors::{arrange, copy_above, hide};
use crate::sys::handover::keep;
use crate::sys::path::Root;
use crate::sys::process::{self, Child, Fork, Namespaces, Program};

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
    // The child has our memory: what it executes is put here, to be freed by us.
    let mut program = None;
    let (child, failed) = process::vfork(|| become_service(process, ids, descriptors, None, &mut program))?;
    match failed {
        None => Ok(child),
        Some((step, error)) => Err(failed_child(&child, format!("{step}: {error}"))),
    }
}

fn failed_child(child: &Child, why: String) -> io::Error {
    let _ = process::wait(Some(child.pid), process::WaitOptions::default());
    io::Error::other(why)
}

/// A process that has given up what is left and waits for the word to execute its program. Without the word it ends.
#[derive(Debug)]
pub struct Held {
    child: Child,
    channel: UnixStream,
}

impl Held {
    /// Gives the word; returns once the program is executed. Errors: the step that failed, and why.
    pub fn release(self) -> io::Result<Child> {
        let Held { child, mut channel } = self;
        // A child that has failed says why; that is read.
        let _ = channel.write_all(b"x");
        let mut message = Vec::new();
        let read = channel.take(LONGEST).read_to_end(&mut message);
        match (message.trim_ascii_end(), read) {
            (b"", read) => read.map(|_| child),
            // It ended without having read the word, which the kernel reports behind the message (unix(7), ECONNRESET).
            (text, _) => Err(failed_child(&child, String::from_utf8_lossy(text).into())),
        }
    }
}

/// Makes the process, up to its program. What fails in it is said by [`Held::release`].
pub fn hold(process: &Process, ids: &Ids, descriptors: &Descriptors<'_>) -> io::Result<Held> {
    let (ours, theirs) = UnixStream::pair()?;
    match process::fork(Namespaces::empty())? {
        Fork::Child => {
            drop(ours);
            // Above all numbers that the process gets, so that none of them covers it.
            let above = descriptors.sockets.iter().map(|(_, fd)| fd + 1).fold(3, i32::max);
            if let Ok(gate) = copy_above(theirs.as_fd(), above) {
                let gate_fd = Some(gate.as_fd());
                let (step, error) = become_service(process, ids, descriptors, gate_fd, &mut None);
                let _ = write!(File::from(gate), "{step}: {error}");
            }
            process::exit_now(1)
        }
        Fork::Parent(child) => Ok(Held { child, channel: ours }),
    }
}

type Failed = (String, io::Error);

fn step(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failed {
    |e| (what.into(), e)
}

/// Returns only when something failed. With a gate it waits there for a byte before the program is executed.
fn become_service(
    process: &Process,
    ids: &Ids,
    given: &Descriptors<'_>,
    gate: Option<BorrowedFd<'_>>,
    program: &mut Option<Program>,
) -> Failed {
    match prepare(process, ids, given, gate).and_then(|()| words(process)) {
        Err(failed) => failed,
        Ok(words) => {
            let program = program.insert(words);
            if process.seccomp {
                if let Err(e) = profile::install() {
                    return ("install the filter of system calls".into(), e);
                }
            }
            if gate.is_some_and(|gate| nix::unistd::read(gate, &mut [0; 1]) != Ok(1)) {
                process::exit_now(1);
            }
            (format!("execute {:?}", process.program), program.exec())
        }
    }
}

fn words(process: &Process) -> Result<Program, Failed> {
    let words = std::iter::once(&process.program).chain(&process.arguments);
    let argv: Vec<_> = words.map(Into::into).collect();
    Program::new(Path::new(&process.program), &argv, &environment(process))
        .map_err(step(format!("execute {:?}", process.program)))
}

fn prepare(
    process: &Process,
    ids: &Ids,
    given: &Descriptors<'_>,
    gate: Option<BorrowedFd<'_>>,
) -> Result<(), Failed> {
    let (uid, gid) = (ids.uid, ids.gid);
    if process.ambient {
        capability::keep_over_user_change().map_err(step("keep capabilities"))?;
    }
    limit_open_files(process.open_files).map_err(step("set fileno-limit"))?;
    process::set_ids(uid, gid, Some(&[])).map_err(step(format!("become user {uid} and group {gid}")))?;
    capability::reduce(process.capabilities, process.ambient).map_err(step("reduce capabilities"))?;
    // The kernel may have made our memory, which is the init's, visible with the change of ids.
    hide().map_err(step("hide the memory"))?;
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
    wanted.extend(gate.map(|gate| (gate, gate.as_raw_fd())));
    let arranged = arrange(&wanted).and_then(|()| gate.map_or(Ok(()), |gate| keep(gate, false)));
    let arranged = arranged.map_err(step("arrange descriptors"));
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
