//! `image-cache-url`: a ready image instead of a build.
//!
//! An archive from elsewhere could be anything. It is unpacked by the confined writer with the ids of the container,
//! into a build directory that becomes an image only as a whole; and, before that, it must be what its digest or a
//! signed manifest says, if there is one. Where there is none, only what nobody on the way could have changed is taken:
//! files of this host and answers over https.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::{IoContext, StepError};
use super::job::Job;
use super::progress::Progress;
use super::{sandbox, settle};
use crate::sys::path::Root;
use crate::sys::process::Status;
use crate::vagga::archive::{decompress_ahead, unpack_tar, Options, Owners, Writer};
use crate::vagga::config::settings::Unsigned;
use crate::vagga::config::{Container, Settings};
use crate::vagga::failure::Failure;
use crate::vagga::fetch::{self, digest};
use crate::vagga::image::manifest::{self, Manifest};
use crate::vagga::version::Version;

/// Fills in the template of an image's address.
pub(super) fn address(template: &str, container: &str, short_hash: &str) -> String {
    template
        .replace("${container_name}", container)
        .replace("${short_hash}", short_hash)
}

/// How an archive is known to be the right one.
#[derive(Debug, PartialEq, Eq)]
enum Trust {
    /// Its signed manifest says so; the file of trusted keys.
    Signature(PathBuf),
    /// It has this SHA-256 digest, in lower-case hex.
    Digest(String),
    /// It is a file of this host, or only its server could have changed it.
    Source,
    /// No questions are asked (setting `image-cache-unsigned: always`).
    Blind,
}

impl Trust {
    /// What is asked of an archive at `url`. Errors: it cannot be trusted at all.
    fn of(config: &Container, settings: &Settings, project: &Path, url: &str) -> Result<Trust, String> {
        let keyring = config.image_cache_keyring.as_ref().map(|path| project.join(path));
        if let Some(keyring) = keyring.or_else(|| settings.image_cache_keyring.clone()) {
            return Ok(Trust::Signature(keyring));
        }
        if let Some(digest) = &config.image_cache_sha256 {
            let digest = digest.to_ascii_lowercase();
            let right = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
            return match right {
                true => Ok(Trust::Digest(digest)),
                false => Err("image-cache-sha256 is not 64 hex digits".into()),
            };
        }
        match settings.image_cache_unsigned {
            Unsigned::always => Ok(Trust::Blind),
            Unsigned::https if !url.starts_with("http://") => Ok(Trust::Source),
            Unsigned::https => Err(format!(
                "{url}: an image over plain http is taken only with image-cache-keyring or image-cache-sha256 (or with \
                 image-cache-unsigned: always in your settings)"
            )),
            Unsigned::never => Err(format!(
                "{url}: unsigned, which image-cache-unsigned: never in your settings forbids"
            )),
        }
    }
}

impl Job<'_> {
    /// Fetches and unpacks the image into the build directory. `false` = it did not work, which has been said; then
    /// the container is built.
    pub(super) fn pull(&self, url: &str, version: &Version) -> Result<bool, Failure> {
        let status = sandbox::run(self.ids, || match self.unpack_image(url, &version.short()) {
            Ok(()) => 0,
            Err(e) => {
                eprintln!("Error when unpacking image: {e}. Will clean and build it locally...");
                // Nothing of it may be taken for the beginning of a build.
                if let Err(e) = crate::sys::fs::remove_tree(self.dir) {
                    log::warn!("can't remove {:?}: {e}", self.dir);
                }
                1
            }
        })?;
        Ok(status == Status::Exited(0))
    }

    fn unpack_image(&self, url: &str, short_hash: &str) -> Result<(), StepError> {
        let settings = &self.project.settings;
        let trust = Trust::of(self.config, settings, &self.project.root, url).map_err(StepError::new)?;
        let mut timings = self.prepare()?;
        timings.mark("Prepare");
        let mut progress = Progress::new(self.name, 1);
        progress.step(&format!("Unpacking image {url}"));
        let archive = self.fetch_image(url, short_hash, &trust, &mut progress)?;
        self.unpack(archive)?;
        timings.mark("Unpack image");
        self.index(&mut timings)?;
        timings.mark("Finish");
        self.last_use()
    }

    /// The archive, open and checked. It never enters the cache, which others may be able to write to.
    fn fetch_image(
        &self,
        url: &str,
        short_hash: &str,
        trust: &Trust,
        progress: &mut Progress,
    ) -> Result<File, StepError> {
        let project = self.project;
        let client = fetch::Client::new(&fetch::Proxies::by_setting(project.settings.proxy_env_vars));
        let source = Source {
            // Where everything hangs on the server being the right one, it has to be the right one all the way.
            client: if *trust == Trust::Source {
                client.https_only()
            } else {
                client
            },
            job: self,
        };
        let (expected, limit) = match trust {
            Trust::Signature(keyring) => {
                let manifest = source.manifest(url, short_hash, keyring)?;
                (Some(manifest.sha256), Some(manifest.size))
            }
            Trust::Digest(digest) => (Some(digest.clone()), None),
            Trust::Source | Trust::Blind => (None, None),
        };
        let mut show = |done, total| progress.bytes("downloaded", done, total);
        let path = source.file(url, "image.part", limit, &mut show)?;
        let mut file = File::open(&path).at("open", &path)?;
        if let Some(expected) = expected {
            let found = digest::sha256_of_open(&mut file).at("read", &path)?;
            if found != expected {
                return Err(StepError::new(format!(
                    "Hashsum mismatch: expected {expected} but was {found} ({url})"
                )));
            }
            file.seek(SeekFrom::Start(0)).at("read", &path)?;
        }
        Ok(file)
    }

    fn unpack(&self, archive: File) -> Result<(), StepError> {
        let path = self.dir.join("root");
        let root = Root::open(&path).at("open", &path)?;
        let options = Options {
            owners: match self.ids.is_single() {
                true => Owners::KeepWherePossible,
                false => Owners::Keep,
            },
            top: true,
            limit: self.project.settings.max_unpacked_size,
            ..Options::default()
        };
        Writer::new(&root, Path::new("/"), &options)
            .and_then(|writer| unpack_tar(decompress_ahead(archive)?, writer))
            .map_err(|e| StepError::new(e.to_string()))?;
        for name in ["image.part", "image.asc"] {
            crate::sys::fs::remove_tree(&self.dir.join(name)).at("remove", name)?;
        }
        settle::clamp(&root, self.project.settings.source_date_epoch).at("set times in", &path)
    }
}

