//! Children on behalf of the parent: forked by a process that has prepared namespaces, waited for by its parent.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::process::{self, check, mask_of, set_mask, Namespaces};

/// Forks into new namespaces (clone(2), CLONE_PARENT): the new process is a child of our parent, who must be in the
/// same PID namespace. `None` in the child, its process id otherwise.
///
/// As for [`process::fork_first`]: single-threaded callers only, the child starts with only these signals blocked.
pub fn fork_sibling(ns: Namespaces, blocked: &[i32]) -> io::Result<Option<i32>> {
    fork_by(blocked, || {
        let flags = ns.bits() as libc::c_ulong | (libc::CLONE_PARENT | libc::SIGCHLD) as libc::c_ulong;
        // SAFETY: no stack or CLONE_VM: a plain fork, of a single-threaded process; pointer arguments are null.
        unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, 0usize, 0usize) }
    })
}

/// [`fork_sibling`] with the child in a control group of version 2 from its first instruction, see
/// [`process::fork_into`]. Moving it there later would make every fork of the machine wait for some milliseconds.
///
/// Errors: as there; ENOSYS where clone3(2) is refused.
pub fn fork_sibling_into(ns: Namespaces, blocked: &[i32], cgroup: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    // SAFETY: clone_args is plain data; zero is a valid value of every field.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    // The signal at the end is that of the parent's child who calls; clone3 takes none here.
    args.flags = ns.bits() | libc::CLONE_PARENT as u64 | process::CLONE_INTO_CGROUP;
    args.cgroup = cgroup.as_raw_fd() as u64;
    fork_by(blocked, || {
        // SAFETY: args outlives the call and has the size given; otherwise as for clone above.
        unsafe { libc::syscall(libc::SYS_clone3, &args, std::mem::size_of::<libc::clone_args>()) }
    })
}

fn fork_by(blocked: &[i32], clone: impl FnOnce() -> libc::c_long) -> io::Result<Option<i32>> {
    // SAFETY: no arguments, cannot fail.
    let watch: Option<OwnedFd> = process::pidfd_open(unsafe { libc::getppid() }).ok();
    let old = set_mask(u64::MAX)?;
    let pid = clone();
    if pid == 0 {
        process::now_child_of(0, watch);
        set_mask(mask_of(blocked))?;
        return Ok(None);
    }
    let error = check(pid as i32);
    set_mask(old)?;
    error.map(|()| Some(pid as i32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{exit_now, fork, wait, Fork, Status, WaitOptions};

    #[test]
    fn the_parent_waits_for_the_sibling() {
        // A process of its own, since tests run side by side and wait for any child here.
        let Fork::Parent(outer) = fork(Namespaces::empty()).unwrap() else {
            let Ok(Fork::Parent(_)) = fork(Namespaces::empty()).inspect(|side| {
                if matches!(side, Fork::Child) {
                    match fork_sibling(Namespaces::empty(), &[]) {
                        Ok(None) => {
                            let asked = process::set_parent_death_signal(libc::SIGKILL);
                            exit_now(if asked.is_ok() { 7 } else { 1 })
                        }
                        Ok(Some(_)) => exit_now(5),
                        Err(_) => exit_now(1),
                    }
                }
            }) else {
                exit_now(1)
            };
            let ends: Vec<_> = (0..2).map(|_| wait(None, WaitOptions::default())).collect();
            let mut codes: Vec<_> = ends
                .iter()
                .flatten()
                .flatten()
                .map(|(_, s)| s.exit_code())
                .collect();
            codes.sort_unstable();
            exit_now(if codes == [5, 7] { 0 } else { 1 })
        };
        let (_, status) = wait(Some(outer.pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Exited(0));
    }
}
