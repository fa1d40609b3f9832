//! Output that is given a form on its way: the process writes into pipes, the container's init writes the lines to the
//! log. Only where the sandbox asks for it; plain output goes from the process to the file.
//!
//! The pipes are always read, so a process never waits for a log: what cannot be written (a full disk) is counted and lost.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{fcntl, FcntlArg, OFlag};

use super::report::Report;
use crate::lithos::log::lines::Lines;
use crate::sys::process::pipe;

/// Bytes that are read at once: what a pipe holds at most.
const CHUNK: usize = 65_536;

/// Standard output and error of the process.
#[derive(Debug)]
pub struct Relay {
    streams: [Stream; 2],
}

#[derive(Debug)]
struct Stream {
    /// Without waiting.
    read: File,
    /// For the process, and for the next one in the same container.
    write: OwnedFd,
    lines: Lines,
}

impl Stream {
    fn new(name: &'static str, uid: u32, gid: u32) -> io::Result<Stream> {
        let (read, write) = pipe()?;
        // For programs that open /dev/stdout.
        nix::unistd::fchown(&write, Some(uid.into()), Some(gid.into()))?;
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Stream {
            read: read.into(),
            write,
            lines: Lines::new(name),
        })
    }

    /// Moves what is there; `false`: nothing was.
    fn pump(&mut self, report: &mut Report) -> bool {
        let mut chunk = [0; CHUNK];
        // Not there yet, or cannot be read: either way there is nothing.
        let count = self.read.read(&mut chunk).unwrap_or(0);
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return false;
        };
        report.relay(&mut self.lines, bytes);
        true
    }
}

impl Relay {
    /// Makes the pipes, for a process of this user and group.
    pub fn new(uid: u32, gid: u32) -> io::Result<Relay> {
        Ok(Relay {
            streams: [Stream::new("stdout", uid, gid)?, Stream::new("stderr", uid, gid)?],
        })
    }

    /// What the process writes to: standard output, standard error.
    pub fn outputs(&self) -> [BorrowedFd<'_>; 2] {
        [self.streams[0].write.as_fd(), self.streams[1].write.as_fd()]
    }

    /// Readable when there is something to [`pump`](Relay::pump).
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.streams.iter().map(|stream| stream.read.as_fd())
    }

    /// Writes what has come, at most one pipe full of each stream: the process may write faster than this.
    pub fn pump(&mut self, report: &mut Report) {
        for stream in &mut self.streams {
            stream.pump(report);
        }
    }

    /// Writes what the process left when it ended, the last line as it is. Others in the container may still write: no more
    /// than the pipes hold.
    pub fn end(&mut self, report: &mut Report) {
        for stream in &mut self.streams {
            stream.pump(report);
            report.relay_end(&mut stream.lines);
        }
    }
}
