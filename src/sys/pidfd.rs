//! Processes by descriptor, also those that are not our children: pidfd_open(2), pidfd_getfd(2).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A descriptor of a process, readable when it has ended; close-on-exec.
///
/// Errors: ESRCH (no such process), ENOSYS (kernels before 5.3).
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: integer arguments only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    owned(fd)
}

/// A copy of a descriptor of another process; close-on-exec.
///
/// Errors: EPERM (no right to trace it), EBADF (it has no such descriptor), ESRCH, ENOSYS (kernels before 5.6).
pub fn take(process: BorrowedFd<'_>, fd: i32) -> io::Result<OwnedFd> {
    // SAFETY: integer arguments only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) };
    owned(fd)
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll;
    use crate::sys::process::{self, Fork, Namespaces, WaitOptions};
    use std::io::Read;
    use std::os::fd::AsFd;

    #[test]
    fn descriptors_of_another_process_can_be_taken_and_its_end_seen() {
        let (release, hold) = process::pipe().unwrap();
        let Fork::Parent(child) = process::fork(Namespaces::empty()).unwrap() else {
            drop(hold);
            let _ = std::fs::File::from(release).read(&mut [0]);
            process::exit_now(0);
        };
        let process = open(child.pid).unwrap();
        match take(process.as_fd(), release.as_raw_fd()) {
            Ok(copy) => assert_ne!(copy.as_raw_fd(), release.as_raw_fd()),
            // Some outer sandboxes refuse it.
            Err(e) => assert!(
                matches!(e.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)),
                "{e}"
            ),
        }
        assert!(take(process.as_fd(), 987_654).is_err());
        drop(hold);
        assert_eq!(poll::wait(&[process.as_fd()], None).unwrap(), [true]);
        process::wait(Some(child.pid), WaitOptions::default()).unwrap();
        assert!(open(child.pid).is_err());
    }
}
