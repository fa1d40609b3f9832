//! Processes: fork into namespaces, exec, wait, signals, ids, the death of the parent.
//!
//! The toolkit is single-threaded whenever it forks, so that a forked child may run ordinary Rust (allocate, open files) until it
//! calls [`exec`] or [`exit_now`]. Programs started for other purposes may still use `std::process::Command`.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::mem;
use std::ops::BitOr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

mod parent;
mod signal;
mod spawn;
mod vfork;

pub use super::wait::{wait, Status, WaitOptions};
pub(super) use parent::now_child_of;
pub use parent::set_parent_death_signal;
use parent::watch_self;
pub use signal::{kill, kill_group, kill_namespace, kill_own_group, name_of_signal, signal_by_name};
pub use spawn::{spawn, Start};
pub use vfork::vfork;

/// Highest signal number of Linux on the architectures supported.
const LAST_SIGNAL: i32 = 64;

/// Set of namespaces to create, `CLONE_NEW*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespaces(u64);

impl Namespaces {
    /// User and group ids, capabilities.
    pub const USER: Namespaces = Namespaces(libc::CLONE_NEWUSER as u64);
    /// Mounts.
    pub const MOUNT: Namespaces = Namespaces(libc::CLONE_NEWNS as u64);
    /// Process ids.
    pub const PID: Namespaces = Namespaces(libc::CLONE_NEWPID as u64);
    /// System V IPC and POSIX message queues.
    pub const IPC: Namespaces = Namespaces(libc::CLONE_NEWIPC as u64);
    /// Network devices, routes, abstract sockets.
    pub const NET: Namespaces = Namespaces(libc::CLONE_NEWNET as u64);
    /// Host name.
    pub const UTS: Namespaces = Namespaces(libc::CLONE_NEWUTS as u64);
    /// Root of control groups.
    pub const CGROUP: Namespaces = Namespaces(libc::CLONE_NEWCGROUP as u64);

    /// No new namespace.
    pub const fn empty() -> Namespaces {
        Namespaces(0)
    }

    /// True when all of `other` are in the set.
    pub const fn contains(self, other: Namespaces) -> bool {
        self.0 & other.0 == other.0
    }

    /// `CLONE_NEW*` bits for system calls.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl BitOr for Namespaces {
    type Output = Namespaces;
    fn bitor(self, other: Namespaces) -> Namespaces {
        Namespaces(self.0 | other.0)
    }
}

/// A process this one has forked. Dropping it neither kills nor reaps.
#[derive(Debug)]
pub struct Child {
    /// Process id in the namespace of the caller.
    pub pid: i32,
    /// Readable when the process ends; `None` on kernels (or in sandboxes) without pidfds.
    pub pidfd: Option<OwnedFd>,
}

impl Child {
    /// Sends a signal, through the pidfd if there is one. Errors: ESRCH (it has ended), EPERM.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        match &self.pidfd {
            Some(fd) => pidfd_send_signal(fd.as_fd(), signal).or_else(|e| match e.raw_os_error() {
                Some(libc::ENOSYS) => kill(self.pid, signal),
                _ => Err(e),
            }),
            None => kill(self.pid, signal),
        }
    }
}

/// Which side of [`fork`] this is.
#[derive(Debug)]
pub enum Fork {
    /// The caller, with its new child.
    Parent(Child),
    /// The new process.
    Child,
}

/// Set once the kernel (or an outer sandbox) has refused clone3.
static NO_CLONE3: AtomicBool = AtomicBool::new(false);
/// SIGCHLD has been set to its default action in this process.
static REAPS: AtomicBool = AtomicBool::new(false);

/// Forks into the given new namespaces: clone3(2) with a pidfd, or clone(2) where clone3 is refused.
///
/// The child starts with an empty signal mask; handlers and ignored signals stay (see [`reset_signals`]). A signal
/// that arrives meanwhile is never handled on behalf of the wrong side. Must be called from a single-threaded
/// process.
///
/// Errors: EPERM, ENOSPC, EUSERS (user namespaces forbidden or exhausted), EAGAIN (process limit), ENOMEM.
pub fn fork(ns: Namespaces) -> io::Result<Fork> {
    fork_by(ns, 0, || clone_process(ns))
}

