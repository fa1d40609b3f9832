//! Keyrings of the kernel (keyrings(7)).

use std::io;

/// `KEYCTL_JOIN_SESSION_KEYRING` of `linux/keyctl.h`.
const JOIN_SESSION_KEYRING: libc::c_ulong = 1;

/// Leaves the caller's session keyring for a new, empty one: keys of the login session (Kerberos, encrypted
/// directories) would otherwise come along into every container.
///
/// Errors: ENOSYS (no keyrings in the kernel), EDQUOT.
pub fn forget_session() -> io::Result<()> {
    let none: *const libc::c_char = std::ptr::null();
    // SAFETY: a null name asks for an anonymous keyring; integers else.
    let serial = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, none, 0, 0, 0) };
    super::process::check(if serial == -1 { -1 } else { 0 })
}