/// Where archives and manifests come from.
struct Source<'a> {
    client: fetch::Client,
    job: &'a Job<'a>,
}

impl Source<'_> {
    /// A file of this host where it is, a download as `name` in the build directory, of at most `limit` bytes.
    fn file(
        &self,
        url: &str,
        name: &str,
        limit: Option<u64>,
        progress: fetch::OnProgress,
    ) -> Result<PathBuf, StepError> {
        let project = self.job.project;
        let refused = |e: fetch::FetchError| StepError::new(e.to_string());
        if let Some(path) = fetch::local_path(url, &project.root, &project.settings.external_volumes) {
            let path = path.map_err(refused)?;
            return match path.is_file() {
                true => Ok(path),
                false => Err(StepError::new(format!("{url}: is not a file"))),
            };
        }
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(StepError::new(format!(
                "{url}: is neither an http or https address, nor a file (./… or /volumes/NAME/…)"
            )));
        }
        let path = self.job.dir.join(name);
        self.client
            .download(url, &path, false, limit, progress)
            .map_err(refused)?;
        Ok(path)
    }

    fn manifest(&self, url: &str, short_hash: &str, keyring: &Path) -> Result<Manifest, StepError> {
        let limit = Some(manifest::MANIFEST_MAX);
        let file = self.file(&manifest::address(url), "image.asc", limit, &mut |_, _| ())?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let manifest = Manifest::signed(&file, keyring.to_path_buf(), &path, self.job.dir);
        let manifest = manifest.map_err(StepError::new)?;
        manifest
            .check(self.job.name, short_hash)
            .map_err(StepError::new)?;
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_is_filled_in() {
        assert_eq!(
            address("./img/${container_name}.${short_hash}.tar.xz", "x", "0123abcd"),
            "./img/x.0123abcd.tar.xz"
        );
    }

    #[test]
    fn what_an_archive_must_prove() {
        let mut config = crate::vagga::cli::samples::container();
        let mut settings = Settings::default();
        let of = |config: &Container, settings: &Settings, url: &str| {
            Trust::of(config, settings, Path::new("/p"), url).map_err(|e| {
                assert!(e.contains("image-cache-"), "{e}");
            })
        };
        assert_eq!(of(&config, &settings, "https://h/a"), Ok(Trust::Source));
        assert_eq!(of(&config, &settings, "./a"), Ok(Trust::Source));
        assert_eq!(of(&config, &settings, "http://h/a"), Err(()));
        settings.image_cache_unsigned = Unsigned::never;
        assert_eq!(of(&config, &settings, "https://h/a"), Err(()));
        settings.image_cache_unsigned = Unsigned::always;
        assert_eq!(of(&config, &settings, "http://h/a"), Ok(Trust::Blind));
        config.image_cache_sha256 = Some("AB".repeat(32));
        assert_eq!(
            of(&config, &settings, "http://h/a"),
            Ok(Trust::Digest("ab".repeat(32)))
        );
        config.image_cache_sha256 = Some("abc".into());
        assert_eq!(of(&config, &settings, "http://h/a"), Err(()));
        settings.image_cache_keyring = Some("/k".into());
        assert_eq!(
            of(&config, &settings, "http://h/a"),
            Ok(Trust::Signature("/k".into()))
        );
        config.image_cache_keyring = Some("team.asc".into());
        assert_eq!(
            of(&config, &settings, "./a"),
            Ok(Trust::Signature("/p/team.asc".into()))
        );
    }
}
