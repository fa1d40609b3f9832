//! Capabilities (capabilities(7)): what a process may keep, and what programs must not get back.

use std::io;

use caps::{CapSet, Capability};

use super::process::check;

/// Version 3 of the interface: two words of 32 bits for each set.
const VERSION_3: u32 = 0x2008_0522;
/// The interface has room for this many capabilities.
const MOST: u32 = 64;
/// Names of the constants below by their number.
const NAMES: [(u32, &str); 10] = [
    (0, "chown"),
    (1, "dac_override"),
    (3, "fowner"),
    (4, "fsetid"),
    (5, "kill"),
    (6, "setgid"),
    (7, "setuid"),
    (8, "setpcap"),
    (10, "net_bind_service"),
    (18, "sys_chroot"),
];

/// A set of capabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Change owners of files.
    pub const CHOWN: Capabilities = Capabilities(1);
    /// Pass over permissions of files.
    pub const DAC_OVERRIDE: Capabilities = Capabilities(1 << 1);
    /// Act as the owner of every file.
    pub const FOWNER: Capabilities = Capabilities(1 << 3);
    /// Keep the setgid bit of files that are written to.
    pub const FSETID: Capabilities = Capabilities(1 << 4);
    /// Signal processes of other users.
    pub const KILL: Capabilities = Capabilities(1 << 5);
    /// Become any group, and choose supplementary ones.
    pub const SETGID: Capabilities = Capabilities(1 << 6);
    /// Become any user.
    pub const SETUID: Capabilities = Capabilities(1 << 7);
    /// Drop from the bounding set.
    pub const SETPCAP: Capabilities = Capabilities(1 << 8);
    /// Bind ports below 1024.
    pub const NET_BIND_SERVICE: Capabilities = Capabilities(1 << 10);
    /// chroot(2).
    pub const SYS_CHROOT: Capabilities = Capabilities(1 << 18);

    /// None.
    pub const fn empty() -> Capabilities {
        Capabilities(0)
    }

    /// True when there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both together.
    pub const fn and(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }

    fn has(self, number: u32) -> bool {
        self.0 & (1 << number) != 0
    }
}

/// `chown,kill`; `none` without any.
impl std::fmt::Display for Capabilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = NAMES.iter().filter(|(n, _)| self.has(*n)).map(|(_, name)| *name);
        let names: Vec<&str> = names.collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

/// From now on no program of this process tree can have anything but `keep`, whatever it executes.
///
/// Errors: EPERM without CAP_SETPCAP in the user namespace.
pub fn limit_bounding(keep: Capabilities) -> io::Result<()> {
    for number in (0..MOST).filter(|n| !keep.has(*n)) {
        // SAFETY: integer arguments only.
        let done = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number as libc::c_ulong, 0, 0, 0) };
        match check(done) {
            // The kernel knows no capability of this number, nor any above.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => return Ok(()),
            done => done?,
        }
    }
    Ok(())
}

/// Makes `set` the permitted, effective and inheritable capabilities of this process; what it does not have, it cannot
/// get (EPERM). `pass_on`: programs executed by another user than root keep them too (ambient); else nothing is
/// inheritable, so that files with capabilities give nothing (CVE-2022-29162).
pub fn reduce(set: Capabilities, pass_on: bool) -> io::Result<()> {
    let inheritable = if pass_on { set.0 } else { 0 };
    let header: [u32; 2] = [VERSION_3, 0];
    let low_high = |word: u32| [set.0, set.0, inheritable].map(|bits| (bits >> (32 * word)) as u32);
    let data: [[u32; 3]; 2] = [low_high(0), low_high(1)];
    // SAFETY: both arrays have the layout of version 3 (effective, permitted, inheritable; low words, high words).
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) } as i32)?;
    for number in (0..MOST).filter(|n| pass_on && set.has(*n)) {
        let raise = libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong;
        // SAFETY: integer arguments only.
        check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, number as libc::c_ulong, 0, 0) })?;
    }
    Ok(())
}

/// The next change from root to another user leaves the permitted capabilities.
pub fn keep_over_user_change() -> io::Result<()> {
    // SAFETY: integer arguments only.
    check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) })
}

/// From now on executing a program never gives more rights: no setuid, setgid, or file capabilities.
pub fn no_new_privileges() -> io::Result<()> {
    // SAFETY: integer arguments only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

/// From the next exec on nothing in this process tree can mount, unmount or remount in its user namespace, even as
/// root. New user namespaces may be made; mounts inherited into them are locked by the kernel.
///
/// Errors: EPERM without CAP_SETPCAP in the user namespace.
pub fn forbid_mounting() -> io::Result<()> {
    caps::drop(None, CapSet::Bounding, Capability::CAP_SYS_ADMIN)
        .map_err(|e| io::Error::new(io::ErrorKind::PermissionDenied, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{exit_now, fork, wait, Fork, Namespaces, Status, WaitOptions};

    #[test]
    fn what_is_not_kept_is_gone_for_good() {
        let keep = Capabilities::KILL.and(Capabilities::NET_BIND_SERVICE);
        assert_eq!(keep.to_string(), "kill,net_bind_service");
        assert_eq!(Capabilities::empty().to_string(), "none");
        let Fork::Parent(child) = fork(Namespaces::USER).unwrap() else {
            let done = limit_bounding(keep).and_then(|()| reduce(keep, true));
            let sets = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let is = |name: &str| sets.contains(&format!("{name}:\t0000000000000420\n"));
            let all = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
                .iter()
                .all(|name| is(name));
            let back = reduce(Capabilities::CHOWN, false).is_err();
            exit_now(if done.is_ok() && all && back { 0 } else { 1 });
        };
        let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Exited(0));
    }

    #[test]
    fn the_bounding_set_shrinks() {
        let Fork::Parent(child) = fork(Namespaces::USER).unwrap() else {
            let has = || caps::has_cap(None, CapSet::Bounding, Capability::CAP_SYS_ADMIN);
            let right = matches!(has(), Ok(true)) && forbid_mounting().is_ok() && matches!(has(), Ok(false));
            exit_now(if right { 0 } else { 1 });
        };
        let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Exited(0));
    }
}
