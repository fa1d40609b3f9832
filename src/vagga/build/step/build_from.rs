//! `!Build`: files of another container's image, copied or mounted for the time of the build.

use std::io;
use std::path::Path;

use super::copy::{copy, report, require_parent, FIXED_TIME};
use crate::sys::fs::{CopyOptions, Kind};
use crate::sys::path::Root;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::build::mounts::{MountSource, Mounted};
use crate::vagga::config::step::Build;
use crate::vagga::selection::Selection;

/// Copies to `path`, or else mounts at `temporary-mount`.
pub fn build(b: &mut Builder, s: &Build) -> Result<(), StepError> {
    let image = b.image(&s.container)?;
    let _held = b.storage.use_image(&image);
    let path = image.root();
    let from = Root::open(&path).at("open", &path)?;
    match (&s.path, &s.temporary_mount) {
        (Some(target), _) => copy_from(b, &from, s, target),
        (None, Some(target)) => mount_from(b, s, target),
        (None, None) => Err(StepError::new(
            "!Build needs `path` (copy to) or `temporary-mount` (mount at)",
        )),
    }
}

fn copy_from(b: &mut Builder, from: &Root, s: &Build, target: &Path) -> Result<(), StepError> {
    let selection = Selection::from_rules(&s.rules).map_err(StepError::new)?;
    if let Some(warning) = selection.warning() {
        b.progress.warn(warning);
    }
    let options = CopyOptions {
        tolerate_owner: true,
        times: Some(FIXED_TIME),
        ..CopyOptions::default()
    };
    let stats = copy(from, &s.source, &b.root, target, &options, &selection)?;
    report(b, &stats);
    Ok(())
}

fn mount_from(b: &mut Builder, s: &Build, target: &Path) -> Result<(), StepError> {
    if !s.rules.is_empty() {
        return Err(StepError::new("`rules` are not supported with `temporary-mount`"));
    }
    if s.content_hash {
        return Err(StepError::new(
            "`content-hash` is not supported with `temporary-mount`",
        ));
    }
    require_parent(&b.root, target)?;
    match b.root.mkdir(target, 0o755) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            if b.root.stat(target).at("read", target)?.kind() != Kind::Dir {
                return Err(StepError::new(format!("{target:?} exists but not a directory")));
            }
        }
        done => {
            done.at("create directory", target)?;
            b.made.push(target.to_path_buf());
        }
    }
    b.mount_again(Mounted {
        at: target.to_path_buf(),
        source: MountSource::Image {
            container: s.container.clone(),
            source: s.source.clone(),
        },
    })
}
