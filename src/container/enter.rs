//! The interpreter of a [`Plan`]: runs in a child's fresh mount namespace and ends with the plan's root as `/`.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::{umask, Mode};

use super::plan::{Base, Op, Owner, Plan, Source};
use crate::sys::mount::{self, Flags};
use crate::sys::path::Root;
pub use prepare::Prepared;
use prepare::SYSFS_FLAGS;

/// Where the new root is mounted until it becomes `/`: a directory that every host has, that no plan binds as a
/// whole, and below which nothing is needed once all sources are open.
const STAGE: &str = "/dev";
/// Parts of procfs through which the real root, even without capabilities, would change the host.
const GUARDED: [&str; 5] = ["sys", "sysrq-trigger", "irq", "bus", "fs"];

/// An operation that failed.
#[derive(Debug)]
pub struct OpError {
    /// The operation as the plan prints it.
    pub operation: String,
    /// The path it failed on: of the host for sources, else of the new root.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
    /// What to do about it.
    pub hint: Option<&'static str>,
    /// Nothing has been mounted yet, so that another base can be tried.
    pub is_base: bool,
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OpError {
            operation,
            path,
            error,
            ..
        } = self;
        write!(f, "mount {}: {error} ({operation})", path.display())
    }
}

impl std::error::Error for OpError {}

/// What an operation takes from the host, opened before anything is mounted.
#[derive(Debug)]
enum Input {
    Nothing,
    /// A mount that is attached nowhere.
    Tree(OwnedFd),
    /// A path to bind or a root to copy from.
    Path(OwnedFd),
    /// Lower directories, upper, work.
    Layers(Vec<OwnedFd>, OwnedFd, OwnedFd),
}

type Failed = (PathBuf, io::Error, Option<&'static str>);

impl Plan {
    /// Builds the root and moves this process into it; the working directory becomes `/`.
    ///
    /// Descriptors of the host stay open (close-on-exec): a process that goes on without exec closes what it does
    /// not know, see [`crate::sys::descriptors::close_all_but`].
    ///
    /// The process must be alone in a new mount namespace (and hold CAP_SYS_ADMIN in its user namespace). Mounts
    /// of the host no longer propagate into it. Errors name the operation, the path and the errno; the process is
    /// then only good for ending, unless [`OpError::is_base`].
    pub fn enter(&self) -> Result<(), OpError> {
        let mask = umask(Mode::empty());
        let result = self.build();
        umask(mask);
        result
    }

    fn build(&self) -> Result<(), OpError> {
        mount::make_private().map_err(|e| self.base_error((STAGE.into(), e, None)))?;
        let mut inputs = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            inputs.push(open_input(op).map_err(|e| op_error(op, e))?);
        }
        let root = attach_base(&self.base).map_err(|e| self.base_error(e))?;
        let mut builder = Builder {
            root,
            near: None,
            strict: false,
            null: None,
            hidden: None,
        };
        for (op, input) in self.ops.iter().zip(&inputs) {
            builder.run(op, input).map_err(|e| op_error(op, e))?;
        }
        // Left to exec, or to the caller's closing of everything at once: there are many.
        std::mem::forget(inputs);
        mount::pivot_root(builder.root.as_fd()).map_err(|e| OpError {
            is_base: false,
            ..self.base_error(("/".into(), e, None))
        })
    }

    fn base_error(&self, (path, error, hint): Failed) -> OpError {
        OpError {
            operation: self.base.to_string(),
            path,
            error,
            hint,
            is_base: true,
        }
    }
}

fn op_error(op: &Op, (path, error, hint): Failed) -> OpError {
    OpError {
        operation: op.to_string(),
        path,
        error,
        hint,
        is_base: false,
    }
}

/// A failure at a path.
fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Failed {
    |error| (path.into(), error, None)
}

/// Opens a path of the host without reading it; links are followed.
fn open_host(path: &Path) -> Result<OwnedFd, Failed> {
    nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|e| (path.into(), e.into(), None))
}

/// Opens what a source of the host names; its messages show the path as the plan prints it.
fn open_source(source: &Source) -> Result<OwnedFd, Failed> {
    match source {
        Source::Host(path) => open_host(path),
        Source::Beneath { dir, path } => Root::open(dir)
            .and_then(|root| root.open_with(path, OFlag::O_PATH, 0))
            .map_err(at(dir.join(path.strip_prefix("/").unwrap_or(path)))),
        // A base cannot come from the root it is the base of.
        Source::Root(path) => Err((path.clone(), io::ErrorKind::InvalidInput.into(), None)),
        // Nothing that could be opened anew.
        Source::Detached(_) => Err(("/".into(), io::ErrorKind::InvalidInput.into(), None)),
    }
}

