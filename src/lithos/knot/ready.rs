//! Readiness: whether a service has done what shows that it serves. Looks while it is asked for, then never again.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use nix::sys::socket::{recvmsg, setsockopt, sockopt, ControlMessageOwned, MsgFlags, UnixCredentials};

use super::design::{Condition, Ready};
use crate::sys::path::Root;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Time a connection may take.
const CONNECT: Duration = Duration::from_millis(200);
/// Longest notification that is read, bytes.
const LONGEST: usize = 4096;
/// Most notifications that are read between two looks at other things.
const AT_ONCE: usize = 64;

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing new.
    Pending,
    /// It is ready; said once.
    Ready,
    /// It was not in its time; said once.
    TooLate,
}

/// What is being waited for, if anything.
#[derive(Debug, Default)]
pub struct Readiness {
    wanted: Option<Wanted>,
    socket: Option<(UnixDatagram, String)>,
    asked: bool,
}

#[derive(Debug)]
struct Wanted {
    condition: Condition,
    until: Instant,
    next: Instant,
}

impl Readiness {
    /// Begins to look. `name` of the container, for the notification socket.
    pub fn begin(ready: Option<&Ready>, name: &str) -> io::Result<Readiness> {
        let Some(ready) = ready else {
            return Ok(Readiness::default());
        };
        let now = Instant::now();
        let socket = match ready.condition {
            Condition::Notify => Some(listen(name)?),
            _ => None,
        };
        Ok(Readiness {
            wanted: Some(Wanted {
                condition: ready.condition.clone(),
                until: now + ready.timeout,
                next: now,
            }),
            socket,
            asked: true,
        })
    }

    /// The time for it begins now.
    pub fn begin_again(&mut self, ready: Option<&Ready>) {
        let now = Instant::now();
        if let (Some(wanted), Some(ready)) = (&mut self.wanted, ready) {
            (wanted.until, wanted.next) = (now + ready.timeout, now);
        }
    }

    /// Nobody asked: a process that runs counts as ready.
    pub fn is_unasked(&self) -> bool {
        !self.asked
    }

    /// Value of `NOTIFY_SOCKET`.
    pub fn address(&self) -> Option<&str> {
        self.socket.as_ref().map(|(_, address)| address.as_str())
    }

    /// Readable when something was notified. It is read as long as the process runs: a queue that is full would stop the
    /// process at its next message.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(|(socket, _)| socket.as_fd())
    }

    /// When to look next.
    pub fn deadline(&self) -> Option<Instant> {
        let wanted = self.wanted.as_ref()?;
        Some(match wanted.condition {
            Condition::Notify => wanted.until,
            _ => wanted.next.min(wanted.until),
        })
    }

    /// The process ended.
    pub fn cancel(&mut self) {
        self.wanted = None;
        self.socket = None;
    }

    /// Looks, if it is time.
    pub fn look(&mut self, now: Instant) -> Verdict {
        let Some(wanted) = &mut self.wanted else {
            self.socket.as_ref().map(|(socket, _)| notified(socket));
            return Verdict::Pending;
        };
        let is_ready = match &wanted.condition {
            Condition::Notify => self.socket.as_ref().is_some_and(|(socket, _)| notified(socket)),
            _ if now < wanted.next => false,
            Condition::Tcp(address) => TcpStream::connect_timeout(address, CONNECT).is_ok(),
            Condition::File(path) => Root::open("/").and_then(|root| root.stat(path)).is_ok(),
        };
        wanted.next = wanted.next.max(now) + PAUSE;
        if is_ready {
            // The socket stays open: later notifications of the process must not fail.
            self.wanted = None;
            return Verdict::Ready;
        }
        if now >= wanted.until {
            self.wanted = None;
            return Verdict::TooLate;
        }
        Verdict::Pending
    }
}

/// A name in the abstract namespace: it needs no writable directory, and the sender is checked anyway.
fn listen(name: &str) -> io::Result<(UnixDatagram, String)> {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_nanos());
    let name = format!("lithos/{name}/{nanos:x}");
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes())?)?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::PassCred, &true)?;
    Ok((socket, format!("@{name}")))
}

/// Whether one of the waiting messages (the first [`AT_ONCE`]) says so, and comes from a process of this container: others have
/// no number in its PID namespace.
fn notified(socket: &UnixDatagram) -> bool {
    let mut ready = false;
    for _ in 0..AT_ONCE {
        let mut buffer = [0; LONGEST];
        let mut control = nix::cmsg_space!(UnixCredentials);
        let mut parts = [io::IoSliceMut::new(&mut buffer)];
        let got = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC,
        );
        let Ok(got) = got else { return ready };
        let length = got.bytes;
        let ours = got.cmsgs().is_ok_and(|mut all| {
            all.any(|m| matches!(m, ControlMessageOwned::ScmCredentials(c) if c.pid() > 0))
        });
        let text = buffer.get(..length).unwrap_or_default();
        ready |= ours && text.split(|b| *b == b'\n').any(|line| line == b"READY=1");
    }
    ready
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(condition: Condition) -> Ready {
        Ready {
            condition,
            timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn nothing_asked_is_never_due() {
        let mut none = Readiness::begin(None, "a/b.0").unwrap();
        assert!(none.is_unasked() && none.deadline().is_none() && none.fd().is_none());
        assert_eq!(none.look(Instant::now()), Verdict::Pending);
    }

    #[test]
    fn port_is_ready_once_it_answers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut watch = Readiness::begin(Some(&ready(Condition::Tcp(address))), "a/b.0").unwrap();
        assert_eq!(watch.look(Instant::now()), Verdict::Ready);
        assert_eq!(watch.look(Instant::now()), Verdict::Pending, "said once");
        drop(listener);
        let mut watch = Readiness::begin(Some(&ready(Condition::Tcp(address))), "a/b.0").unwrap();
        assert_eq!(watch.look(Instant::now()), Verdict::Pending);
        let late = Instant::now() + Duration::from_secs(6);
        assert_eq!(watch.look(late), Verdict::TooLate);
    }

    #[test]
    fn notification_of_the_documented_form_counts() {
        let mut watch = Readiness::begin(Some(&ready(Condition::Notify)), "a/b.0").unwrap();
        let name = watch.address().unwrap().strip_prefix('@').unwrap().to_string();
        let sender = UnixDatagram::unbound().unwrap();
        let to = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        sender.send_to_addr(b"STATUS=READY=1", &to).unwrap();
        assert_eq!(watch.look(Instant::now()), Verdict::Pending);
        sender.send_to_addr(b"STATUS=x\nREADY=1\n", &to).unwrap();
        assert_eq!(watch.look(Instant::now()), Verdict::Ready);
        sender.set_nonblocking(true).unwrap();
        for _ in 0..1000 {
            sender.send_to_addr(b"STATUS=still fine", &to).unwrap();
            assert_eq!(watch.look(Instant::now()), Verdict::Pending);
        }
        assert!(watch.fd().is_some());
    }
}
