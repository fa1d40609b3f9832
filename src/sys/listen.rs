//! Listening TCP sockets with the options that services want (tcp(7), socket(7)).

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sys::socket::{bind, getsockname, getsockopt, sockopt, SockaddrStorage};

use super::process::check;

/// How to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// `SO_REUSEADDR`: connections of a former listener do not prevent this one.
    pub reuse_addr: bool,
    /// `SO_REUSEPORT`: several sockets of the same user share the address.
    pub reuse_port: bool,
    /// `O_NONBLOCK`.
    pub non_block: bool,
    /// Connections that wait for accept(2).
    pub backlog: i32,
}

/// Opens, binds and listens; close-on-exec. An IPv6 address is only that, also `::`.
///
/// Errors: EADDRINUSE, EACCES (ports below 1024), EADDRNOTAVAIL.
pub fn tcp(address: SocketAddr, options: &Options) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let block = if options.non_block { libc::SOCK_NONBLOCK } else { 0 };
    // SAFETY: integer arguments only.
    let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | block, 0) };
    check(fd)?;
    // SAFETY: the kernel has just given us this descriptor.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    if address.is_ipv6() {
        set(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)?;
    }
    if options.reuse_addr {
        set(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    }
    if options.reuse_port {
        set(&fd, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    // SAFETY: integer arguments only.
    check(unsafe { libc::listen(fd.as_raw_fd(), options.backlog) })?;
    Ok(fd)
}

/// Where a descriptor listens; `None`: it is no listening TCP socket.
pub fn listens_at(fd: BorrowedFd<'_>) -> Option<SocketAddr> {
    let listens = getsockopt(&fd.as_fd(), sockopt::AcceptConn).ok()?;
    let address: SockaddrStorage = getsockname(fd.as_raw_fd()).ok()?;
    let v4 = address
        .as_sockaddr_in()
        .map(|a| SocketAddr::from((a.ip(), a.port())));
    let v6 = address
        .as_sockaddr_in6()
        .map(|a| SocketAddr::from((a.ip(), a.port())));
    v4.or(v6).filter(|_| listens)
}

/// [`tcp`] with the socket's inode belonging to a user and group of the host.
pub fn tcp_owned(address: SocketAddr, options: &Options, uid: u32, gid: u32) -> io::Result<OwnedFd> {
    let (user, group) = (filesystem_user(uid), filesystem_group(gid));
    let result = tcp(address, options);
    filesystem_user(user);
    filesystem_group(group);
    result
}

/// setfsuid(2), of this thread; returns what it was.
fn filesystem_user(uid: u32) -> u32 {
    // SAFETY: integer arguments only; it never fails, at most it has no effect.
    unsafe { libc::syscall(libc::SYS_setfsuid, uid) as u32 }
}

/// setfsgid(2), of this thread; returns what it was.
fn filesystem_group(gid: u32) -> u32 {
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_setfsgid, gid) as u32 }
}

fn set(fd: &OwnedFd, level: i32, option: i32) -> io::Result<()> {
    let one: libc::c_int = 1;
    let size = std::mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: a readable integer of the size told.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(&one).cast(),
            size,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_listener_is_reached_and_can_share_its_port() {
        let options = Options {
            reuse_addr: true,
            reuse_port: true,
            non_block: false,
            backlog: 5,
        };
        for host in ["127.0.0.1:0", "[::1]:0"] {
            // A machine may have no IPv6.
            let Ok(fd) = tcp(host.parse().unwrap(), &options) else {
                assert!(host.starts_with('['));
                continue;
            };
            let address = TcpListener::from(fd.try_clone().unwrap()).local_addr().unwrap();
            TcpStream::connect(address).unwrap();
            let second = tcp(address, &options).unwrap();
            drop(fd);
            drop(second);
        }
    }

    #[test]
    fn listening_sockets_tell_their_address_and_belong_to_their_user() {
        let options = Options {
            reuse_addr: true,
            reuse_port: false,
            non_block: false,
            backlog: 7,
        };
        let mine = nix::unistd::getuid();
        let uid = if mine.is_root() { 4711 } else { mine.as_raw() };
        let gid = nix::unistd::getgid().as_raw();
        let fd = tcp_owned("127.0.0.1:0".parse().unwrap(), &options, uid, gid).unwrap();
        assert_eq!(nix::sys::stat::fstat(&fd).unwrap().st_uid, uid);
        let address = listens_at(fd.as_fd()).unwrap();
        assert!(address.port() != 0 && address.ip().is_loopback());
        let client = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(listens_at(client.as_fd()), None);
        assert_eq!(
            listens_at(std::fs::File::open("/dev/null").unwrap().as_fd()),
            None
        );
        assert_eq!(
            tcp(address, &options).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
    }
}
