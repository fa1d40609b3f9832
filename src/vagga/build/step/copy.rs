//! `!Copy`: files of the project, or of the root itself, to another place in the root.

use std::io;
use std::path::Path;

use crate::sys::fs::{copy_selected, CopyOptions, CopyStats, Kind, Mode, Stat, Time, Verdict};
use crate::sys::path::Root;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::Copy;
use crate::vagga::selection::Selection;

/// What files get as access and modification time, so that images do not depend on when the project was checked out.
pub(super) const FIXED_TIME: Time = Time { sec: 1, nsec: 0 };

/// Copies what the filter selects.
pub fn build(b: &mut Builder, c: &Copy) -> Result<(), StepError> {
    let selection = Selection::new(&c.filter).map_err(StepError::new)?;
    if let Some(warning) = selection.warning() {
        b.progress.warn(warning);
    }
    let options = CopyOptions {
        mode: match c.preserve_permissions {
            true => Mode::Keep,
            false => Mode::Umask(c.umask),
        },
        uid: c.owner_uid,
        gid: c.owner_gid,
        tolerate_owner: true,
        times: (!c.preserve_times).then_some(FIXED_TIME),
        without_xattrs: !c.preserve_permissions,
        refuse_special: true,
        ..CopyOptions::default()
    };
    let from = b.root.try_clone().at("open", "/")?;
    let stats = copy(&from, &c.source, &b.root, &c.path, &options, &selection)?;
    report(b, &stats);
    Ok(())
}

/// Copies the part of a tree that `selection` takes.
pub(super) fn copy(
    from: &Root,
    source: &Path,
    to: &Root,
    target: &Path,
    options: &CopyOptions,
    selection: &Selection,
) -> Result<CopyStats, StepError> {
    from.lstat(source).at("read", source)?;
    require_parent(to, target)?;
    let mut select = |path: &Path, stat: &Stat| decide(selection, path, stat);
    copy_selected(from, source, to, target, options, &mut select)
        .map_err(|e| StepError::io(&format!("copy {source:?} to"), target, &e))
}

/// A missing parent directory has its own message, since this is the common mistake.
pub(super) fn require_parent(root: &Root, target: &Path) -> Result<(), StepError> {
    let Some(parent) = target.parent() else {
        return Ok(());
    };
    match root.stat(parent) {
        Ok(stat) if stat.kind() == Kind::Dir => Ok(()),
        Ok(_) => Err(StepError::new(format!(
            "can't create {target:?}: {parent:?} is not a directory"
        ))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StepError::new(format!(
            "can't create {target:?}: the directory {parent:?} does not exist"
        ))
        .with_hint(format!(
            "create it by a step before: `- !EnsureDir {}`",
            parent.display()
        ))),
        Err(e) => Err(StepError::io("read", parent, &e)),
    }
}

fn decide(selection: &Selection, path: &Path, stat: &Stat) -> io::Result<Verdict> {
    let Some(text) = path.to_str() else {
        let why = format!("the name {path:?} is not valid UTF-8");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    };
    let decision = selection.decide(text, stat.kind() == Kind::Dir);
    Ok(Verdict {
        select: decision.select,
        descend: decision.descend,
    })
}

/// Warnings about what could not be copied completely.
pub(super) fn report(b: &mut Builder, stats: &CopyStats) {
    let losses = [
        (stats.skipped_owners, "owners could not be set"),
        (stats.skipped_devices, "devices could not be made"),
        (stats.skipped_xattrs, "extended attributes could not be set"),
    ];
    for (count, what) in losses {
        if count > 0 {
            b.progress.warn(&format!("{count} {what} in the copy"));
        }
    }
}

#[cfg(test)]
mod tests;
