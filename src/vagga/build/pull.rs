//! `image-cache-url`: a ready image instead of a build.

use std::fs::File;
use std::path::Path;

use super::error::{IoContext, StepError};
use super::job::Job;
use super::progress::Progress;
use super::sandbox;
use crate::sys::path::Root;
use crate::sys::process::Status;
use crate::vagga::archive::{decompress, unpack_tar, Options, Owners, Writer};
use crate::vagga::failure::Failure;
use crate::vagga::fetch;

/// Fills in the template of an image's address.
pub(super) fn address(template: &str, container: &str, short_hash: &str) -> String {
    template
        .replace("${container_name}", container)
        .replace("${short_hash}", short_hash)
}

impl Job<'_> {
    /// Fetches and unpacks the image into the build directory. `false` = it did not work, which has been said; then
    /// the container is built.
    pub(super) fn pull(&self, url: &str) -> Result<bool, Failure> {
        let status = sandbox::run(self.ids, || match self.unpack_image(url) {
            Ok(()) => 0,
            Err(e) => {
                eprintln!("Error when unpacking image: {e}. Will clean and build it locally...");
                1
            }
        })?;
        Ok(status == Status::Exited(0))
    }

    fn unpack_image(&self, url: &str) -> Result<(), StepError> {
        let mut timings = self.prepare()?;
        timings.mark("Prepare");
        let mut progress = Progress::new(self.name, 1);
        progress.step(&format!("Unpacking image {url}"));
        let settings = &self.project.settings;
        let request = fetch::Request {
            urls: &[url.to_string()],
            sha256: None,
            cache: &self.storage.cache,
            project: &self.project.root,
            external_volumes: &settings.external_volumes,
        };
        let mut show = |done, total| progress.bytes("downloaded", done, total);
        let file = fetch::fetch(
            &mut None,
            &request,
            || fetch::Client::new(&fetch::Proxies::by_setting(self.project.settings.proxy_env_vars)),
            &mut show,
        )
        .map_err(|e| StepError::new(e.to_string()))?;
        let result = self.unpack_file(&file);
        if file.starts_with(self.storage.cache.join("downloads")) {
            // An image is used once; the next version has another name.
            std::fs::remove_file(&file).at("remove", &file)?;
        }
        result?;
        timings.mark("Unpack image");
        timings.mark("Finish");
        self.last_use()
    }

    fn unpack_file(&self, file: &Path) -> Result<(), StepError> {
        let root = self.dir.join("root");
        let root = Root::open(&root).at("open", &root)?;
        super::stack::standard_directories(&root).at("create the directories of", root.path())?;
        let options = Options {
            owners: match self.ids.is_single() {
                true => Owners::KeepWherePossible,
                false => Owners::Keep,
            },
            ..Options::default()
        };
        let archive = File::open(file).at("open", file)?;
        let archive = decompress(archive).at("read", file)?;
        Writer::new(&root, Path::new("/"), &options)
            .and_then(|writer| unpack_tar(archive, writer))
            .map_err(|e| StepError::new(e.to_string()))?;
        Ok(())
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
}
