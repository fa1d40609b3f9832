//! Running one program inside the root being built.
//!
//! The builder forks *init*, PID 1 of a PID and a mount namespace of its own: it enters the root, forks the *command*
//! and waits for it. When the command ends, init ends, and the kernel kills whatever is left over. Nothing of the host
//! can be reached from inside: the root is pivoted into, init keeps no descriptor and its memory cannot be read.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::sys::prctl::set_dumpable;

use super::command::GuestCommand;
use super::error::StepError;
use crate::container::{dev, Base, Op, Plan, Source};
use crate::sys::namespace::{self, IdMap, IdMapping, MapMethod};
use crate::sys::process::{self, Fork, Namespaces, Status, WaitOptions};
use crate::sys::{capability, keyring, seccomp};
use crate::vagga::ids::IdMaps;

/// Exit code of init when the command could not be started; the reason comes through a pipe.
const NOT_STARTED: i32 = 127;

/// What [`GuestCommand::skip_sync`] makes succeed at once.
const SYNC_CALLS: [i64; 5] = [
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_sync_file_range,
];

/// A command with everything it needs.
pub(super) struct Guest<'a> {
    pub command: &'a GuestCommand,
    /// Path of the program inside.
    pub program: PathBuf,
    /// The complete environment.
    pub environ: Vec<(OsString, OsString)>,
    /// The root.
    pub plan: Plan,
    /// Id maps of the container.
    pub ids: &'a IdMaps,
    /// Network namespace to move to.
    pub network: Option<BorrowedFd<'a>>,
}

/// How the command ended and what it wrote to its stdout, if that was asked for.
pub(super) struct Outcome {
    pub code: u8,
    pub output: Vec<u8>,
}

impl Guest<'_> {
    /// Runs the command to its end; `capture` collects its stdout instead of sending it to stderr.
    pub(super) fn run(&self, capture: bool) -> Result<Outcome, StepError> {
        let (errors, error_end) = process::pipe()?;
        let (output, output_end) = match capture {
            true => process::pipe().map(|(r, w)| (Some(r), Some(w)))?,
            false => (None, None),
        };
        match process::fork(Namespaces::MOUNT | Namespaces::PID)? {
            Fork::Child => {
                let reason = self.init(output_end.as_ref().map(AsFd::as_fd), &error_end);
                let _ = File::from(error_end).write_all(reason.as_bytes());
                process::exit_now(NOT_STARTED)
            }
            Fork::Parent(child) => {
                drop((error_end, output_end));
                let output = read_all(output)?;
                let errors = read_all(Some(errors))?;
                let ended = process::wait(Some(child.pid), WaitOptions::default())?;
                if !errors.is_empty() {
                    return Err(StepError::new(String::from_utf8_lossy(&errors).into_owned()));
                }
                let code = ended.map_or(0, |(_, status)| status.exit_code());
                Ok(Outcome { code, output })
            }
        }
    }

    /// PID 1: enters the root, starts the command, ends with its status. Returns only the reason of a failure.
    fn init(&self, output: Option<BorrowedFd>, errors: &OwnedFd) -> String {
        match self.enter_and_start(output, errors) {
            Ok(command) => {
                // From here on only waiting is done, so the descriptors (which lead to the host) can go.
                let _ = process::close_from(3);
                process::exit_now(wait_for(command))
            }
            Err(reason) => reason,
        }
    }

    fn enter_and_start(&self, output: Option<BorrowedFd>, errors: &OwnedFd) -> Result<i32, String> {
        let what = |what: &'static str| move |e: io::Error| format!("{what}: {e}");
        process::set_parent_death_signal(libc::SIGKILL).map_err(what("can't set the parent death signal"))?;
        // Before anything foreign runs in this PID namespace: our memory holds the caller's environment.
        set_dumpable(false).map_err(|e| what("can't protect memory")(e.into()))?;
        if let Some(fd) = self.network {
            namespace::setns(fd, Namespaces::NET).map_err(what("can't enter the isolated network"))?;
        }
        self.plan.enter().map_err(|e| e.to_string())?;
        let (unshared, unshared_end) = process::pipe().map_err(what("can't create a pipe"))?;
        let (mapped, mapped_end) = process::pipe().map_err(what("can't create a pipe"))?;
        match process::fork(Namespaces::empty()).map_err(what("can't fork"))? {
            Fork::Child => {
                drop((unshared, mapped_end));
                let reason = self.exec(output, unshared_end, mapped);
                let _ = errors
                    .try_clone()
                    .map(|fd| File::from(fd).write_all(reason.as_bytes()));
                process::exit_now(NOT_STARTED)
            }
            Fork::Parent(child) => {
                drop((unshared_end, mapped));
                if let Some(external) = self.command.external_user_id {
                    self.map_nested(child.pid, external, unshared, mapped_end)?;
                }
                Ok(child.pid)
            }
        }
    }

    /// Gives the command's nested user namespace its maps: one uid, all gids one to one.
    fn map_nested(&self, pid: i32, external: u32, unshared: OwnedFd, mapped: OwnedFd) -> Result<(), String> {
        if !matches!(File::from(unshared).read(&mut [0]), Ok(1)) {
            return Ok(()); // The command has failed and says why itself.
        }
        let uid = IdMap(vec![IdMapping {
            inside: self.command.user_id,
            outside: external,
            count: 1,
        }]);
        let identity = |m: &IdMapping| IdMapping {
            outside: m.inside,
            ..*m
        };
        let gid = IdMap(self.ids.gid.0.iter().map(identity).collect());
        namespace::write_maps(pid, &uid, &gid, &MapMethod::Direct)
            .and_then(|()| File::from(mapped).write_all(b"m"))
            .map_err(|e| format!("can't map external-user-id {external}: {e}"))
    }

    /// The command's process up to exec. Returns only the reason of a failure.
    fn exec(&self, output: Option<BorrowedFd>, unshared: OwnedFd, mapped: OwnedFd) -> String {
        if let Err(reason) = self.become_command(output, unshared, mapped) {
            return reason;
        }
        let error = process::exec(&self.program, &self.command.argv, &self.environ);
        format!("can't run {:?}: {error}", self.program)
    }

    fn become_command(
        &self,
        output: Option<BorrowedFd>,
        unshared: OwnedFd,
        mapped: OwnedFd,
    ) -> Result<(), String> {
        let c = self.command;
        std::env::set_current_dir(&c.work_dir)
            .map_err(|e| format!("can't change to directory {:?} of the container: {e}", c.work_dir))?;
        if self.ids.reach_root() {
            capability::forbid_mounting().map_err(|e| format!("can't take the right to mount away: {e}"))?;
        }
        // Kernels and sandboxes without keyrings have no keys to hide.
        let _ = keyring::forget_session();
        if c.external_user_id.is_some() {
            nest(unshared, mapped).map_err(|e| format!("can't create a nested user namespace: {e}"))?;
        }
        if c.skip_sync {
            seccomp::refuse(&SYNC_CALLS, 0)
                .map_err(|e| format!("can't install the system call filter: {e}"))?;
        }
        process::set_ids(c.user_id, c.group_id, Some(&c.supplementary_gids)).map_err(|e| {
            format!(
                "can't become user {} group {} groups {:?} (see `uids` and `gids` of the container): {e}",
                c.user_id, c.group_id, c.supplementary_gids
            )
        })?;
        let stdout = match output {
            Some(fd) => process::dup_to(fd, 1),
            None => process::dup_to(io::stderr().as_fd(), 1),
        };
        stdout
            .and_then(|()| process::reset_signals())
            .map_err(|e| format!("can't prepare the command: {e}"))
    }
}

