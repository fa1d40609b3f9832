//! Capabilities (capabilities(7)) that programs must not get back.

use std::io;

use caps::{CapSet, Capability};

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
