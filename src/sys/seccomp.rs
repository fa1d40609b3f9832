//! System call filters (seccomp(2)): calls that answer with an errno, or with success, without being executed.
//!
//! Filters are inherited by all descendants and cannot be taken back. Programs of another architecture (32-bit
//! programs on a 64-bit kernel) are not filtered.

mod allow;

use std::collections::BTreeMap;
use std::io;
use std::ptr;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::process::check;
pub use allow::{allow_only, Exception};

/// `SECCOMP_SET_MODE_FILTER` of `linux/seccomp.h`.
const SET_MODE_FILTER: u32 = 1;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;
/// `SECCOMP_RET_ALLOW`.
const ALLOW: u32 = 0x7fff_0000;

/// System calls younger than Linux 5.1 that the toolkit has a fallback for; kernels and outer sandboxes of users
/// refuse them.
pub const YOUNG_CALLS: &[(&str, i64)] = &[
    ("openat2", libc::SYS_openat2),
    ("clone3", libc::SYS_clone3),
    ("close_range", libc::SYS_close_range),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("open_tree", libc::SYS_open_tree),
    ("move_mount", libc::SYS_move_mount),
    ("fsopen", libc::SYS_fsopen),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("fspick", libc::SYS_fspick),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
    ("faccessat2", libc::SYS_faccessat2),
    ("epoll_pwait2", libc::SYS_epoll_pwait2),
];

/// Older forms of chown.
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
const OLD_CHOWN: &[i64] = &[libc::SYS_chown, libc::SYS_lchown];
/// This architecture has only the newer forms.
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
const OLD_CHOWN: &[i64] = &[];

/// Calls that change the owner of files or the ids of the process, on every architecture.
const OWNERSHIP: &[i64] = &[
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setgroups,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
];

/// From now on these calls fail with `errno`, in this process and all its descendants.
///
/// Errors: EACCES when neither CAP_SYS_ADMIN nor `no_new_privs` can be had, EINVAL without seccomp in the kernel.
pub fn refuse(syscalls: &[i64], errno: i32) -> io::Result<()> {
    install(&refusing(syscalls, errno)?)
}

/// From now on sockets of this domain and protocol (socket(2)) cannot be made, as on a kernel without the protocol, in
/// this process and all its descendants. Errors: as of [`refuse`].
pub fn refuse_sockets(domain: i32, protocol: i32) -> io::Result<()> {
    let equals = |argument, value: i32| {
        SeccompCondition::new(
            argument,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Eq,
            u64::from(value as u32),
        )
        .map_err(backend)
    };
    let rule = SeccompRule::new(vec![equals(0, domain)?, equals(2, protocol)?]).map_err(backend)?;
    let rules = BTreeMap::from([(libc::SYS_socket, vec![rule])]);
    install(&compile(rules, libc::EPROTONOSUPPORT as u32)?)
}

/// From now on calls that change owners, ids of the process, or make device nodes succeed without any effect.
///
/// For builds in a user namespace with a single id, where dpkg, apt, apk and tar would otherwise stop: every file
/// then belongs to the user, as without root.
pub fn fake_ownership() -> io::Result<()> {
    install(&faking()?)
}

fn refusing(syscalls: &[i64], errno: i32) -> io::Result<BpfProgram> {
    let rules = syscalls.iter().map(|&call| (call, Vec::new())).collect();
    compile(rules, errno as u32)
}

fn faking() -> io::Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = OWNERSHIP
        .iter()
        .chain(OLD_CHOWN)
        .map(|&call| (call, Vec::new()))
        .collect();
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    rules.insert(libc::SYS_mknod, device_modes(1)?);
    rules.insert(libc::SYS_mknodat, device_modes(2)?);
    compile(rules, 0)
}

/// Matches when argument number `argument` is the mode of a device node.
fn device_modes(argument: u8) -> io::Result<Vec<SeccompRule>> {
    [libc::S_IFCHR, libc::S_IFBLK]
        .into_iter()
        .map(|kind| {
            let mask = SeccompCmpOp::MaskedEq(u64::from(libc::S_IFMT));
            let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, mask, u64::from(kind))
                .map_err(backend)?;
            SeccompRule::new(vec![condition]).map_err(backend)
        })
        .collect()
}

