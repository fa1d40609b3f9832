//! What is mounted in the root during a build, in the builder's own mount namespace: the project at `/work`, a `/run`
//! in memory, caches. Commands see it too; the image does not keep any of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde_derive::{Deserialize, Serialize};

use super::error::{IoContext, StepError};
use crate::sys::mount::{self, Flags};
use crate::sys::path::Root;
use crate::vagga::fetch;

/// Size limit of `/run` in bytes.
const RUN_SIZE: u64 = 100 << 20;

/// Something mounted for the time of a build, so that it can be mounted again elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// Where in the root.
    pub at: PathBuf,
    /// What.
    pub source: MountSource,
}

/// What is mounted by steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A directory of the cache, writable.
    Cache(PathBuf),
    /// A directory of the host.
    Host {
        /// Its path.
        path: PathBuf,
        /// Nobody can write there.
        read_only: bool,
    },
    /// A directory of another container's image, read-only.
    Image {
        /// The container.
        container: String,
        /// Path in it.
        source: PathBuf,
    },
}

/// Mounts `/work` and `/run` in the tree.
pub(super) fn attach(root: &Root, project: &Path) -> Result<(), StepError> {
    mount::make_private().at("make private", "/")?;
    bind(root, project, Path::new("/work"), false)?;
    run_directory(root, "/run")
}

/// Prepares what [`attach_staged`] mounts, once for a build whose root is replaced from step to step. The directory of
/// the stage must not be visible in the project before; it holds `work` and `run`.
pub(super) fn stage(stage: &Root, project: &Path) -> Result<(), StepError> {
    mount::make_private().at("make private", "/")?;
    bind(stage, project, Path::new("work"), false)?;
    run_directory(stage, "run")
}

/// Mounts `/work` and `/run` of the stage in the tree.
pub(super) fn attach_staged(root: &Root, stage: &Root) -> Result<(), StepError> {
    for name in ["work", "run"] {
        let source = stage.open_dir(name).at("open", name)?;
        mount::bind(source.as_fd(), root, name, true, Flags::empty()).at("mount", name)?;
    }
    Ok(())
}

fn run_directory(root: &Root, at: &str) -> Result<(), StepError> {
    mount::tmpfs(root, at, Some(RUN_SIZE), 0o755, None, None).at("mount a tmpfs at", at)?;
    let shm = Path::new(at).join("shm");
    root.mkdir(&shm, 0o1777)
        .and_then(|()| root.chmod(&shm, 0o1777))
        .at("create directory", "/run/shm")
}

/// Puts the host's certificates where commands find them through the variables of [`CERTIFICATE_VARIABLES`]. They are
/// in the `/run` of the build, never in the image.
pub(super) fn add_certificates(root: &Root) -> Result<BTreeMap<String, String>, StepError> {
    let Some(bundle) = fetch::ca_bundle() else {
        return Ok(BTreeMap::new());
    };
    let data = fs::read(&bundle).at("read the certificates of the host", &bundle)?;
    root.mkdir("/run/vagga", 0o755)
        .and_then(|()| root.create(CERTIFICATES, 0o644))
        .and_then(|mut file| file.write_all(&data))
        .at("write", CERTIFICATES)?;
    Ok(CERTIFICATE_VARIABLES
        .map(|name| (name.to_string(), CERTIFICATES.to_string()))
        .into())
}

/// Path of the host's certificates inside.
const CERTIFICATES: &str = "/run/vagga/ca-certificates.crt";

/// What OpenSSL, curl, requests, pip, node, git and cargo read.
const CERTIFICATE_VARIABLES: [&str; 7] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
];

/// Mounts a host directory, with what is mounted below it, at a directory of the root.
pub(super) fn bind(root: &Root, host: &Path, at: &Path, read_only: bool) -> Result<(), StepError> {
    let source = fs::File::open(host).at("open", host)?;
    let flags = if read_only {
        Flags::READ_ONLY
    } else {
        Flags::empty()
    };
    mount::bind(source.as_fd(), root, at, true, flags)
        .map_err(|e| StepError::io(&format!("mount {host:?} at"), at, &e))
}

/// Mounts an empty directory in memory over one of the root.
pub(super) fn hide(root: &Root, at: &Path) -> Result<(), StepError> {
    mount::tmpfs(root, at, Some(RUN_SIZE), 0o755, None, None).at("mount a tmpfs at", at)
}

/// Undoes [`hide`].
pub(super) fn show(root: &Root, at: &Path) -> Result<(), StepError> {
    mount::umount(root, at).at("unmount", at)
}

/// Mounts a directory of an image, read-only, at a directory of the root.
pub(super) fn bind_image(root: &Root, image: &Root, source: &Path, at: &Path) -> Result<(), StepError> {
    let fd = image.open_dir(source).at("open", source)?;
    mount::bind(fd.as_fd(), root, at, true, Flags::READ_ONLY)
        .map_err(|e| StepError::io(&format!("mount {source:?} at"), at, &e))
}

/// Detaches the mounts, the last one first.
pub(super) fn detach(root: &Root, mounted: &[Mounted]) -> Result<(), StepError> {
    let standard = ["/work", "/run"].map(Path::new);
    for at in mounted
        .iter()
        .rev()
        .map(|mounted| mounted.at.as_path())
        .chain(standard)
    {
        mount::umount(root, at).at("unmount", at)?;
    }
    Ok(())
}
