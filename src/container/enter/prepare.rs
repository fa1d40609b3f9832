//! Plans in two halves, for images that are not trusted and processes with fewer rights than whoever starts them.
//!
//! [`Plan::prepare`] runs in a process of the host and takes everything from it as mounts that are attached nowhere,
//! with their restrictions. [`Prepared::enter`] runs in the container's own user and mount namespaces and only puts
//! them together: it needs no right on the host and opens nothing of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{umask, Mode};
use nix::sys::statfs::{fstatfs, FsType, PROC_SUPER_MAGIC, SYSFS_MAGIC};

use super::{at, op_error, open_host, open_source, Builder, Failed, Input, OpError, STAGE};
use crate::container::plan::{Base, Op, Plan, Source};
use crate::sys::fs::Kind;
use crate::sys::mount::{self, Flags};
use crate::sys::path::Root;

/// Of every sysfs.
pub(super) const SYSFS_FLAGS: Flags = Flags::READ_ONLY
    .and(Flags::NOSUID)
    .and(Flags::NODEV)
    .and(Flags::NOEXEC);
/// The device that hides files.
const NULL: &str = "/dev/null";
/// Device number of `/dev/null`, see null(4).
const NULL_DEVICE: (u32, u32) = (1, 3);

/// A plan whose sources are open. Descriptors are close-on-exec and kept by children made with fork.
#[derive(Debug)]
pub struct Prepared<'a> {
    plan: &'a Plan,
    base: OwnedFd,
    inputs: Vec<Input>,
    /// For all masks.
    null: Option<OwnedFd>,
}

impl Plan {
    /// Opens all sources on the host. The base must be a bind: it becomes `nosuid,nodev`, with all below it. Sources of
    /// binds that are not [`Op::Volume`] are not supported, nor are overlays and copies.
    ///
    /// Errors as [`Plan::enter`]; without the calls of Linux 5.12 it is ENOSYS.
    pub fn prepare(&self) -> Result<Prepared<'_>, OpError> {
        let base = detach_base(&self.base).map_err(|e| self.base_error(e))?;
        let mut inputs = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            inputs.push(detach_input(op).map_err(|e| op_error(op, e))?);
        }
        let masks = self.ops.iter().any(|op| matches!(op, Op::Mask { .. }));
        let null = masks
            .then(null)
            .transpose()
            .map_err(|e| self.base_error(at(NULL)(e)))?;
        Ok(Prepared {
            plan: self,
            base,
            inputs,
            null,
        })
    }
}

impl Prepared<'_> {
    /// Builds the root and moves this process into it, as [`Plan::enter`] does. Beyond that: `/proc`, `/sys` and `/dev`
    /// must be ordinary directories of the image, not links; nothing is mounted over parts of procfs and sysfs
    /// (CVE-2019-19921 and successors); there is no fallback to the host's procfs.
    pub fn enter(self) -> Result<(), OpError> {
        let mask = umask(Mode::empty());
        let result = self.build();
        umask(mask);
        result
    }

    fn build(self) -> Result<(), OpError> {
        let fail = |e| self.plan.base_error(e);
        mount::make_private().map_err(|e| fail((STAGE.into(), e, None)))?;
        let root = attach_base(self.base).map_err(fail)?;
        let mut builder = Builder {
            root,
            near: None,
            strict: true,
            null: self.null.map(|tree| (tree, false)),
            hidden: None,
        };
        for (op, input) in self.plan.ops.iter().zip(&self.inputs) {
            builder.run(op, input).map_err(|e| op_error(op, e))?;
        }
        // Left to the caller's closing of everything at once: there are many.
        std::mem::forget(self.inputs);
        mount::pivot_root(builder.root.as_fd()).map_err(|e| self.plan.base_error(("/".into(), e, None)))
    }
}

fn detach_base(base: &Base) -> Result<OwnedFd, Failed> {
    let Base::Bind { source, write } = base else {
        return Err(at("/")(io::ErrorKind::Unsupported.into()));
    };
    let flags = Flags::NOSUID | Flags::NODEV;
    let flags = if *write { flags } else { flags | Flags::READ_ONLY };
    mount::detach(open_source(source)?.as_fd(), flags).map_err(at("/"))
}

fn attach_base(tree: OwnedFd) -> Result<Root, Failed> {
    mount::attach_to_path(tree.as_fd(), STAGE).map_err(at(STAGE))?;
    // What it is open on is mounted now.
    Ok(Root::from_fd(tree, STAGE.into()))
}

