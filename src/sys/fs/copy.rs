//! Copying trees: by descriptor, with hard links, attributes and times, sharing blocks where the file system can.

mod attributes;
mod content;
mod entry;
mod tree;

use std::io;
use std::path::Path;

use super::{Stat, Time};
use crate::sys::path::Root;

/// How the content of regular files gets to the copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// Shared blocks (`FICLONE`) where possible, else the bytes.
    #[default]
    Copy,
    /// A hard link to the original where possible, else as [`Method::Copy`]. Attributes are then the original's.
    HardLink,
}

/// Which permission bits a copy gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// All 12 bits of the original.
    #[default]
    Keep,
    /// `0777 & !umask` for directories and files their owner may execute, `0666 & !umask` for other files.
    Umask(u32),
}

impl Mode {
    /// The permission bits of the copy of an original (no link).
    pub fn apply(self, original: &Stat) -> u32 {
        let executable = original.kind() == super::Kind::Dir || original.mode & 0o100 != 0;
        match self {
            Mode::Keep => original.permissions(),
            Mode::Umask(umask) if executable => 0o777 & !umask,
            Mode::Umask(umask) => 0o666 & !umask,
        }
    }
}

/// What to do with an entry of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Copy it, with the directories above it.
    pub select: bool,
    /// Look into the directory, even if it is not selected itself.
    pub descend: bool,
}

impl Verdict {
    /// Neither the entry nor anything below it.
    pub const NONE: Verdict = Verdict {
        select: false,
        descend: false,
    };
    /// The whole tree.
    pub const ALL: Verdict = Verdict {
        select: true,
        descend: true,
    };
}

/// Decides about entries: path relative to the top (never empty) and its data. An error ends the copying.
pub type Select<'a> = &'a mut dyn FnMut(&Path, &Stat) -> io::Result<Verdict>;

/// How a tree is copied. The default keeps everything and fails when an owner cannot be kept.
#[derive(Debug, Clone, Default)]
pub struct CopyOptions {
    /// See [`Method`].
    pub method: Method,
    /// See [`Mode`].
    pub mode: Mode,
    /// Owner of all copies, else the original's.
    pub uid: Option<u32>,
    /// Group of all copies, else the original's.
    pub gid: Option<u32>,
    /// Count instead of failing when the owner cannot be set (a user namespace with few ids). Setuid and setgid bits
    /// of such a copy are dropped, since they were meant for somebody else.
    pub tolerate_owner: bool,
    /// Directories that exist already get the original's attributes too, instead of keeping their own.
    pub take_over_directories: bool,
    /// Access and modification time of regular files; `None` keeps those of everything.
    pub times: Option<Time>,
    /// Leave extended attributes behind.
    pub without_xattrs: bool,
    /// Fail on fifos, sockets and devices instead of copying them.
    pub refuse_special: bool,
}

/// What was done. Sums are over the whole tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyStats {
    /// Regular files, hard links not included.
    pub files: u64,
    /// Directories created.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Further names of files already counted, and links to originals.
    pub hard_links: u64,
    /// Fifos, sockets, devices.
    pub special: u64,
    /// Sizes of the regular files, in bytes.
    pub bytes: u64,
    /// Files that share their blocks with the original.
    pub shared: u64,
    /// Devices left out because we may not make them.
    pub skipped_devices: u64,
    /// Entries whose owner could not be set.
    pub skipped_owners: u64,
    /// Extended attributes that could not be set.
    pub skipped_xattrs: u64,
}

/// Copies `source` below `from` to `target` below `to`: a file or link becomes `target`, a directory is merged into it.
///
/// The parent of `target` must exist. Existing directories keep owner, mode and times unless the options say otherwise (a link to a directory counts as
/// one, as long as it stays inside `to`); other entries are replaced. A link at `source` is copied as a link. Entries
/// come in the byte order of their names. Errors say which entry it was, relative to `source`.
pub fn copy_tree(
    from: &Root,
    source: impl AsRef<Path>,
    to: &Root,
    target: impl AsRef<Path>,
    options: &CopyOptions,
) -> io::Result<CopyStats> {
    copy_selected(from, source, to, target, options, &mut |_, _| Ok(Verdict::ALL))
}

/// [`copy_tree`] of a part: `select` is asked about every entry below the top. Directories above selected entries are
/// made when the first of them comes.
pub fn copy_selected(
    from: &Root,
    source: impl AsRef<Path>,
    to: &Root,
    target: impl AsRef<Path>,
    options: &CopyOptions,
    select: Select<'_>,
) -> io::Result<CopyStats> {
    tree::Copier::new(to, target.as_ref(), options).run(from, source.as_ref(), select)
}

/// True when files below `dir` can share blocks with each other (`FICLONE`: btrfs, xfs, bcachefs…).
pub fn can_share(dir: &Root) -> bool {
    content::can_share(dir).unwrap_or(false)
}

#[cfg(test)]
mod tests;
