//! Steps whose hash comes from other containers and images: `!Build`, `!SubConfig`, `!FromImage`.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{step, tree, Encoder, VersionError};
use crate::sys::path::Root;
use crate::vagga::config::step::{Build, FromImage, SubConfig, SubConfigSource};
use crate::vagga::config::{self, Config, Step};
use crate::vagga::fetch;
use crate::vagga::oci::{self, MAX_DOCUMENT};

/// The other container's steps, or with `content-hash` what is taken from its image.
///
/// `source` and `path` never entered the hash, which the recorded hashes show; `rules` are added (with both) because
/// nothing else tells two selections of one container apart.
pub fn build(e: &mut Encoder, b: &Build) -> Result<(), VersionError> {
    if b.content_hash {
        return image_contents(e, b);
    }
    let steps = &e.container(&b.container)?.setup;
    step::encode_all(e, steps)?;
    if !b.rules.is_empty() {
        e.path("source", &b.source);
        e.opt_path("path", &b.path);
        e.list("rules", &b.rules);
    }
    Ok(())
}

fn image_contents(e: &mut Encoder, b: &Build) -> Result<(), VersionError> {
    if b.temporary_mount.is_some() && b.path.is_none() {
        return Err(VersionError::failed(
            "content-hash is not supported with temporary-mount",
        ));
    }
    let (version, root) = image(e, &b.container)?;
    let shown = Path::new("/vagga/base/.roots").join(version).join("root");
    tree::image(e, &root, &shown, b)?;
    e.opt_path("path", &b.path);
    Ok(())
}

/// Directory name and root of the current image of a container; "not ready" when it is not built.
fn image(e: &Encoder, name: &str) -> Result<(PathBuf, Root), VersionError> {
    let version = super::version(e.project, e.storage, e.ids, name)?;
    let dir = e.storage.image_dir(name, &version.short());
    let root = Root::open(dir.join("root")).map_err(|error| {
        VersionError::missing_or_failed(format_args!("image of container {name:?}"), &error)
    })?;
    Ok((PathBuf::from(dir.file_name().unwrap_or_default()), root))
}

/// An image in a directory of the host: its index, which holds the digests of everything.
pub fn image_index(e: &mut Encoder, s: &FromImage) -> Result<(), VersionError> {
    let volumes = &e.project.settings.external_volumes;
    let Some(path) = fetch::local_path(&s.image, &e.project.root, volumes) else {
        return Ok(());
    };
    let path = path.map_err(|error| VersionError::failed(error.0))?;
    if !path.is_dir() {
        return Ok(());
    }
    let read = |name: &str| Root::open(&path)?.open_read(name);
    let index = read("index.json").or_else(|_| read("manifest.json"));
    let mut index = index
        .map_err(|error| VersionError::missing_or_failed(format_args!("image {:?}", s.image), &error))?
        .take(MAX_DOCUMENT);
    let mut text = Vec::new();
    index
        .read_to_end(&mut text)
        .map_err(|error| VersionError::missing_or_failed(format_args!("image {:?}", s.image), &error))?;
    e.field("index", oci::Digest::of(&text).to_string());
    Ok(())
}

/// The steps that a `!SubConfig` stands for.
pub fn sub_config_steps(e: &Encoder, s: &SubConfig) -> Result<Vec<Step>, VersionError> {
    let root = match &s.source {
        SubConfigSource::Directory => None,
        SubConfigSource::Container(name) => Some(image(e, name)?.1),
        SubConfigSource::Git(git) => {
            let opened = Root::open(e.storage.checkout(git));
            let what = format_args!("{}", git.url).to_string();
            Some(opened.map_err(|error| VersionError::missing_or_failed(format_args!("{what}"), &error))?)
        }
    };
    load_steps(root.as_ref().unwrap_or(&e.work), s)
}

/// Loads the file of a `!SubConfig` from the project or from an image and takes the steps of the named container.
pub fn load_steps(root: &Root, s: &SubConfig) -> Result<Vec<Step>, VersionError> {
    if let Err(error) = root.stat(&s.path) {
        return Err(VersionError::missing_or_failed(
            format_args!("{:?}", s.path),
            &error,
        ));
    }
    let config = load(root, &s.path)?;
    config
        .containers
        .get(&s.container)
        .map(|c| c.setup.clone())
        .ok_or_else(|| {
            VersionError::failed(format!(
                "container {:?} is not found in {:?}",
                s.container, s.path
            ))
        })
}

fn load(root: &Root, path: &Path) -> Result<Config, VersionError> {
    let unreadable = |error: io::Error| VersionError::failed(format!("can't read {path:?}: {error}"));
    let top = root.path().canonicalize().map_err(unreadable)?;
    let file = top.join(path).canonicalize().map_err(unreadable)?;
    if !file.starts_with(&top) {
        return Err(VersionError::failed(format!(
            "{path:?} is a link that leads out of its tree"
        )));
    }
    config::load_file(&file).map_err(|problems| VersionError::Failed(config::load::failure(&problems)))
}
