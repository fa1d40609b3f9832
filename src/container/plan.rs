//! What the root of a container consists of, as a value that can be printed and tested.

use std::fmt;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use crate::sys::mount::Flags;

/// A new root: what lies at the bottom and what is done to it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The file system at `/`.
    pub base: Base,
    /// Operations on it; targets are paths of the new root, parents come before what lies below them.
    pub ops: Vec<Op>,
}

/// The file system at `/` of the new root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// A directory of the host, bound together with everything mounted below it.
    Bind {
        /// Which one.
        source: Source,
        /// `false`: read-only (flags the mount already has, as `nodev`, are kept in both cases).
        write: bool,
    },
    /// Writes go to `upper`, the rest is seen through from `lower`, which stays untouched.
    Overlay {
        /// Directory of the host, never written to.
        lower: Source,
        /// Directory that receives all changes.
        upper: Source,
        /// Empty directory on the same file system as `upper`.
        work: Source,
    },
    /// An empty tmpfs, mode 755.
    Tmpfs {
        /// Limit in bytes.
        size: u64,
    },
}

/// Where a bind mount takes its content from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path of the host that is trusted: links in it are followed.
    Host(PathBuf),
    /// `path` inside the host's directory `dir`: links in `path` cannot lead out of `dir`.
    Beneath {
        /// Trusted directory of the host.
        dir: PathBuf,
        /// Untrusted path in it.
        path: PathBuf,
    },
    /// A mount that is attached nowhere, by the number of a descriptor that the caller keeps open. Only where a plan is
    /// prepared, and for volumes; their flags are said, not set: the mount has its own.
    Detached(RawFd),
    /// A path of the new root as it is when the operation runs; without what is mounted below it.
    Root(PathBuf),
}

/// Ids that own a new file or everything in a copy; `None` keeps what the kernel or the original gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner {
    /// User id inside the namespace.
    pub uid: Option<u32>,
    /// Group id inside the namespace.
    pub gid: Option<u32>,
}

/// One operation. Modes are permission bits, sizes are bytes, targets are paths of the new root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Bind a directory or a file, with everything mounted below it.
    Bind {
        /// What.
        source: Source,
        /// Where; must exist unless `create`.
        target: PathBuf,
        /// `false`: the whole tree read-only.
        write: bool,
        /// An empty file is made at a missing target.
        create: bool,
    },
    /// Bind a directory or a file, with everything mounted below it, under restrictions that hold for all of it.
    Volume {
        /// What.
        source: Source,
        /// Where; must exist.
        target: PathBuf,
        /// Restrictions.
        flags: Flags,
    },
    /// A read-only sysfs.
    Sysfs {
        /// Where.
        target: PathBuf,
        /// Of the network namespace of the process that enters, rather than of the one that prepares.
        own_network: bool,
    },
    /// Nothing in a directory can be seen, nothing in a file read, whoever asks; what is missing is fine.
    Mask {
        /// What.
        target: PathBuf,
    },
    /// A fresh tmpfs.
    Tmpfs {
        /// Where.
        target: PathBuf,
        /// Limit; `None` is the kernel's default.
        size: Option<u64>,
        /// Mode of its root directory.
        mode: u32,
        /// Owner of its root directory.
        owner: Owner,
    },
    /// A procfs of the current PID namespace.
    Proc {
        /// Where.
        target: PathBuf,
        /// Make the parts read-only through which the real root could change the host.
        guard: bool,
    },
    /// A new instance of devpts.
    Devpts {
        /// Where.
        target: PathBuf,
        /// Terminals belong to the group `tty`, if it exists inside.
        tty: bool,
    },
    /// A new directory; an existing one gets the mode.
    Dir {
        /// Where; the parent must exist.
        path: PathBuf,
        /// Exact mode, whatever the umask.
        mode: u32,
        /// Owner.
        owner: Owner,
    },
    /// A new file; an existing regular file is replaced by it.
    File {
        /// Where; the parent must exist.
        path: PathBuf,
        /// Exact mode, whatever the umask.
        mode: u32,
        /// Content.
        content: Vec<u8>,
    },
    /// A new symbolic link.
    Symlink {
        /// Where; the parent must exist.
        path: PathBuf,
        /// Text of the link.
        to: PathBuf,
    },
    /// An empty read-only directory of mode 000.
    Empty {
        /// Where.
        target: PathBuf,
    },
    /// A tmpfs filled with a copy of what it hides, or of the same path of another root.
    Snapshot {
        /// Where; its mode and owner are those of the copied directory.
        target: PathBuf,
        /// Root to copy from; `None` is the new root itself.
        from: Option<Source>,
        /// Limit, the copy included.
        size: u64,
        /// Given to every copied entry and to the root of the copy.
        owner: Owner,
    },
    /// An overlay of host directories.
    Overlay {
        /// Where.
        target: PathBuf,
        /// Host directories, topmost first.
        lower: Vec<PathBuf>,
        /// Host directory that receives changes.
        upper: PathBuf,
        /// Empty host directory on the same file system as `upper`.
        work: PathBuf,
    },
    /// A device of the host bound to a new file of the same name; see [`super::dev`].
    Device {
        /// Path of the host and of the new root, e.g. `/dev/null`.
        path: PathBuf,
        /// Nothing is done when the host has no such device.
        optional: bool,
    },
}

