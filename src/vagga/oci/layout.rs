//! Images in files: a directory in OCI layout (OCI image specification), or what `docker save` writes.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use serde_derive::Deserialize;

use super::image::{Configuration, Document, Image, Index, Platform, REF_NAME};
use super::{Descriptor, Digest, OciError, MAX_DOCUMENT};
use crate::sys::path::Root;

/// A directory with an image in it. Links in it do not lead out of it.
pub struct Layout {
    root: Root,
}

/// An entry of `manifest.json`, which `docker save` writes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: PathBuf,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<PathBuf>,
}

impl Layout {
    /// Opens the directory.
    pub fn open(path: &Path) -> Result<Layout, OciError> {
        let root = Root::open(path).map_err(|e| OciError::new(format!("{}: {e}", path.display())))?;
        Ok(Layout { root })
    }

    /// The image with that tag, or the only one. Digests of everything are checked here.
    ///
    /// Errors: no image there, several and no tag, none for the platform, a wrong digest.
    pub fn image(&self, tag: Option<&str>, platform: &Platform) -> Result<Image, OciError> {
        if self.root.exists("index.json") {
            return self.image_of_index(tag, platform);
        }
        if self.root.exists("manifest.json") {
            return self.image_of_docker(tag);
        }
        Err(OciError::new(
            "this is neither an OCI layout (index.json) nor an archive of `docker save` (manifest.json)",
        ))
    }

    fn image_of_index(&self, tag: Option<&str>, platform: &Platform) -> Result<Image, OciError> {
        let index: Index = serde_json::from_slice(&self.read(Path::new("index.json"))?)
            .map_err(|e| OciError::new(format!("index.json is not right: {e}")))?;
        let mut chosen = self.by_tag(&index, tag, platform)?.clone();
        for _ in 0..3 {
            let bytes = self.blob(&chosen)?;
            match Document::parse(&bytes)? {
                Document::Index(index) => chosen = index.choose(platform)?.clone(),
                Document::Manifest(manifest) => {
                    let configuration = Configuration::parse(&self.blob(&manifest.config)?)?;
                    let layers = manifest.layers.iter().map(|l| self.layer(l));
                    return Image::new(configuration, layers.collect::<Result<_, _>>()?);
                }
            }
        }
        Err(OciError::new("indexes lead to indexes too often"))
    }

    /// Tags stand in annotations; entries without a tag are chosen by platform.
    fn by_tag<'i>(
        &self,
        index: &'i Index,
        tag: Option<&str>,
        platform: &Platform,
    ) -> Result<&'i Descriptor, OciError> {
        let name = |m: &Descriptor| m.annotations.get(REF_NAME).cloned();
        if let Some(tag) = tag {
            let found = index.manifests.iter().find(|m| name(m).as_deref() == Some(tag));
            return found.ok_or_else(|| no_tag(tag, index.manifests.iter().filter_map(name)));
        }
        match index.manifests.as_slice() {
            [only] => Ok(only),
            several if several.iter().all(|m| name(m).is_none()) => index.choose(platform),
            several => Err(several_tags(several.iter().filter_map(name))),
        }
    }

    fn image_of_docker(&self, tag: Option<&str>) -> Result<Image, OciError> {
        let saved: Vec<Saved> = serde_json::from_slice(&self.read(Path::new("manifest.json"))?)
            .map_err(|e| OciError::new(format!("manifest.json is not right: {e}")))?;
        let tags = |s: &Saved| s.repo_tags.clone().unwrap_or_default();
        let fits = |s: &Saved, tag: &str| {
            let ends = |t: &str| t.strip_suffix(tag).is_some_and(|rest| rest.ends_with([':', '/']));
            tags(s).iter().any(|t| t == tag || ends(t))
        };
        let chosen = match (tag, saved.as_slice()) {
            (Some(tag), all) => all
                .iter()
                .find(|s| fits(s, tag))
                .ok_or_else(|| no_tag(tag, all.iter().flat_map(tags))),
            (None, [only]) => Ok(only),
            (None, several) => Err(several_tags(several.iter().flat_map(tags))),
        }?;
        let configuration = Configuration::parse(&self.read(&chosen.config)?)?;
        let layers = chosen.layers.iter().map(|path| Ok((self.host_path(path)?, None)));
        Image::new(configuration, layers.collect::<Result<_, OciError>>()?)
    }

    /// A small blob, its digest checked.
    fn blob(&self, d: &Descriptor) -> Result<Vec<u8>, OciError> {
        let digest = d.digest()?;
        let bytes = self.read(&blob_path(&digest))?;
        digest.check(&Digest::of(&bytes), "blob")?;
        Ok(bytes)
    }

    /// A layer, its digest checked.
    fn layer(&self, d: &Descriptor) -> Result<(PathBuf, Option<Digest>), OciError> {
        let digest = d.digest()?;
        let path = self.host_path(&blob_path(&digest))?;
        let actual = Digest::of_file(&path).map_err(|e| OciError::new(format!("{}: {e}", path.display())))?;
        digest.check(&actual, "layer")?;
        Ok((path, Some(digest)))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, OciError> {
        let fail = |e: std::io::Error| OciError::new(format!("{}: {e}", path.display()));
        let file = self.root.open_read(path).map_err(fail)?;
        let mut bytes = Vec::new();
        file.take(MAX_DOCUMENT + 1)
            .read_to_end(&mut bytes)
            .map_err(fail)?;
        match bytes.len() as u64 > MAX_DOCUMENT {
            true => Err(OciError::new(format!(
                "{} is larger than {MAX_DOCUMENT} bytes",
                path.display()
            ))),
            false => Ok(bytes),
        }
    }

    /// The path of a regular file of the layout as the host knows it: links are resolved inside, then the kernel is
    /// asked where that is.
    fn host_path(&self, path: &Path) -> Result<PathBuf, OciError> {
        let fail = |e: std::io::Error| OciError::new(format!("{}: {e}", path.display()));
        let file = self.root.open_read(path).map_err(fail)?;
        std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(fail)
    }
}

fn blob_path(digest: &Digest) -> PathBuf {
    Path::new("blobs/sha256").join(digest.hex())
}

fn no_tag(tag: &str, there: impl Iterator<Item = String>) -> OciError {
    OciError::new(format!(
        "there is no image with the tag {tag:?}, only: {}",
        list(there)
    ))
}

fn several_tags(there: impl Iterator<Item = String>) -> OciError {
    OciError::new(format!("there are several images: {}", list(there))).with_hint("choose one by `tag:`")
}

fn list(tags: impl Iterator<Item = String>) -> String {
    let tags: Vec<String> = tags.map(|t| format!("{t:?}")).collect();
    match tags.is_empty() {
        true => "images without a tag".into(),
        false => tags.join(", "),
    }
}
