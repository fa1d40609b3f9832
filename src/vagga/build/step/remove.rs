//! `!Remove`: a path that is removed now and at the end of the build, also of derived containers.
//!
//! What is mounted in the root (the project, caches) is spared: it is no part of the image.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use crate::sys::mount::same_mount;
use crate::sys::path::Root;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};

/// Removes the file, link or tree; a missing one is fine.
pub fn build(b: &mut Builder, path: &Path) -> Result<(), StepError> {
    b.state.remove.insert(path.to_path_buf());
    let parent = path.parent().unwrap_or(path);
    match in_image(&b.root, parent)? {
        true => remove_now(&b.root, path),
        false => Ok(()),
    }
}

/// Removes a tree but for what is mounted in it; the end of the build, when nothing is, removes the rest.
pub(super) fn remove_now(root: &Root, path: &Path) -> Result<(), StepError> {
    match root.remove_all(path) {
        Err(e) if e.kind() == io::ErrorKind::ResourceBusy => Ok(()),
        done => done.at("remove", path),
    }
}

/// True when the directory belongs to the image; one that is missing does.
pub(super) fn in_image(root: &Root, dir: &Path) -> Result<bool, StepError> {
    match root.open_dir(dir) {
        Ok(fd) => same_mount(root.as_fd(), fd.as_fd()).at("read", dir),
        Err(_) => Ok(true),
    }
}