fn open_input(op: &Op) -> Result<Input, Failed> {
    Ok(match op {
        Op::Bind {
            source: Source::Root(_),
            ..
        } => Input::Nothing,
        Op::Bind { source, .. } | Op::Volume { source, .. } => Input::Path(open_source(source)?),
        Op::Snapshot {
            from: Some(source), ..
        } => Input::Path(open_source(source)?),
        Op::Device { path, optional } => match open_host(path) {
            Err((_, e, _)) if *optional && e.kind() == io::ErrorKind::NotFound => Input::Nothing,
            result => Input::Path(result?),
        },
        Op::Overlay {
            lower, upper, work, ..
        } => {
            let lower = lower.iter().map(|dir| open_host(dir)).collect::<Result<_, _>>()?;
            Input::Layers(lower, open_host(upper)?, open_host(work)?)
        }
        _ => Input::Nothing,
    })
}

/// Mounts the base at [`STAGE`] and opens it.
fn attach_base(base: &Base) -> Result<Root, Failed> {
    let host = Root::open("/").map_err(at("/"))?;
    match base {
        Base::Bind { source, write } => {
            let source = open_source(source)?;
            mount::bind(source.as_fd(), &host, STAGE, true, access(*write)).map_err(at("/"))?;
        }
        Base::Overlay { lower, upper, work } => {
            let layers = Input::Layers(vec![open_source(lower)?], open_source(upper)?, open_source(work)?);
            overlay(&layers, &host, STAGE.as_ref()).map_err(at("/"))?;
        }
        Base::Tmpfs { size } => {
            mount::tmpfs(&host, STAGE, Some(*size), 0o755, None, None).map_err(at("/"))?;
        }
    }
    Root::open(STAGE).map_err(at("/"))
}

fn overlay(layers: &Input, root: &Root, target: &Path) -> io::Result<()> {
    let Input::Layers(lower, upper, work) = layers else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let lower: Vec<_> = lower.iter().map(AsFd::as_fd).collect();
    mount::overlay(root, target, &lower, upper.as_fd(), work.as_fd(), true)
}

fn access(write: bool) -> Flags {
    if write {
        Flags::empty()
    } else {
        Flags::READ_ONLY
    }
}

/// Executes operations one by one.
struct Builder {
    root: Root,
    /// The directory in which the last entry was made: `/dev` has many.
    near: Option<(PathBuf, Root)>,
    /// The image is hostile and the host must not be seen, see [`Prepared`].
    strict: bool,
    /// A mount of the null device, and whether it is attached already.
    null: Option<(OwnedFd, bool)>,
    /// The first directory that was hidden.
    hidden: Option<PathBuf>,
}

impl Builder {
    fn run(&mut self, op: &Op, input: &Input) -> Result<(), Failed> {
        match op {
            Op::Bind { .. }
            | Op::Volume { .. }
            | Op::Sysfs { .. }
            | Op::Tmpfs { .. }
            | Op::Proc { .. }
            | Op::Devpts { .. }
            | Op::Empty { .. }
            | Op::Snapshot { .. }
            | Op::Overlay { .. } => {
                self.near = None;
                self.mount(op, input)
                    .map_err(|e| (op.target().into(), hint(op, &e), e))
                    .map_err(|(path, hint, e)| (path, e, hint))
            }
            Op::Mask { target } => self.mask(target).map_err(at(target)),
            Op::Dir { path, mode, owner } => self.dir(path, *mode, *owner).map_err(at(path)),
            Op::File { path, mode, content } => self.file(path, *mode, content).map_err(at(path)),
            Op::Symlink { path, to } => self
                .beside(path)
                .and_then(|(dir, name)| dir.symlink(to, name))
                .map_err(at(path)),
            Op::Device { path, .. } => self.device(path, input).map_err(at(path)),
        }
    }

