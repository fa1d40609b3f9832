//! The chain of directories from the top of a tree to where we are, with a bounded number of descriptors.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::sys::at;

/// Levels kept open; what lies higher is reopened through `..` on the way back.
const OPEN_LEVELS: usize = 32;

/// A stack of directories; never empty once entered.
#[derive(Debug, Default)]
pub struct Descent {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    /// Closed when the level is far above.
    fd: Option<OwnedFd>,
    /// Device and inode: proves that `..` led back to it.
    id: (u64, u64),
    /// Stays open: the top, or `..` of the level below leads elsewhere.
    pinned: bool,
}

impl Descent {
    /// Begins in a directory to which [`Descent::leave_to_top`] can return at any time.
    pub fn from_top(top: BorrowedFd<'_>) -> io::Result<Descent> {
        let mut descent = Descent::default();
        descent.enter(top.try_clone_to_owned()?)?;
        if let Some(level) = descent.levels.last_mut() {
            level.pinned = true;
        }
        Ok(descent)
    }

    /// Goes back to the directory of [`Descent::from_top`].
    pub fn leave_to_top(&mut self) {
        self.levels.truncate(1);
    }

    /// Goes back up by one, but never above the top.
    pub fn leave_below_top(&mut self) -> io::Result<()> {
        match self.depth() {
            0 | 1 => Ok(()),
            _ => self.leave(),
        }
    }

    /// Goes down into an open directory.
    pub fn enter(&mut self, fd: OwnedFd) -> io::Result<()> {
        let stat = at::fstat(fd.as_fd())?;
        self.levels.push(Level {
            fd: Some(fd),
            id: (stat.dev, stat.ino),
            pinned: false,
        });
        let far = self.levels.len().checked_sub(OPEN_LEVELS + 1);
        if let Some(level) = far.and_then(|at| self.levels.get_mut(at)) {
            if !level.pinned {
                level.fd = None;
            }
        }
        Ok(())
    }

    /// Goes into a directory that does not lie in the current one (by a symbolic link).
    pub fn enter_elsewhere(&mut self, fd: OwnedFd) -> io::Result<()> {
        if let Some(level) = self.levels.last_mut() {
            level.pinned = true;
        }
        self.enter(fd)
    }

    /// Goes back up by one. Errors: `ESTALE` when the directory was moved elsewhere meanwhile.
    pub fn leave(&mut self) -> io::Result<()> {
        let below = self.levels.pop();
        let (Some(Level { fd: Some(below), .. }), Some(top)) = (below, self.levels.last_mut()) else {
            return Ok(());
        };
        if top.fd.is_none() {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
            let parent = at::open(below.as_fd(), OsStr::new(".."), flags, 0)?;
            let stat = at::fstat(parent.as_fd())?;
            if (stat.dev, stat.ino) != top.id {
                return Err(Errno::ESTALE.into());
            }
            top.fd = Some(parent);
        }
        Ok(())
    }

    /// The directory we are in. Errors: `EBADF` when none was entered.
    pub fn here(&self) -> io::Result<BorrowedFd<'_>> {
        let fd = self.levels.last().and_then(|level| level.fd.as_ref());
        Ok(fd.ok_or(Errno::EBADF)?.as_fd())
    }

    /// Number of directories entered and not left.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }
}