/// [`fork`] whose child starts with these signals blocked, until it collects them: the first process of a PID namespace
/// would otherwise lose those that come before (pid_namespaces(7)).
pub fn fork_first(ns: Namespaces, blocked: &[i32]) -> io::Result<Fork> {
    fork_by(ns, mask_of(blocked), || clone_process(ns))
}

/// The mask with these signals (1 to 64).
pub(super) fn mask_of(signals: &[i32]) -> u64 {
    let valid = signals.iter().filter(|s| (1..=64).contains(*s));
    valid.fold(0, |mask, signal| mask | (1 << (signal - 1)))
}

/// [`fork`] with the child in a control group of version 2 (its directory, open) from its first instruction:
/// `CLONE_INTO_CGROUP` of clone3(2), Linux 5.7. A new cgroup namespace has the group of the *parent* as its root.
///
/// Errors: as [`fork`]; ENOSYS where clone3 is refused (fork and move the child instead), EACCES, EBUSY (the group
/// hands controllers down and can have no processes), EOPNOTSUPP, ENODEV (the group is gone).
pub fn fork_into(ns: Namespaces, cgroup: BorrowedFd<'_>) -> io::Result<Fork> {
    fork_by(ns, 0, || clone3(ns, Some(cgroup)))
}

fn fork_by(ns: Namespaces, blocked: u64, clone: impl FnOnce() -> io::Result<Fork>) -> io::Result<Fork> {
    keep_children()?;
    let parent = std::process::id() as i32;
    let watch = if ns.contains(Namespaces::PID) {
        Some(watch_self(parent)?)
    } else {
        None
    };
    let old = set_mask(u64::MAX)?;
    let result = clone();
    if let Ok(Fork::Child) = result {
        let parent = if watch.is_some() { 0 } else { parent };
        now_child_of(parent, watch);
        set_mask(blocked)?;
    } else {
        set_mask(old)?;
    }
    result
}

/// A caller that ignored SIGCHLD would make our children vanish without a status.
fn keep_children() -> io::Result<()> {
    match REAPS.swap(true, Ordering::Relaxed) {
        true => Ok(()),
        false => default_action(libc::SIGCHLD),
    }
}

/// A new process has no children yet.
fn forget_children() {
    REAPS.store(false, Ordering::Relaxed);
}

/// Clones by the newest call that works.
fn clone_process(ns: Namespaces) -> io::Result<Fork> {
    if !NO_CLONE3.load(Ordering::Relaxed) {
        match clone3(ns, None) {
            // Docker's seccomp profile answers ENOSYS so that callers fall back; a few others answer EPERM,
            // which means "forbidden" from the kernel as well, so that only ENOSYS is taken for a missing call.
            Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => NO_CLONE3.store(true, Ordering::Relaxed),
            result => return result,
        }
    }
    clone(ns)
}

/// `CLONE_INTO_CGROUP`, which libc gives a type too narrow for it.
pub(super) const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// clone3(2), kernel 5.3.
fn clone3(ns: Namespaces, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Fork> {
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is plain data; zero is a valid value of every field.
    let mut args: libc::clone_args = unsafe { mem::zeroed() };
    args.flags = ns.0 | libc::CLONE_PIDFD as u64;
    args.pidfd = ptr::from_mut(&mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(group) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = group.as_raw_fd() as u64;
    }
    // SAFETY: args outlives the call and has the size given; no stack or CLONE_VM, so this is a plain fork; the
    // process is single-threaded (documented), hence the child's memory is consistent.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &mut args, mem::size_of::<libc::clone_args>()) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(Child {
            pid: pid as i32,
            // SAFETY: on success the kernel stored a new descriptor that nobody else owns.
            pidfd: (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) }),
        })),
    }
}

/// clone(2), then pidfd_open(2) where there is one.
fn clone(ns: Namespaces) -> io::Result<Fork> {
    let flags = ns.0 as libc::c_ulong | libc::SIGCHLD as libc::c_ulong;
    // SAFETY: no stack or CLONE_VM: a plain fork, of a single-threaded process. All pointer arguments are null, so
    // the order in which architectures take them does not matter (s390x takes flags second and is not supported).
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, 0usize, 0usize) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(Child {
            pid: pid as i32,
            pidfd: pidfd_open(pid as i32).ok(),
        })),
    }
}

