//! `!FromImage`: a base system from an OCI image, out of a registry, a layout or an archive.

use std::fs;
use std::path::Path;

use crate::sys::fs::Scratch;
use crate::sys::path::Root;
use crate::vagga::archive::Owners;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::FromImage;
use crate::vagga::fetch::{Client, Proxies};
use crate::vagga::oci::{self, Configuration, Image, Layout, Name, OciError, Platform, Registry, Source};

/// Fetches the image if need be, checks it and unpacks its layers.
pub fn build(b: &mut Builder, s: &FromImage) -> Result<(), StepError> {
    let platform = s
        .platform
        .as_deref()
        .map_or(Ok(Platform::host()), Platform::parse)?;
    let registry = b.project.settings.image_registry.clone();
    match Source::parse(&s.image, registry.as_deref())? {
        Source::Registry(name) => {
            let image = from_registry(b, &name, &platform)?;
            unpack(b, &image)?;
        }
        Source::File(address) => from_file(b, s, &address, &platform)?,
    }
    b.refresh_resolver()
}

fn from_registry(b: &mut Builder, name: &Name, platform: &Platform) -> Result<Image, StepError> {
    let client = Client::new(&Proxies::by_setting(b.project.settings.proxy_env_vars));
    let cache = b.storage.cache.clone();
    let mut registry = Registry::new(client, name);
    let (manifest, configuration) = registry.resolve(platform)?;
    let progress = &mut b.progress;
    let mut show = |done, total| progress.bytes("downloaded", done, total);
    Ok(registry.layers(&manifest, configuration, &cache, &mut show)?)
}

/// A directory is read where it is; an archive is unpacked beside the cache for the time of the step.
fn from_file(b: &mut Builder, s: &FromImage, address: &str, platform: &Platform) -> Result<(), StepError> {
    let urls = [address.to_owned()];
    let remote = !address.starts_with(['.', '/']);
    if remote && s.sha256.is_none() {
        return Err(
            StepError::new(format!("{address}: an image from the network needs its digest"))
                .with_hint("add `sha256:` with the digest of the archive"),
        );
    }
    if let Some(dir) = b.directory_at(address)? {
        let image = Layout::open(&dir)?.image(s.tag.as_deref(), platform);
        return unpack(b, &image.map_err(|e| about(address, e))?);
    }
    let file = b.fetch(&urls, s.sha256.as_deref())?;
    let scratch = scratch(&b.storage.cache)?;
    from_archive(b, s, &file, scratch.path(), platform).map_err(|e| super::tar::of_archive(address, e))
}

fn from_archive(
    b: &mut Builder,
    s: &FromImage,
    file: &Path,
    scratch: &Path,
    platform: &Platform,
) -> Result<(), StepError> {
    let dir = Root::open(scratch).at("open", scratch)?;
    super::tar::unpack_beside(&dir, file, b.project.settings.max_unpacked_size)?;
    let image = Layout::open(scratch)?.image(s.tag.as_deref(), platform)?;
    unpack(b, &image)
}

/// A new directory in the cache, of this process.
fn scratch(cache: &Path) -> Result<Scratch, StepError> {
    let dir = cache.join("oci");
    fs::create_dir_all(&dir).at("create directory", &dir)?;
    Scratch::new(&dir, "unpack").at("make a temporary directory in", &dir)
}

fn unpack(b: &mut Builder, image: &Image) -> Result<(), StepError> {
    let owners = match b.ids.is_single() {
        true => Owners::KeepWherePossible,
        false => Owners::Keep,
    };
    let done = oci::unpack(image, &b.root, owners, b.project.settings.max_unpacked_size)?;
    super::tar::report_devices(b, done.devices);
    take_environ(b, &image.configuration);
    Ok(())
}

/// The image's variables are those of later steps and of commands.
fn take_environ(b: &mut Builder, configuration: &Configuration) {
    let environ = configuration.environ();
    b.environ.extend(environ.clone());
    b.state.image_environ.extend(environ);
}

impl From<OciError> for StepError {
    fn from(e: OciError) -> StepError {
        StepError {
            message: e.message,
            hint: e.hint,
        }
    }
}

fn about(address: &str, e: OciError) -> OciError {
    OciError {
        message: format!("{address}: {}", e.message),
        ..e
    }
}
