//! `!Container`: starts from the image of another container.

use std::path::{Path, PathBuf};

use crate::sys::fs::{copy_selected, CopyOptions, Verdict};
use crate::sys::path::Root;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::build::metadata;
use crate::vagga::build::Image;
use crate::vagga::config::Step;

/// Starts from the image's layers, or copies it into the root, and restores the settings that its steps had made.
///
/// The tree comes first: settings mount caches, and their mount points must lie where the image says (`/var` may be a
/// link in it).
pub fn build(b: &mut Builder, name: &str) -> Result<(), StepError> {
    let image = b.image(name)?;
    let _held = b.storage.use_image(&image);
    if !b.begin_on(&image)? {
        copy(b, name, &image)?;
    }
    let environ = metadata::read_environ(&image.dir).at("read the variables of", &image.dir)?;
    b.environ.extend(environ.clone());
    b.state.image_environ.extend(environ);
    replay(b, name)?;
    b.refresh_resolver()
}

/// Copies the image into the root.
fn copy(b: &mut Builder, name: &str, image: &Image) -> Result<(), StepError> {
    let path = image.root();
    let from = Root::open(&path).at("open", &path)?;
    let skipped = mount_points(b);
    let options = CopyOptions {
        tolerate_owner: true,
        take_over_directories: true,
        ..CopyOptions::default()
    };
    let stats = copy_selected(&from, "/", &b.root, "/", &options, &mut |path, _| {
        Ok(match skipped.iter().any(|mount| mount == path) {
            true => Verdict::NONE,
            false => Verdict::ALL,
        })
    })
    .map_err(|e| StepError::io("copy the image of container", name, &e))?;
    super::copy::report(b, &stats);
    Ok(())
}

/// Restores the settings of the container's steps.
pub fn replay(b: &mut Builder, name: &str) -> Result<(), StepError> {
    super::replay_all(b, &steps(b, name)?)
}

fn steps(b: &Builder, name: &str) -> Result<Vec<Step>, StepError> {
    match b.project.config.containers.get(name) {
        Some(container) => Ok(container.setup.clone()),
        None => Err(StepError::new(format!("Container {name:?} is not found"))),
    }
}

/// Directories of the root, relative to it, that show something of the host during the build.
fn mount_points(b: &Builder) -> Vec<PathBuf> {
    let standard = ["/work", "/run"].map(Path::new);
    let all = b.mounted.iter().map(|m| m.at.as_path()).chain(standard);
    all.map(|path| path.strip_prefix("/").unwrap_or(path).to_path_buf())
        .collect()
}
