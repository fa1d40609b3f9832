//! The loopback interface of a fresh network namespace (netdevice(7)).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::process::check;

/// Brings `lo` up in the network namespace of this process. The kernel gives it 127.0.0.1 and ::1 itself.
///
/// Errors: EPERM without CAP_NET_ADMIN in the namespace.
pub fn up() -> io::Result<()> {
    // SAFETY: integer arguments only.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    check(fd)?;
    // SAFETY: the kernel has just given us this descriptor.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: ifreq is plain data; zero is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: SIOCSIFFLAGS reads an ifreq with name and flags.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{exit_now, fork, wait, Fork, Namespaces, Status, WaitOptions};

    #[test]
    fn fresh_namespace_reaches_itself() {
        let Fork::Parent(child) = fork(Namespaces::USER | Namespaces::NET).unwrap() else {
            let ok = up().is_ok()
                && std::net::TcpListener::bind("127.0.0.1:0")
                    .and_then(|l| std::net::TcpStream::connect(l.local_addr()?))
                    .is_ok();
            exit_now(if ok { 0 } else { 1 });
        };
        let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Exited(0));
    }
}