/// pidfd_open(2), kernel 5.3. Close-on-exec.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: plain integers; the result is a fresh descriptor.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Replaces the process by `program` (a path, no search in PATH). `argv` includes the zeroth argument.
/// Returns only on failure: the errno of execve(2), or InvalidInput when a string contains a NUL.
pub fn exec(program: &Path, argv: &[OsString], env: &[(OsString, OsString)]) -> io::Error {
    match Program::new(program, argv, env) {
        Ok(program) => program.exec(),
        Err(e) => e,
    }
}

/// A program with its arguments and environment, as execve(2) takes them.
#[derive(Debug)]
pub struct Program {
    path: CString,
    /// What the pointers point to.
    _strings: Vec<CString>,
    argv: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
}

impl Program {
    /// For [`Program::exec`]; as for [`exec`]. Errors: InvalidInput when a string contains a NUL.
    pub fn new(path: &Path, argv: &[OsString], env: &[(OsString, OsString)]) -> io::Result<Program> {
        let c_string = |s: &OsStr| CString::new(s.as_bytes()).map_err(io::Error::from);
        let pair = |(name, value): &(OsString, OsString)| {
            c_string(&[name, value].map(|s| s.as_os_str()).join("=".as_ref()))
        };
        let words = argv.iter().map(|s| c_string(s));
        let strings: Vec<CString> = words.chain(env.iter().map(pair)).collect::<io::Result<_>>()?;
        let (words, variables) = strings.split_at(argv.len());
        Ok(Program {
            path: c_string(path.as_os_str())?,
            argv: pointers(words),
            env: pointers(variables),
            _strings: strings,
        })
    }

    /// Replaces the process; allocates nothing. Returns only on failure: the errno of execve(2).
    pub fn exec(&self) -> io::Error {
        // SAFETY: all strings are NUL-terminated and alive, both arrays end with a null pointer.
        unsafe { libc::execve(self.path.as_ptr(), self.argv.as_ptr(), self.env.as_ptr()) };
        io::Error::last_os_error()
    }
}

/// Null-terminated array of the strings' addresses.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
}

/// Ends a forked child without running exit handlers or flushing what the parent had buffered.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing runs afterwards.
    unsafe { libc::_exit(code) }
}

/// A pipe, both ends close-on-exec: (read, write).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: room for two descriptors.
    check(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: both have just been created and belong to us.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Makes `target` refer to the open file of `fd`, not close-on-exec. `target` is typically 0, 1 or 2.
pub fn dup_to(fd: BorrowedFd<'_>, target: i32) -> io::Result<()> {
    let fd = fd.as_raw_fd();
    if fd == target {
        // dup2 would leave the close-on-exec flag.
        // SAFETY: integer arguments only.
        return check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) });
    }
    // SAFETY: integer arguments; what `target` was before is closed, which the caller asks for.
    check(unsafe { libc::dup2(fd, target) })
}

/// Closes every descriptor from `first` up: close_range(2), or what `/proc/self/fd` lists, or all below the limit.
pub fn close_from(first: i32) -> io::Result<()> {
    // SAFETY: only called before exec; descriptors owned by Rust values are not used afterwards (documented).
    let r = unsafe { libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, 0) };
    if r == 0 {
        return Ok(());
    }
    for fd in open_descriptors().unwrap_or_else(|_| (first..descriptor_limit()).collect()) {
        if fd >= first {
            // SAFETY: as above; EBADF of the closed directory descriptor is harmless.
            unsafe { libc::close(fd) };
        }
    }
    Ok(())
}

/// Numbers in `/proc/self/fd`.
fn open_descriptors() -> io::Result<Vec<i32>> {
    let mut fds = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        fds.extend(entry?.file_name().to_str().and_then(|s| s.parse::<i32>().ok()));
    }
    Ok(fds)
}

/// Soft limit of open descriptors, at most a million.
fn descriptor_limit() -> i32 {
    let mut limit = libc::rlimit {
        rlim_cur: 1024,
        rlim_max: 1024,
    };
    // SAFETY: a valid rlimit to fill.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    limit.rlim_cur.min(1 << 20) as i32
}

/// Sends a signal through a pidfd, which can never hit a process that reuses the number.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: integer arguments and a null siginfo.
    let r = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    check(r as i32)
}

