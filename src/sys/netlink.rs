//! The network of the kernel over netlink(7), without any program: links, addresses, routes, neighbours
//! ([`rtnetlink(7)`](https://man7.org/linux/man-pages/man7/rtnetlink.7.html)) and packet filters ([`nftables`]).
//!
//! A socket acts on the network namespace in which it was opened, whatever the process does later. What is done needs
//! CAP_NET_ADMIN in the user namespace of that network: the root of a user namespace has it for its own networks.
//! Every error says what was attempted, and what the kernel adds in words; its kind is `NotFound` for links that do not
//! exist, `AlreadyExists`, `PermissionDenied`, and `Unsupported` where the kernel lacks the facility.

mod address;
mod link;
mod message;
pub mod nftables;
mod route;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::process::check;
use message::{attribute, messages, read_u32, text, Message, Received, HEADER};

pub use address::Address;
pub use link::{Ipv4Option, Link, LinkKind};
pub use route::{Neighbour, Route};

/// Longest wait for an answer, seconds: the kernel answers at once or never.
const PATIENCE: i64 = 10;
/// Room for one datagram of answers; the kernel fills at most 32 KiB.
const DATAGRAM: usize = 64 << 10;
/// Attribute with the kernel's words in an extended acknowledgement.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A netlink socket of one network namespace.
#[derive(Debug)]
pub struct Netlink {
    fd: OwnedFd,
    sequence: u32,
}

/// What was attempted and why it failed; inside of the `io::Error`s of this module.
#[derive(Debug)]
struct Refused {
    what: String,
    error: io::Error,
    words: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.error)?;
        match self.words.as_str() {
            "" => Ok(()),
            words => write!(f, " ({words})"),
        }
    }
}

impl std::error::Error for Refused {}

/// The errno inside of an error of this module.
pub fn errno(error: &io::Error) -> Option<i32> {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<Refused>());
    inner.map_or(error, |refused| &refused.error).raw_os_error()
}

/// The error of an attempt.
fn refused(what: &str, error: io::Error, words: String) -> io::Error {
    let kind = match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => io::ErrorKind::NotFound,
        Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::EOPNOTSUPP) => io::ErrorKind::Unsupported,
        _ => error.kind(),
    };
    let what = what.to_string();
    io::Error::new(kind, Refused { what, error, words })
}

impl Netlink {
    /// For links, addresses, routes and neighbours of the current network namespace.
    pub fn route() -> io::Result<Netlink> {
        Netlink::open(libc::NETLINK_ROUTE).map_err(|e| refused("netlink", e, String::new()))
    }

    /// For packet filters of the current network namespace. `Unsupported` on kernels without nfnetlink.
    pub fn netfilter() -> io::Result<Netlink> {
        Netlink::open(libc::NETLINK_NETFILTER).map_err(|e| refused("nftables", e, String::new()))
    }