    fn mount(&self, op: &Op, input: &Input) -> io::Result<()> {
        let root = &self.root;
        if self.strict {
            self.examine(op)?;
        }
        match op {
            Op::Volume { target, flags, .. } => match input {
                Input::Path(fd) => mount::bind(fd.as_fd(), root, target, true, *flags),
                _ => self.attach(input, target),
            },
            Op::Sysfs { target, .. } => match input {
                Input::Tree(_) => self.attach(input, target),
                _ => mount::filesystem("sysfs", root, target, SYSFS_FLAGS, "".as_ref()),
            },
            Op::Bind {
                source,
                target,
                write,
                create,
            } => {
                let inside;
                let (fd, recursive) = match (source, input) {
                    (Source::Root(path), _) => {
                        inside = root.open_with(path, OFlag::O_PATH, 0)?;
                        (&inside, false)
                    }
                    (_, Input::Path(fd)) => (fd, true),
                    _ => return Err(io::ErrorKind::InvalidInput.into()),
                };
                let bind = || mount::bind(fd.as_fd(), root, target, recursive, access(*write));
                match bind() {
                    Err(e) if *create && e.kind() == io::ErrorKind::NotFound => {
                        self.make_target(target)?;
                        bind()
                    }
                    result => result,
                }
            }
            Op::Tmpfs {
                target,
                size,
                mode,
                owner,
            } => mount::tmpfs(root, target, *size, *mode, owner.uid, owner.gid),
            Op::Proc { target, guard } => self.proc(target, *guard),
            Op::Devpts { target, tty } => self.devpts(target, *tty),
            Op::Empty { target } => {
                let flags = Flags::READ_ONLY | Flags::NOSUID | Flags::NODEV | Flags::NOEXEC;
                mount::filesystem("tmpfs", root, target, flags, "mode=000,size=4096".as_ref())
            }
            Op::Snapshot {
                target, size, owner, ..
            } => snapshot::mount(&self.root, target, input, *size, *owner),
            Op::Overlay { target, .. } => overlay(input, root, target),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// An empty file where nothing is; behind a link (as to a resolver's file in `/run`) where it leads.
    fn make_target(&self, target: &Path) -> io::Result<()> {
        let parent = target.parent().unwrap_or(target);
        let behind = self.root.read_link(target).map(|link| parent.join(link));
        let behind = behind.as_deref().ok().and_then(Path::parent);
        self.root.mkdir_all(behind.unwrap_or(parent), 0o755)?;
        self.root.create(target, 0o644).map(drop)
    }

    fn proc(&self, target: &Path, guard: bool) -> io::Result<()> {
        match mount::proc(&self.root, target) {
            // The procfs we see has parts hidden (we are in a container ourselves), and the kernel does not let
            // us uncover them. The outer one shows more processes, but serves.
            Err(e) if e.raw_os_error() == Some(libc::EPERM) && !self.strict => {
                log::info!("a procfs of its own is forbidden here, using the outer one");
                let outer = open_host(Path::new("/proc")).map_err(|(_, e, _)| e)?;
                mount::bind(outer.as_fd(), &self.root, target, true, Flags::empty())?;
            }
            result => result?,
        }
        for name in GUARDED.iter().filter(|_| guard) {
            let path = target.join(name);
            match mount::restrict_part(&self.root, &path, Flags::READ_ONLY) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Terminals belong to the group `tty` (5 everywhere) where that group exists.
    fn devpts(&self, target: &Path, tty: bool) -> io::Result<()> {
        match mount::devpts(&self.root, target, tty.then_some(5)) {
            Err(e) if tty && e.raw_os_error() == Some(libc::EINVAL) => {
                mount::devpts(&self.root, target, None)
            }
            result => result,
        }
    }

    fn dir(&mut self, path: &Path, mode: u32, owner: Owner) -> io::Result<()> {
        let (dir, name) = self.beside(path)?;
        match dir.mkdir(name, mode) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => dir.chmod(name, mode)?,
            result => result?,
        }
        if owner != Owner::default() {
            let stat = dir.lstat(name)?;
            dir.chown(name, owner.uid.unwrap_or(stat.uid), owner.gid.unwrap_or(stat.gid))?;
        }
        // mkdir(2) does not take the setuid and setgid bits.
        if mode & 0o6000 != 0 || owner != Owner::default() {
            dir.chmod(name, mode)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
        let (dir, name) = self.beside(path)?;
        let mut file = match dir.create_new(name, mode) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                dir.unlink(name)?;
                dir.create_new(name, mode)?
            }
            result => result?,
        };
        file.write_all(content)
    }

    fn device(&mut self, path: &Path, input: &Input) -> io::Result<()> {
        let Input::Path(source) = input else {
            return Ok(());
        };
        let (dir, name) = self.beside(path)?;
        let target = dir.create_new(name, 0o666)?;
        mount::bind_device(source.as_fd(), dir, name, target.as_fd())
    }

    /// The directory of `path` and the name in it. Only for entries that are made, hence no links.
    fn beside<'a>(&'a mut self, path: &'a Path) -> io::Result<(&'a Root, &'a Path)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let near = match self.near.take() {
            Some((dir, root)) if dir == parent => (dir, root),
            _ => (parent.to_path_buf(), self.root.sub(parent)?),
        };
        let (_, dir) = self.near.insert(near);
        Ok((dir, Path::new(name)))
    }
}

/// What users can do about common failures.
fn hint(op: &Op, e: &io::Error) -> Option<&'static str> {
    match (op, e.raw_os_error()) {
        (Op::Bind { create: true, .. }, Some(libc::EROFS | libc::ENOENT)) => Some(
            "the image has no such file; set resolv-conf-path or hosts-file-path of the container to where it \
             is, or to null",
        ),
        (_, Some(libc::ENOENT)) => Some("the mount point must exist in the image, see `!EnsureDir`"),
        (_, Some(libc::ENOTDIR)) => {
            Some("a directory can only be mounted on a directory, and a file on a file")
        }
        (Op::Snapshot { .. }, Some(libc::ENOSPC)) => Some("the copy is larger than the volume's `size`"),
        (Op::Snapshot { .. }, _) if e.kind() == io::ErrorKind::PermissionDenied => {
            Some("it belongs to a user that this container does not have, see its `uids` and `gids`")
        }
        _ => None,
    }
}

/// True when a path of the host exists; for plans that bind files some hosts lack.
pub fn host_has(path: &Path) -> bool {
    fs::metadata(path).is_ok()
}

mod prepare;
mod snapshot;
#[cfg(test)]
mod tests;
