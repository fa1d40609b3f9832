//! `_push_image`: packs an image beside it and lets a script of the user's carry it away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::manifest::Manifest;
use super::pack::{pack, Compression};
use crate::sys::fs::lock_waiting;
use crate::vagga::build::Image;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::fetch::digest::sha256_of;
use crate::vagga::version;

/// Name of the archive in the image's directory while it is pushed.
const ARCHIVE: &str = "image.tar.xz";

/// Removes files when dropped; missing ones are fine.
struct Removed(Vec<PathBuf>);

impl Drop for Removed {
    fn drop(&mut self) {
        for path in &self.0 {
            match fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => log::warn!("can't remove {path:?}: {e}"),
                _ => {}
            }
        }
    }
}

/// The setting, or an error that names it. To be asked for before anything is built.
pub fn script(setting: Option<&str>) -> Result<&str, Failure> {
    setting.ok_or_else(|| {
        fail("_push_image: the setting push-image-script is missing".into())
            .with_hint("set it in ~/.vagga.yaml, e.g. push-image-script: 'cp \"$image_path\" /srv/images/$container_name.$short_hash.tar.xz'")
    })
}

/// Packs the image and runs the script on the host. The archive is gone afterwards, whatever happened.
pub fn push(image: &Image, script: &str, epoch: i64) -> Result<(), Failure> {
    let path = image.dir.join(ARCHIVE);
    let manifest_path = with_suffix(&path, ".manifest");
    let say = || eprintln!("Other process is pushing {:?}. Waiting...", image.name);
    let lock = lock_waiting(&path, say).map_err(|e| fail(format!("Can't lock {path:?}: {e}")))?;
    // Dropped before the lock, so that nobody else's archive is removed.
    let _removed = Removed(vec![
        path.clone(),
        manifest_path.clone(),
        with_suffix(&manifest_path, ".asc"),
    ]);
    // An interrupted push has left something.
    lock.file()
        .set_len(0)
        .map_err(|e| fail(format!("Can't write {path:?}: {e}")))?;
    eprintln!(
        "Packing and compressing the image of {}, this may take a while...",
        image.name
    );
    pack(image, Compression::Xz, epoch, lock.file())?;
    let manifest = manifest(image, &path)?;
    fs::write(&manifest_path, manifest.text())
        .map_err(|e| fail(format!("Can't write {manifest_path:?}: {e}")))?;
    run(script, &manifest, &path, &manifest_path)
}

fn manifest(image: &Image, archive: &Path) -> Result<Manifest, Failure> {
    let cant = |e: io::Error| fail(format!("Can't read {archive:?}: {e}"));
    let version = image.dir.file_name().unwrap_or_default().to_string_lossy();
    let at = version.len().saturating_sub(version::SHORT);
    Ok(Manifest {
        container: image.name.clone(),
        short_hash: version.get(at..).unwrap_or_default().to_string(),
        sha256: sha256_of(archive).map_err(cant)?,
        size: fs::metadata(archive).map_err(cant)?.len(),
    })
}

fn run(script: &str, manifest: &Manifest, archive: &Path, manifest_path: &Path) -> Result<(), Failure> {
    let status = Command::new("/bin/sh")
        .args(["-exc", script])
        .env("image_path", archive)
        .env("container_name", &manifest.container)
        .env("short_hash", &manifest.short_hash)
        .env("image_sha256", &manifest.sha256)
        .env("manifest_path", manifest_path)
        .stdin(Stdio::null())
        .status()
        .map_err(|e| fail(format!("_push_image: can't run /bin/sh: {e}")))?;
    match status.success() {
        true => Ok(()),
        false => Err(fail(format!("_push_image: push-image-script failed: {status}"))),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn fail(message: String) -> Failure {
    Failure::new(exit::LAUNCHER, message)
}