/// Moves `pid` (0 = this process) into the group `pgid` (0 = a new one named after the process).
pub fn set_process_group(pid: i32, pgid: i32) -> io::Result<()> {
    // SAFETY: integer arguments only.
    check(unsafe { libc::setpgid(pid, pgid) })
}

/// Signals that this process ignores: bit n-1 is signal n; all of them when `/proc` does not tell.
pub fn ignored_signals() -> u64 {
    signals_of_status(|status| signals(status, "SigIgn:")).unwrap_or(u64::MAX)
}

/// Gives every signal its default action and empties the mask, so that the program to be executed starts as from
/// a login shell (Rust's runtime ignores SIGPIPE, callers may ignore more).
pub fn reset_signals() -> io::Result<()> {
    let changed = signals_of_status(changed_signals).unwrap_or(u64::MAX);
    for signal in 1..=LAST_SIGNAL {
        let fixed = signal == libc::SIGKILL || signal == libc::SIGSTOP;
        if changed & (1 << (signal - 1)) != 0 && !fixed {
            default_action(signal)?;
        }
    }
    set_mask(0).map(drop)
}

/// What `read` finds in our `/proc/self/status`.
fn signals_of_status(read: impl FnOnce(&str) -> Option<u64>) -> Option<u64> {
    // In one read: this happens at every start of a program.
    let mut status = [0; 4096];
    let n = std::fs::File::open("/proc/self/status")
        .and_then(|mut file| io::Read::read(&mut file, &mut status))
        .ok()?;
    read(&String::from_utf8_lossy(status.get(..n)?))
}

/// Bits of the signals that are ignored or caught.
fn changed_signals(status: &str) -> Option<u64> {
    Some(signals(status, "SigIgn:")? | signals(status, "SigCgt:")?)
}

/// Bits of the signals in a field of `/proc/PID/status` (proc_pid_status(5)).
fn signals(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?.trim();
    // A shorter one was cut off at the end of the buffer.
    (line.len() == 16).then(|| u64::from_str_radix(line, 16).ok())?
}

/// SIG_DFL by the raw call, since libc refuses the two signals it keeps for itself.
pub(super) fn default_action(signal: i32) -> io::Result<()> {
    // All-zero is SIG_DFL without flags in the kernel's sigaction of every architecture; 64 bytes cover them all.
    let action = [0u64; 8];
    // SAFETY: a readable structure at least as large as the kernel's, no old action wanted, a mask of 8 bytes.
    let r = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            action.as_ptr(),
            ptr::null::<u64>(),
            8,
        )
    };
    check(r as i32)
}

/// Replaces the signal mask (bit n-1 = signal n); returns the former one.
pub(super) fn set_mask(mask: u64) -> io::Result<u64> {
    change_mask(libc::SIG_SETMASK, mask)
}

/// rt_sigprocmask(2) by the raw call; returns the former mask.
pub(super) fn change_mask(how: i32, mask: u64) -> io::Result<u64> {
    let mut old = 0u64;
    // SAFETY: both masks are 8 bytes, the size the kernel uses on 64-bit and 32-bit architectures with 64 signals.
    let r = unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &mask, &mut old, 8) };
    check(r as i32)?;
    Ok(old)
}

/// Becomes the user and group given: supplementary groups, then gid, then uid (real, effective, saved).
///
/// `groups` `None` leaves the supplementary groups. When they are to be empty and the namespace denies setgroups
/// (single-id maps), they stay as they are: then none of them has a meaning inside.
/// Errors: EINVAL (id not mapped), EPERM.
pub fn set_ids(uid: u32, gid: u32, groups: Option<&[u32]>) -> io::Result<()> {
    if let Some(groups) = groups {
        // Raw calls: the C library would try to apply the change to all threads.
        // SAFETY: the array is readable with the length given.
        let r = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
        match check(r as i32) {
            Err(e) if groups.is_empty() && e.raw_os_error() == Some(libc::EPERM) => {}
            result => result?,
        }
    }
    // SAFETY: integer arguments only.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) } as i32)?;
    // SAFETY: integer arguments only.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) } as i32)
}

/// -1 → errno.
pub(super) fn check(result: i32) -> io::Result<()> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