/// A program that answers the calls in `rules` with `errno` and allows everything else.
fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: u32) -> io::Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(backend)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), arch)
        .map_err(backend)?;
    let mut program = BpfProgram::try_from(filter).map_err(backend)?;
    // The third instruction kills programs of another architecture; they are none of our business.
    match program.get_mut(2) {
        Some(i) if i.code == RETURN && i.k == libc::SECCOMP_RET_KILL_PROCESS => i.k = ALLOW,
        _ => return Err(io::Error::other("seccomp filter has an unexpected shape")),
    }
    Ok(program)
}

fn backend(e: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("seccomp filter: {e}"))
}

/// Installs without `no_new_privs` where that is allowed, so that set-user-id programs keep working.
fn install(program: &BpfProgram) -> io::Result<()> {
    match set_filter(program) {
        Err(e) if e.raw_os_error() == Some(libc::EACCES) => {
            // SAFETY: integer arguments only.
            check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
            set_filter(program)
        }
        result => result,
    }
}

fn set_filter(program: &BpfProgram) -> io::Result<()> {
    let fprog = libc::sock_fprog {
        len: program.len() as u16,
        // seccompiler's sock_filter has the layout of the kernel's (repr(C)); the kernel only reads it.
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the program is alive during the call and has the length given.
    check(unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, 0, ptr::from_ref(&fprog)) } as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{
        exit_now, fork, pidfd_open, set_ids, wait, Fork, Namespaces, Status, WaitOptions,
    };
    use std::os::unix::fs::{chown, MetadataExt};

    /// True when `f` says so in a child, where filters may stay.
    fn in_child(f: impl FnOnce() -> io::Result<bool>) -> bool {
        match fork(Namespaces::empty()).unwrap() {
            Fork::Child => exit_now(if matches!(f(), Ok(true)) { 0 } else { 1 }),
            Fork::Parent(child) => {
                let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
                status == Status::Exited(0)
            }
        }
    }

    #[test]
    fn refused_calls_fail_and_forking_falls_back() {
        assert!(in_child(|| {
            let calls: Vec<i64> = YOUNG_CALLS.iter().map(|(_, number)| *number).collect();
            refuse(&calls, libc::ENOSYS)?;
            let refused = pidfd_open(1).unwrap_err().raw_os_error() == Some(libc::ENOSYS);
            let status = match fork(Namespaces::empty())? {
                Fork::Child => exit_now(6),
                Fork::Parent(child) => wait(Some(child.pid), WaitOptions::default())?.map(|(_, s)| s),
            };
            crate::sys::process::close_from(1000)?;
            Ok(refused && status == Some(Status::Exited(6)))
        }));
    }

    #[test]
    fn ownership_is_faked() {
        let file = std::env::temp_dir().join(format!("vagga-seccomp-{}", std::process::id()));
        std::fs::write(&file, "").unwrap();
        let ok = in_child(|| {
            let before = std::fs::metadata(&file)?.uid();
            let me = nix::unistd::getuid();
            fake_ownership()?;
            chown(&file, Some(12345), Some(12345))?;
            set_ids(12345, 12345, Some(&[1, 2]))?;
            let unchanged = std::fs::metadata(&file)?.uid() == before && nix::unistd::getuid() == me;
            let fifo = file.with_extension("fifo");
            nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR)?;
            let device = file.with_extension("dev");
            nix::sys::stat::mknod(
                &device,
                nix::sys::stat::SFlag::S_IFCHR,
                nix::sys::stat::Mode::S_IRUSR,
                0x103,
            )?;
            let result = unchanged && fifo.exists() && !device.exists();
            std::fs::remove_file(&fifo)?;
            Ok(result)
        });
        std::fs::remove_file(&file).unwrap();
        assert!(ok);
    }
}
