//! Resolution of a path inside a root without `openat2(2)`: component by component, links expanded by ourselves.
//!
//! Every step opens one name of an open directory with `O_PATH | O_NOFOLLOW`; `..` goes back along the descriptors
//! we came by, so that neither a link nor a directory moved meanwhile leads out.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::sys::at;
use crate::sys::fs::descent::Descent;
use crate::sys::fs::Kind;

/// Links followed in one resolution, as in the kernel (`MAXSYMLINKS`).
const MAX_LINKS: u32 = 40;

/// Opens `path` below `root` as `openat2(2)` with `RESOLVE_IN_ROOT` would.
pub fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlag, mode: u32) -> io::Result<OwnedFd> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    let exclusive = flags.contains(OFlag::O_CREAT | OFlag::O_EXCL);
    let mut walk = Walk {
        stack: Descent::from_top(root)?,
        rest: Vec::new(),
        links: 0,
        follow_last: !flags.contains(OFlag::O_NOFOLLOW) && !exclusive,
        creates: flags.contains(OFlag::O_CREAT),
    };
    walk.push(bytes);
    let name = walk.run()?;
    match name {
        Some(name) => at::open(walk.stack.here()?, &name, flags, mode),
        None if exclusive => Err(Errno::EEXIST.into()),
        None if walk.creates => Err(Errno::EISDIR.into()),
        None => at::open(walk.stack.here()?, OsStr::new("."), flags, mode),
    }
}

struct Walk {
    /// Directories from the root to the current one.
    stack: Descent,
    /// Components to come, the next one last.
    rest: Vec<OsString>,
    links: u32,
    follow_last: bool,
    creates: bool,
}

impl Walk {
    /// Puts the components of a path or of a link's text before the remaining ones.
    fn push(&mut self, text: &[u8]) {
        if text.first() == Some(&b'/') {
            self.stack.leave_to_top();
        }
        // An empty last component stands for a closing slash: it demands a directory.
        if text.ends_with(b"/") {
            self.rest.push(OsString::new());
        }
        let parts = text.split(|b| *b == b'/').filter(|part| !part.is_empty());
        let parts: Vec<_> = parts.map(|part| OsStr::from_bytes(part).to_os_string()).collect();
        self.rest.extend(parts.into_iter().rev());
    }

    /// Walks until one name is left that is no link to follow, and returns it; `None` when it ends in a directory.
    fn run(&mut self) -> io::Result<Option<OsString>> {
        while let Some(part) = self.rest.pop() {
            if part == "." || part.is_empty() {
                continue;
            }
            if part == ".." {
                self.stack.leave_below_top()?;
                continue;
            }
            if self.creates && matches!(self.rest.as_slice(), [slash] if slash.is_empty()) {
                return Err(Errno::EISDIR.into());
            }
            let last = self.rest.is_empty();
            if last && !self.follow_last {
                return Ok(Some(part));
            }
            let entry = match at::open(self.stack.here()?, &part, OFlag::O_PATH, 0) {
                // Perhaps it is to be created.
                Err(e) if last && e.kind() == io::ErrorKind::NotFound => return Ok(Some(part)),
                entry => entry?,
            };
            match at::fstat(entry.as_fd())?.kind() {
                Kind::Symlink => self.follow(&entry)?,
                _ if last => return Ok(Some(part)),
                Kind::Dir => self.stack.enter(entry)?,
                _ => return Err(Errno::ENOTDIR.into()),
            }
        }
        Ok(None)
    }

    fn follow(&mut self, link: &OwnedFd) -> io::Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::ELOOP.into());
        }
        let target = at::read_link(link.as_fd(), OsStr::new(""))?;
        self.push(target.as_bytes());
        Ok(())
    }
}