    fn open(protocol: i32) -> io::Result<Netlink> {
        // SAFETY: integer arguments only.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
        check(fd)?;
        // SAFETY: the kernel has just given us this descriptor.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let patience = libc::timeval {
            tv_sec: PATIENCE,
            tv_usec: 0,
        };
        set_option(&fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &patience)?;
        // Words in errors, without the request echoed; older kernels only lack the words.
        let _ = set_option(&fd, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, &1i32);
        let _ = set_option(&fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, &1i32);
        Ok(Netlink { fd, sequence: 0 })
    }

    /// Sends one request and waits for its acknowledgement. `what` is for the error.
    fn request(&mut self, what: &str, message: Message) -> io::Result<()> {
        self.sequence += 1;
        let bytes = message.finish(self.sequence);
        self.send(&bytes)
            .and_then(|()| self.acknowledged(self.sequence, self.sequence))
            .map_err(|(e, words)| refused(what, e, words))
    }

    /// Sends several messages as one datagram (a transaction of nfnetlink); the last but one asks for the
    /// acknowledgement, which comes when all have succeeded.
    fn transact(&mut self, what: &str, batch: Vec<Message>) -> io::Result<()> {
        let first = self.sequence + 1;
        let mut bytes = Vec::new();
        for message in batch {
            self.sequence += 1;
            bytes.extend(message.finish(self.sequence));
        }
        let last = self.sequence - 1;
        self.send(&bytes)
            .and_then(|()| self.acknowledged(first, last))
            .map_err(|(e, words)| refused(what, e, words))
    }

    /// Sends a request whose answer is a list (or one message) and reads all of it.
    fn query<T>(
        &mut self,
        what: &str,
        message: Message,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        self.sequence += 1;
        let bytes = message.finish(self.sequence);
        self.send(&bytes)
            .and_then(|()| self.answers(read))
            .map_err(|(e, words)| refused(what, e, words))
    }

    fn send(&self, bytes: &[u8]) -> Result<(), (io::Error, String)> {
        // SAFETY: the buffer is alive and has the length given; netlink needs no address to reach the kernel.
        let n = unsafe { libc::send(self.fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
        match n {
            -1 => Err(plain(io::Error::last_os_error())),
            _ => Ok(()),
        }
    }

    /// Reads until the message `last` is acknowledged, or one of `first..=last` has failed.
    fn acknowledged(&self, first: u32, last: u32) -> Result<(), (io::Error, String)> {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            for m in messages(self.receive(&mut buffer)?) {
                // Leftovers of earlier requests are not ours.
                if !(first..=last).contains(&m.sequence) || i32::from(m.kind) != libc::NLMSG_ERROR {
                    continue;
                }
                outcome(&m)?;
                if m.sequence == last {
                    return Ok(());
                }
            }
        }
    }

    /// Reads the answers of the current request up to their end.
    fn answers<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, (io::Error, String)> {
        let mut buffer = vec![0; DATAGRAM];
        let mut found = Vec::new();
        loop {
            for m in messages(self.receive(&mut buffer)?) {
                if m.sequence != self.sequence {
                    continue;
                }
                match i32::from(m.kind) {
                    libc::NLMSG_DONE => return Ok(found),
                    libc::NLMSG_ERROR => {
                        outcome(&m)?;
                        return Ok(found);
                    }
                    _ => found.extend(read(m.body)),
                }
            }
        }
    }

    fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<&'a [u8], (io::Error, String)> {
        loop {
            // SAFETY: the buffer is alive and has the length given.
            let n = unsafe { libc::recv(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            if n >= 0 {
                return Ok(buffer.get(..n as usize).unwrap_or_default());
            }
            let e = io::Error::last_os_error();
            match e.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN) => {
                    return Err((
                        io::ErrorKind::TimedOut.into(),
                        "the kernel does not answer".into(),
                    ))
                }
                _ => return Err(plain(e)),
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A socket that another process has made, in its network namespace.
impl From<OwnedFd> for Netlink {
    fn from(fd: OwnedFd) -> Netlink {
        // Answers to its maker, if there are any, have smaller numbers.
        let sequence = 1 << 16;
        Netlink { fd, sequence }
    }
}

fn plain(e: io::Error) -> (io::Error, String) {
    (e, String::new())
}

/// What an NLMSG_ERROR says: 0 is an acknowledgement.
fn outcome(m: &Received<'_>) -> Result<(), (io::Error, String)> {
    let errno = read_u32(m.body, 0).unwrap_or_default() as i32;
    if errno == 0 {
        return Ok(());
    }
    let error = io::Error::from_raw_os_error(errno.wrapping_neg());
    if i32::from(m.flags) & libc::NLM_F_ACK_TLVS == 0 {
        return Err(plain(error));
    }
    let echoed = match i32::from(m.flags) & libc::NLM_F_CAPPED {
        0 => read_u32(m.body, 4).unwrap_or_default() as usize,
        _ => HEADER,
    };
    let words = m.body.get(4 + echoed..).unwrap_or_default();
    Err((
        error,
        attribute(words, NLMSGERR_ATTR_MSG).map(text).unwrap_or_default(),
    ))
}

fn set_option<T>(fd: &OwnedFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    // SAFETY: the value is plain data, alive, and has the size given.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            mem::size_of::<T>() as libc::socklen_t,
        )
    })
}
