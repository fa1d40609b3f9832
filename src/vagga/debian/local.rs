//! Archives in directories of the host (`file:`): apt in the container sees them during the build, at the same paths
//! and read-only. The image keeps neither their files nor the directories made for them.

use std::path::Path;

use super::mirror::local_path;
use super::sources::{self, Source};
use crate::sys::path::Root;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::StepError;

/// Mounts all directories that the image's sources of packages name, as far as `allowed`.
pub fn show(b: &mut Builder) -> Result<(), StepError> {
    let named = sources::read(&b.root);
    let mut dirs: Vec<&Path> = named.iter().filter_map(|s| local_path(&s.url)).collect();
    dirs.sort_unstable();
    dirs.dedup();
    if dirs.is_empty() {
        return Ok(());
    }
    let host = Root::open("/")
        .map(|root| sources::read(&root))
        .unwrap_or_default();
    for dir in dirs.into_iter().filter(|dir| dir.is_dir()) {
        if allowed(b, &host, dir) {
            b.show_dir(dir)?;
        } else {
            b.progress.warn(&format!(
                "apt in the container cannot use {dir:?}: the directory is outside of the project (name it in the \
                 setting `debian-mirror` or `ubuntu-mirror`)"
            ));
        }
    }
    Ok(())
}

/// Programs of the container read all that is mounted: a directory has to be in the project, or to be an archive that
/// the settings or the host's own apt name.
fn allowed(b: &Builder, host: &[Source], dir: &Path) -> bool {
    let inside = dir.canonicalize().is_ok_and(|dir| {
        b.project
            .root
            .canonicalize()
            .is_ok_and(|root| dir.starts_with(root))
    });
    if inside {
        return true;
    }
    let settings = [
        &b.project.settings.debian_mirror,
        &b.project.settings.ubuntu_mirror,
    ];
    let by_setting = settings.into_iter().flatten().map(String::as_str);
    let by_host = host.iter().map(|source| source.url.as_str());
    let named = by_setting
        .chain(by_host)
        .filter_map(local_path)
        .any(|known| known == dir);
    named && dir.join("dists").is_dir()
}