fn detach_input(op: &Op) -> Result<Input, Failed> {
    let tree = match op {
        Op::Volume {
            source: Source::Detached(number),
            ..
        } => open_host(Path::new(&format!("/proc/self/fd/{number}"))).map_err(|(_, e, _)| e),
        Op::Volume { source, flags, .. } => mount::detach(open_source(source)?.as_fd(), *flags),
        Op::Sysfs {
            own_network: false, ..
        } => mount::detached_filesystem("sysfs", SYSFS_FLAGS, "".as_ref()),
        Op::Tmpfs { .. }
        | Op::Proc { .. }
        | Op::Devpts { .. }
        | Op::Empty { .. }
        | Op::Sysfs { .. }
        | Op::Mask { .. } => return Ok(Input::Nothing),
        _ => Err(io::ErrorKind::Unsupported.into()),
    };
    tree.map(Input::Tree).map_err(at(op.target()))
}

/// The host's null device: the one of the image, or of a devfs, may be anything (CVE-2025-31133).
fn null() -> io::Result<OwnedFd> {
    let source = open_host(Path::new(NULL)).map_err(|(_, e, _)| e)?;
    let stat = crate::sys::at::fstat(source.as_fd())?;
    let device = (libc::major(stat.rdev), libc::minor(stat.rdev));
    if stat.kind() != Kind::CharDevice || device != NULL_DEVICE {
        return Err(io::Error::other(format!(
            "{NULL} of the host is not the null device"
        )));
    }
    mount::detach(source.as_fd(), Flags::READ_ONLY)
}

impl Builder {
    /// Refuses targets through which an image would redirect what confines it.
    pub(super) fn examine(&self, op: &Op) -> io::Result<()> {
        let target = op.target();
        match op {
            Op::Proc { .. } | Op::Sysfs { .. } => self.ordinary_directory(target),
            Op::Volume { .. } if target == Path::new("/dev") => self.ordinary_directory(target),
            Op::Volume { .. } | Op::Tmpfs { .. } => self.outside_of_the_kernel(target),
            _ => Ok(()),
        }
    }

    fn ordinary_directory(&self, target: &Path) -> io::Result<()> {
        match self.root.lstat(target)?.kind() {
            Kind::Dir => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the image must have an ordinary directory here",
            )),
        }
    }

    fn outside_of_the_kernel(&self, target: &Path) -> io::Result<()> {
        let place = self.root.open_with(target, OFlag::O_PATH, 0)?;
        let kind: FsType = fstatfs(&place)?.filesystem_type();
        match kind == PROC_SUPER_MAGIC || kind == SYSFS_MAGIC {
            true => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "volumes cannot cover parts of /proc and /sys",
            )),
            false => Ok(()),
        }
    }

    pub(super) fn attach(&self, input: &Input, target: &Path) -> io::Result<()> {
        let Input::Tree(tree) = input else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let place = self.root.open_with(target, OFlag::O_PATH, 0)?;
        mount::attach(tree.as_fd(), place.as_fd())
    }

    /// The target is opened once: what is hidden is what was looked at.
    pub(super) fn mask(&mut self, target: &Path) -> io::Result<()> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let place = match self.root.open_with(target, flags, 0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            place => place?,
        };
        if crate::sys::at::fstat(place.as_fd())?.kind() == Kind::Dir {
            return self.hide_directory(target, place);
        }
        match &mut self.null {
            None => Err(io::ErrorKind::Unsupported.into()),
            Some((tree, true)) => {
                // Now that it is mounted here it can be copied, with its flags.
                let copy = mount::detach(tree.as_fd(), Flags::empty())?;
                mount::attach(copy.as_fd(), place.as_fd())
            }
            Some((tree, attached)) => {
                *attached = true;
                mount::attach(tree.as_fd(), place.as_fd())
            }
        }
    }

    /// All hidden directories show the same empty one.
    fn hide_directory(&mut self, target: &Path, place: OwnedFd) -> io::Result<()> {
        let Some(first) = &self.hidden else {
            self.hidden = Some(target.to_path_buf());
            let flags = Flags::READ_ONLY | Flags::NOSUID | Flags::NODEV | Flags::NOEXEC;
            let at = Root::from_fd(place, target.to_path_buf());
            return mount::filesystem("tmpfs", &at, ".", flags, "mode=000,size=4096".as_ref());
        };
        let empty = self.root.open_with(first, OFlag::O_PATH | OFlag::O_NOFOLLOW, 0)?;
        let copy = mount::detach(empty.as_fd(), Flags::empty())?;
        mount::attach(copy.as_fd(), place.as_fd())
    }
}
