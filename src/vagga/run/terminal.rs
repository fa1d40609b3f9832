//! The controlling terminal as the launcher and the first process of a container see it.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use crate::sys::{process, tty};

/// Signals that are not left to their default action, by the launcher nor by the first process of a container: both
/// watch their children, and pass on what the terminal or the user sends.
pub const SIGNALS: [i32; 8] = [
    libc::SIGCHLD,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
];

/// The controlling terminal, if there is one, and our process group.
#[derive(Debug)]
pub struct Terminal {
    file: Option<File>,
    group: i32,
}

impl Terminal {
    /// Opens `/dev/tty`, so that redirections of 0, 1 and 2 do not matter.
    pub fn open() -> Terminal {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open("/dev/tty")
            .ok();
        Terminal {
            file,
            group: tty::own_group(),
        }
    }

    /// True when there is a controlling terminal.
    pub fn exists(&self) -> bool {
        self.file.is_some()
    }

    /// Descriptor to be kept open in a child.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(|f| f.as_fd())
    }

    /// True when our group is in the foreground, or a group of which no process is left.
    pub fn is_ours(&self) -> bool {
        let Some(group) = self.fd().and_then(|fd| tty::foreground(fd).ok()) else {
            return false;
        };
        group == self.group || (group > 1 && !group_exists(group))
    }

    /// Makes our group the foreground group. Failure means that there is no terminal any more.
    pub fn take(&self) {
        self.give(self.group);
    }

    /// Takes the terminal back from a group of which no process is left.
    pub fn reclaim(&self) {
        let group = self.fd().and_then(|fd| tty::foreground(fd).ok());
        if group.is_some_and(|group| group != self.group) && self.is_ours() {
            self.take();
        }
    }

    /// Makes a group of this session the foreground group.
    pub fn give(&self, group: i32) {
        if let Some(fd) = self.fd() {
            let _ = tty::set_foreground(fd, group);
        }
    }
}

fn group_exists(group: i32) -> bool {
    !matches!(process::kill_group(group, 0), Err(e) if e.raw_os_error() == Some(libc::ESRCH))
}
