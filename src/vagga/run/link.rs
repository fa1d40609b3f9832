//! What launcher and first process of a container tell each other, over a socket pair that dies with either.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::sys::process::Status;

/// Bytes of every message: its kind and one number.
const SIZE: usize = 2;

/// From the launcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The id maps are written: begin.
    Begin,
    /// The command may have the terminal and is to continue.
    GrantTerminal,
}

/// To the launcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Others may rely on the command.
    Ready,
    /// The command was stopped by this signal.
    Stopped(i32),
    /// The command has ended.
    Ended(Status),
}

/// One end of the link.
#[derive(Debug)]
pub struct Link(UnixStream);

impl Link {
    /// Both ends, close-on-exec.
    pub fn pair() -> io::Result<(Link, Link)> {
        let (a, b) = UnixStream::pair()?;
        Ok((Link(a), Link(b)))
    }

    /// Readable when a message has come or the other end is gone.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Sends an order. Errors: EPIPE when the other end is gone (SIGPIPE must be ignored, as Rust does).
    pub fn order(&self, order: Order) -> io::Result<()> {
        let kind = match order {
            Order::Begin => b'b',
            Order::GrantTerminal => b't',
        };
        self.send([kind, 0])
    }

    /// Sends a report.
    pub fn report(&self, report: Report) -> io::Result<()> {
        self.send(match report {
            Report::Ready => [b'r', 0],
            Report::Stopped(signal) => [b's', signal as u8],
            Report::Ended(Status::Exited(code)) => [b'e', code],
            Report::Ended(other) => [b'k', other.exit_code().saturating_sub(128)],
        })
    }

    /// Waits for an order; `None` = the launcher is gone.
    pub fn next_order(&self) -> io::Result<Option<Order>> {
        match self.receive()? {
            None => Ok(None),
            Some([b'b', _]) => Ok(Some(Order::Begin)),
            Some([b't', _]) => Ok(Some(Order::GrantTerminal)),
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Waits for a report; `None` = the other end is gone.
    pub fn next_report(&self) -> io::Result<Option<Report>> {
        match self.receive()? {
            None => Ok(None),
            Some([b'r', _]) => Ok(Some(Report::Ready)),
            Some([b's', signal]) => Ok(Some(Report::Stopped(signal.into()))),
            Some([b'e', code]) => Ok(Some(Report::Ended(Status::Exited(code)))),
            Some([b'k', signal]) => Ok(Some(Report::Ended(Status::Signaled(signal.into())))),
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn send(&self, message: [u8; SIZE]) -> io::Result<()> {
        (&self.0).write_all(&message)
    }

    fn receive(&self) -> io::Result<Option<[u8; SIZE]>> {
        let mut message = [0; SIZE];
        match (&self.0).read_exact(&mut message) {
            Ok(()) => Ok(Some(message)),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_as_sent() {
        let (a, b) = Link::pair().unwrap();
        for order in [Order::Begin, Order::GrantTerminal] {
            a.order(order).unwrap();
            assert_eq!(b.next_order().unwrap(), Some(order));
        }
        for report in [
            Report::Ready,
            Report::Stopped(20),
            Report::Ended(Status::Exited(200)),
            Report::Ended(Status::Signaled(64)),
        ] {
            b.report(report).unwrap();
            assert_eq!(a.next_report().unwrap(), Some(report));
        }
        drop(a);
        assert_eq!(b.next_order().unwrap(), None);
    }
}
