//! Steps that hash a tree of files: `!Copy`, `!Depends`, `!Build` with `content-hash`.

use std::io;
use std::path::{Path, PathBuf};

use super::encode::below_work;
use super::{Encoder, VersionError};
use crate::sys::fs::{Kind, Stat};
use crate::sys::path::Root;
use crate::vagga::config::step::{Build, Copy, Depends};
use crate::vagga::selection::{walk, Selection, WalkError};

impl From<WalkError> for VersionError {
    fn from(e: WalkError) -> VersionError {
        VersionError::failed(e.to_string())
    }
}

/// What a step hashes of every entry besides its name and contents.
struct Attributes<'a> {
    /// Root of the walk and the paths in it.
    root: &'a Root,
    source: &'a Path,
    /// The name that stands for `source` in the hash.
    shown: PathBuf,
    kind: What,
}

enum What {
    /// Mode and owner that the copy will have.
    Result {
        /// `None` keeps all 12 bits.
        umask: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
    },
    /// Only whether a file is executable.
    Executable,
}

/// `!Copy`: contents for sources below `/work`, else only the options.
pub fn copy(e: &mut Encoder, c: &Copy) -> Result<(), VersionError> {
    let Some(relative) = below_work(&c.source) else {
        e.path("source", &c.source);
        e.path("path", &c.path);
        e.field("preserve_permissions", c.preserve_permissions);
        if !c.preserve_permissions {
            e.opt("owner_uid", &c.owner_uid);
            e.opt("owner_gid", &c.owner_gid);
            e.field("umask", c.umask);
        }
        preserve_times(e, c);
        return Ok(());
    };
    let selection = Selection::new(&c.filter).map_err(VersionError::failed)?;
    let root = open_work(e)?;
    let attributes = Attributes {
        root: &root,
        source: relative,
        shown: c.source.clone(),
        kind: What::Result {
            umask: (!c.preserve_permissions).then_some(c.umask),
            uid: c.owner_uid,
            gid: c.owner_gid,
        },
    };
    tree(e, &attributes, &selection)?;
    e.path("path", &c.path);
    preserve_times(e, c);
    Ok(())
}

fn preserve_times(e: &mut Encoder, c: &Copy) {
    if c.preserve_times {
        e.field("preserve_times", true);
    }
}

/// `!Depends`: names, executable flags, contents.
pub fn depends(e: &mut Encoder, d: &Depends) -> Result<(), VersionError> {
    let selection = Selection::new(&d.filter).map_err(VersionError::failed)?;
    let root = open_work(e)?;
    let attributes = Attributes {
        root: &root,
        source: &d.path,
        shown: Path::new("/work").join(&d.path),
        kind: What::Executable,
    };
    tree(e, &attributes, &selection)
}

/// `!Build` with `content-hash`: what will be copied out of an image whose root is shown as `shown`.
pub fn image(e: &mut Encoder, root: &Root, shown: &Path, b: &Build) -> Result<(), VersionError> {
    let selection = Selection::from_rules(&b.rules).map_err(VersionError::failed)?;
    let below = b.source.strip_prefix("/").unwrap_or(&b.source);
    let attributes = Attributes {
        root,
        source: &b.source,
        shown: match below.as_os_str().is_empty() {
            true => shown.to_path_buf(),
            false => shown.join(below),
        },
        kind: What::Result {
            umask: None,
            uid: None,
            gid: None,
        },
    };
    tree(e, &attributes, &selection)
}

/// The project directory again: the walk needs it while the encoder is written to.
fn open_work(e: &Encoder) -> Result<Root, VersionError> {
    let path = &e.project.root;
    Root::open(path).map_err(|error| VersionError::failed(format!("can't open project {path:?}: {error}")))
}

fn tree(e: &mut Encoder, a: &Attributes, selection: &Selection) -> Result<(), VersionError> {
    if let Err(error) = a.root.lstat(a.source) {
        return Err(VersionError::missing_or_failed(
            format_args!("{:?}", a.shown),
            &error,
        ));
    }
    walk(a.root, a.source, selection, &mut |relative, stat| {
        entry(e, a, relative, stat)
    })
}

fn entry(e: &mut Encoder, a: &Attributes, relative: &Path, stat: &Stat) -> Result<(), VersionError> {
    let (path, shown) = match relative.as_os_str().is_empty() {
        true => (a.source.to_path_buf(), a.shown.clone()),
        false => (a.source.join(relative), a.shown.join(relative)),
    };
    let kind = stat.kind();
    e.path("filename", &shown);
    match &a.kind {
        What::Result { umask, uid, gid } => {
            if kind != Kind::Symlink {
                e.field(
                    "mode",
                    umask.map_or(stat.mode & 0o7777, |umask| result_mode(stat, umask)),
                );
            }
            e.field("uid", uid.unwrap_or_else(|| e.inside_uid(stat.uid)));
            e.field("gid", gid.unwrap_or_else(|| e.inside_gid(stat.gid)));
        }
        What::Executable if kind == Kind::File => e.field("is_executable", stat.mode & 0o100 != 0),
        What::Executable => {}
    }
    let done: io::Result<()> = match kind {
        Kind::File => a.root.open_read(&path).and_then(|mut file| e.contents(&mut file)),
        Kind::Symlink => a.root.read_link(&path).map(|target| e.path("symlink", &target)),
        Kind::Dir => Ok(()),
        _ => return Err(VersionError::failed(format!("{shown:?} is a special file"))),
    };
    done.map_err(|error| VersionError::failed(format!("can't read {shown:?}: {error}")))
}

/// The mode that `!Copy` gives without `preserve-permissions`.
fn result_mode(stat: &Stat, umask: u32) -> u32 {
    match stat.kind() {
        Kind::Dir => 0o777 & !umask,
        _ if stat.mode & 0o100 != 0 => 0o777 & !umask,
        _ => 0o666 & !umask,
    }
}
