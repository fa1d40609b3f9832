//! Secrets as files: a file system in memory of the container's own, filled on the host before the container exists and
//! read-only from then on. Plain values are in no plan, so that nothing prints them.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use super::design::Ids;
use super::opened::Plain;
use crate::container::{Op, Source};
use crate::lithos::policy::SECRETS_DIR;
use crate::sys::mount::{self, Flags};
use crate::sys::path::Root;

/// What memory comes in, bytes.
const PAGE: usize = 4096;

/// Makes the file system, attached nowhere, and the operation that attaches it, which needs the descriptor to stay open.
/// Directory and files belong to the process's user, with the modes 500 and 400.
pub fn make(secrets: &[Plain], ids: &Ids) -> io::Result<(OwnedFd, Op)> {
    let (Some(uid), Some(gid)) = (ids.outside_uid(ids.uid), ids.outside_gid(ids.gid)) else {
        return Err(io::Error::other("the user of the process is not in the maps"));
    };
    let flags = Flags::NOSUID | Flags::NODEV | Flags::NOEXEC;
    let options = format!("mode=500,size={},uid={uid},gid={gid}", room(secrets));
    let tree = mount::detached_filesystem("tmpfs", flags, OsStr::new(&options))?;
    let top = Root::from_fd(tree.try_clone()?, SECRETS_DIR.into());
    for (name, value) in secrets {
        let mut file = top.create_new(name, 0o400)?;
        nix::unistd::fchown(&file, Some(uid.into()), Some(gid.into()))?;
        file.write_all(value.as_bytes())?;
    }
    let flags = flags | Flags::READ_ONLY;
    mount::set_flags(tree.as_fd(), false, flags)?;
    let op = Op::Volume {
        source: Source::Detached(tree.as_raw_fd()),
        target: SECRETS_DIR.into(),
        flags,
    };
    Ok((tree, op))
}

/// Bytes for whole pages, and one page where there is nothing: 0 would be no limit.
fn room(secrets: &[Plain]) -> usize {
    let pages = secrets.iter().map(|(_, value)| value.len().div_ceil(PAGE));
    (pages.sum::<usize>() + 1) * PAGE
}