/// Moves to a new user namespace and waits until init has written its maps.
fn nest(unshared: OwnedFd, mapped: OwnedFd) -> io::Result<()> {
    // The map files belong to us only while we are dumpable; nobody else lives in this PID namespace yet.
    set_dumpable(true)?;
    namespace::unshare(Namespaces::USER)?;
    File::from(unshared).write_all(b"u")?;
    match File::from(mapped).read(&mut [0])? {
        1 => Ok(()),
        _ => Err(io::Error::other("its id maps could not be written")),
    }
}

/// Reaps everything until the command ends; its exit code, 128 + n for signal n.
fn wait_for(command: i32) -> i32 {
    loop {
        match process::wait(None, WaitOptions::default()) {
            Ok(Some((pid, Status::Exited(_) | Status::Signaled(_)))) if pid != command => {}
            Ok(Some((_, status))) => return status.exit_code().into(),
            Ok(None) => {}
            Err(_) => return NOT_STARTED,
        }
    }
}

fn read_all(fd: Option<OwnedFd>) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    if let Some(fd) = fd {
        File::from(fd).read_to_end(&mut data)?;
    }
    Ok(data)
}

/// The root of a guest: the tree being built with everything mounted in it, writable, and the kernel's file systems.
pub(super) fn plan(root: &Path) -> Plan {
    let mut ops = dev::minimal();
    ops.push(Op::Proc {
        target: "/proc".into(),
        guard: true,
    });
    ops.push(Op::read_only("/sys", "/sys"));
    Plan {
        base: Base::Bind {
            source: Source::Host(root.to_path_buf()),
            write: true,
        },
        ops,
    }
}

/// Clears O_NONBLOCK of stdout and stderr: they are shared with the caller's shell, and programs leave it set.
pub(super) fn make_blocking() {
    for fd in [io::stdout().as_fd(), io::stderr().as_fd()] {
        if let Ok(flags) = fcntl(fd, FcntlArg::F_GETFL) {
            let flags = OFlag::from_bits_retain(flags);
            if flags.contains(OFlag::O_NONBLOCK) {
                let _ = fcntl(fd, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK));
            }
        }
    }
}

/// Finds a program like execvp(3) would, but in the root: a path as it is, a bare name in `PATH`.
pub(super) fn find_program(
    root: &crate::sys::path::Root,
    name: &Path,
    search: &str,
) -> Result<PathBuf, StepError> {
    if name.as_os_str().as_encoded_bytes().contains(&b'/') {
        return Ok(name.to_path_buf());
    }
    search
        .split(':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| Path::new(dir).join(name))
        .find(|path| {
            root.stat(path)
                .is_ok_and(|s| s.kind() == crate::sys::fs::Kind::File && s.mode & 0o111 != 0)
        })
        .ok_or_else(|| {
            StepError::new(format!(
                "command {:?} not found in one of {search:?}",
                name.to_string_lossy()
            ))
        })
}