impl Op {
    /// The path of the new root that the operation is about.
    pub fn target(&self) -> &Path {
        match self {
            Op::Bind { target, .. }
            | Op::Volume { target, .. }
            | Op::Sysfs { target, .. }
            | Op::Mask { target }
            | Op::Tmpfs { target, .. }
            | Op::Proc { target, .. }
            | Op::Devpts { target, .. }
            | Op::Empty { target }
            | Op::Snapshot { target, .. }
            | Op::Overlay { target, .. } => target,
            Op::Dir { path, .. }
            | Op::File { path, .. }
            | Op::Symlink { path, .. }
            | Op::Device { path, .. } => path,
        }
    }

    /// A read-only bind of a host path.
    pub fn read_only(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Op {
        Op::Bind {
            source: Source::Host(source.into()),
            target: target.into(),
            write: false,
            create: false,
        }
    }

    /// A writable bind of a host path.
    pub fn writable(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Op {
        Op::Bind {
            source: Source::Host(source.into()),
            target: target.into(),
            write: true,
            create: false,
        }
    }
}

/// One line per operation, in the order of execution.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.base)?;
        self.ops.iter().try_for_each(|op| writeln!(f, "{op}"))
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Base::Bind { source, write } => write!(f, "bind {source} / {}", access(*write)),
            Base::Overlay { lower, upper, work } => {
                write!(f, "overlay / lower={lower} upper={upper} work={work}")
            }
            Base::Tmpfs { size } => write!(f, "tmpfs / size={size} mode=755"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Host(path) => write!(f, "{}", path.display()),
            Source::Beneath { dir, path } => write!(f, "{}//{}", dir.display(), relative(path).display()),
            Source::Detached(_) => write!(f, "(memory)"),
            Source::Root(path) => write!(f, "(root)/{}", relative(path).display()),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(uid) = self.uid {
            write!(f, " uid={uid}")?;
        }
        match self.gid {
            Some(gid) => write!(f, " gid={gid}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.target().display();
        match self {
            Op::Bind { source, write, .. } => write!(f, "bind {source} {at} {}", access(*write)),
            Op::Volume { source, flags, .. } => write!(f, "bind {source} {at} {flags}"),
            Op::Sysfs { .. } => write!(f, "sysfs {at} ro"),
            Op::Mask { .. } => write!(f, "mask {at}"),
            Op::Tmpfs {
                size, mode, owner, ..
            } => {
                write!(f, "tmpfs {at}")?;
                if let Some(size) = size {
                    write!(f, " size={size}")?;
                }
                write!(f, " mode={mode:o}{owner}")
            }
            Op::Proc { guard, .. } => write!(f, "proc {at}{}", if *guard { " guarded" } else { "" }),
            Op::Devpts { .. } => write!(f, "devpts {at}"),
            Op::Dir { mode, owner, .. } => write!(f, "dir {at} mode={mode:o}{owner}"),
            Op::File { mode, content, .. } => write!(f, "file {at} mode={mode:o} bytes={}", content.len()),
            Op::Symlink { to, .. } => write!(f, "symlink {at} -> {}", to.display()),
            Op::Empty { .. } => write!(f, "empty {at}"),
            Op::Snapshot {
                from, size, owner, ..
            } => {
                write!(f, "snapshot {at} size={size}{owner}")?;
                match from {
                    Some(root) => write!(f, " from={root}"),
                    None => Ok(()),
                }
            }
            Op::Overlay {
                lower, upper, work, ..
            } => {
                write!(f, "overlay {at}")?;
                for dir in lower {
                    write!(f, " lower={}", dir.display())?;
                }
                write!(f, " upper={} work={}", upper.display(), work.display())
            }
            Op::Device { optional, .. } => {
                write!(f, "device {at}{}", if *optional { " optional" } else { "" })
            }
        }
    }
}

fn access(write: bool) -> &'static str {
    if write {
        "rw"
    } else {
        "ro"
    }
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_prints_one_line_per_operation() {
        let plan = Plan {
            base: Base::Bind {
                source: Source::Host("/p/root".into()),
                write: false,
            },
            ops: vec![
                Op::Proc {
                    target: "/proc".into(),
                    guard: false,
                },
                Op::Tmpfs {
                    target: "/tmp".into(),
                    size: Some(1024),
                    mode: 0o1777,
                    owner: Owner::default(),
                },
                Op::Bind {
                    source: Source::Beneath {
                        dir: "/p".into(),
                        path: "/a/b".into(),
                    },
                    target: "/mnt".into(),
                    write: true,
                    create: false,
                },
                Op::read_only("/etc/hosts", "/etc/hosts"),
            ],
        };
        assert_eq!(
            plan.to_string(),
            "bind /p/root / ro\nproc /proc\ntmpfs /tmp size=1024 mode=1777\nbind /p//a/b /mnt rw\n\
             bind /etc/hosts /etc/hosts ro\n"
        );
    }
}
