//! `!Debian`, `!Ubuntu` and their detailed forms: from nothing to a configured system in the builder's root.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_derive::{Deserialize, Serialize};

use super::acquire::{self, Request, Suite, Trust};
use super::apt_conf;
use super::apt_files::{self, SourceTrust};
use super::mirror::{self, Archive, Family};
use super::sources;
use super::store::{Http, Store};
use super::system::AptSystem;
use super::variant::Variant;
use super::{install, verify, Error};
use crate::sys::path::Root;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::fetch::Proxies;

/// Configuration of the host's apt.
pub(super) const HOST_APT: &str = "/etc/apt";

/// What a base system step asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub family: Family,
    /// `trixie`, `stable`, `noble`…
    pub codename: String,
    /// Mirror of the step; it beats the setting.
    pub mirror: Option<String>,
    pub arch: String,
    pub variant: Variant,
    pub components: Vec<String>,
    /// Keyring file, relative to the project.
    pub keyring: Option<PathBuf>,
    /// Accept missing and bad signatures.
    pub trusted: bool,
    /// Skip `fsync` while packages are installed.
    pub eatmydata: bool,
    /// Packages beyond the variant.
    pub also: Vec<String>,
}

impl Release {
    /// A release with the defaults of its distribution for this machine.
    pub fn new(family: Family, codename: &str) -> Release {
        Release {
            family,
            codename: codename.to_string(),
            mirror: None,
            arch: mirror::native_arch().to_string(),
            variant: Variant::Minbase,
            components: family.components(),
            keyring: None,
            trusted: false,
            eatmydata: true,
            also: Vec::new(),
        }
    }

    /// The mirror from the step, the settings, the host's apt configuration or the built-in default.
    pub fn mirror(&self, b: &Builder) -> mirror::Mirror {
        let setting = match self.family {
            Family::Debian => &b.project.settings.debian_mirror,
            Family::Ubuntu => &b.project.settings.ubuntu_mirror,
        };
        let given = self.mirror.as_deref().or(setting.as_deref());
        let host = Root::open("/").map(|root| sources::read(&root));
        mirror::choose(self.family, given, &host.unwrap_or_default(), &self.arch)
    }
}

impl From<Error> for StepError {
    fn from(e: Error) -> StepError {
        StepError {
            message: e.message,
            hint: e.hint,
        }
    }
}

/// Builds the base system and makes it the active distribution.
pub fn bootstrap(b: &mut Builder, release: &Release) -> Result<(), StepError> {
    b.state
        .set_distribution(Box::new(AptSystem::new(release.clone())))?;
    check(release)?;
    let mirror = release.mirror(b);
    let suites = unpack(b, release, &mirror)?;
    let archives: Vec<Archive> = suites.into_iter().map(|s| s.archive).collect();
    configure_apt(b, release, &archives)?;
    prepare(b)
}

fn prepare(b: &mut Builder) -> Result<(), StepError> {
    b.with_distribution(|distribution, b| distribution.as_apt().map_or(Ok(()), |system| system.prepare(b)))
}

/// Makes a system that is in the root already (unpacked from an archive) the active distribution.
pub fn adopt(b: &mut Builder, release: &Release) -> Result<(), StepError> {
    b.state
        .set_distribution(Box::new(AptSystem::new(release.clone())))?;
    let mirror = release.mirror(b);
    let archives = mirror::archives(release.family, &release.codename, &mirror);
    b.root
        .remove_all("/etc/apt/sources.list")
        .at("remove", "/etc/apt/sources.list")?;
    write(b, "/etc/dpkg/dpkg.cfg.d/02apt-speedup", apt_files::DPKG_SPEEDUP)?;
    configure_apt(b, release, &archives)?;
    prepare(b)
}

fn check(release: &Release) -> Result<(), StepError> {
    let plain = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if !plain(&release.codename) || !plain(&release.arch) {
        return Err(StepError::new(format!(
            "bad codename or architecture: {:?}, {:?}",
            release.codename, release.arch
        ))
        .with_hint(format!(
            "write the codename of a {} release, e.g. {}",
            release.family.name(),
            example(release.family)
        )));
    }
    Ok(())
}

/// Tries whether programs of a foreign architecture run, before a script fails in the middle.
fn check_emulation(b: &mut Builder, release: &Release) -> Result<(), StepError> {
    let native = mirror::native_arch();
    if release.arch == native {
        return Ok(());
    }
    let mut command = GuestCommand::new(["/bin/true"]);
    command.work_dir = "/".into();
    b.run(&command).map_err(|e| {
        StepError::new(format!(
            "programs of architecture {} do not run on this machine ({native}): {e}",
            release.arch
        ))
        .with_hint(
            "install an emulator that the kernel starts by itself: Debian's packages qemu-user-static and \
             binfmt-support (since trixie: qemu-user-binfmt)",
        )
    })
}

fn example(family: Family) -> &'static str {
    match family {
        Family::Debian => "trixie",
        Family::Ubuntu => "noble",
    }
}

/// Fetches, verifies, unpacks and configures the packages; returns the suites that were found.
fn unpack(b: &mut Builder, release: &Release, mirror: &mirror::Mirror) -> Result<Vec<Suite>, StepError> {
    let proxies = match b.project.settings.proxy_env_vars {
        true => Proxies::EnvironmentElse(apt_conf::proxies(Path::new(HOST_APT))),
        false => Proxies::None,
    };
    let keyring = release.keyring.as_ref().map(|k| b.project.root.join(k));
    let trust = Trust::new(release.family, keyring.as_deref(), release.trusted);
    if release.trusted {
        b.progress.warn(&format!(
            "signatures of {} are not verified (trusted: true)",
            mirror.url
        ));
    }
    let dir = b.cache_dir(Path::new("debian"))?;
    let mut http = Http::new(proxies);
    let mut store = Store::open(&dir, &mut http).at("open the cache", &dir)?;
    let archives = mirror::archives(release.family, &release.codename, mirror);
    let suites = acquire::suites(&mut store, release.family, &archives, &trust)?;
    let request = Request {
        arch: &release.arch,
        components: &release.components,
        variant: release.variant,
        also: &release.also,
    };
    let choices = acquire::choose(&mut store, &suites, &request)?;
    let progress = &mut b.progress;
    let files = acquire::fetch_packages(&mut store, &suites, &choices, &mut |done, all| {
        progress.bytes("packages", done, all)
    })?;
    let unpacked = install::unpack(&b.root, &choices, &files, !b.ids.is_single(), store.tmp())?;
    write(b, "/etc/dpkg/dpkg.cfg.d/02apt-speedup", apt_files::DPKG_SPEEDUP)?;
    write(b, "/usr/sbin/policy-rc.d", apt_files::POLICY_RC_D)?;
    b.root
        .chmod("/usr/sbin/policy-rc.d", 0o755)
        .at("change mode of", "/usr/sbin/policy-rc.d")?;
    check_emulation(b, release)?;
    configure(b, release, &install::configure_script(&choices, &unpacked))?;
    Ok(suites)
}

/// Where the output of dpkg goes; shown only if it fails.
const LOG: &str = "/run/vagga/dpkg.log";

/// Runs the maintainer scripts in the container.
fn configure(b: &mut Builder, release: &Release, script: &str) -> Result<(), StepError> {
    b.root
        .mkdir_all("/run/vagga", 0o755)
        .at("create directory", "/run/vagga")?;
    write(b, "/run/vagga/maintainer-scripts", script)?;
    let quiet =
        format!("/bin/sh /run/vagga/maintainer-scripts >{LOG} 2>&1 && exit\ncode=$?\ntail -n 60 {LOG} >&2\nexit $code\n");
    write(b, "/run/vagga/configure", &quiet)?;
    let mut command = GuestCommand::new(["/bin/sh", "/run/vagga/configure"]);
    command.work_dir = "/".into();
    command.environ = [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("LC_ALL", "C.UTF-8"),
    ]
    .map(|(k, v)| (k.to_string(), v.to_string()))
    .into();
    command.skip_sync = release.eatmydata;
    b.run(&command).map_err(|e| {
        StepError::new(format!(
            "the packages of {} cannot be configured: {e}",
            release.codename
        ))
    })
}

/// Writes apt's configuration into a new system.
fn configure_apt(b: &mut Builder, release: &Release, archives: &[Archive]) -> Result<(), StepError> {
    let trust = source_trust(b, release)?;
    let text = apt_files::sources(archives, &release.components, &trust);
    write(b, &sources_path(release.family), &text)?;
    write(b, "/etc/apt/apt.conf.d/01norecommend", apt_files::NO_RECOMMENDS)
}

/// The sources file of the distribution itself.
pub fn sources_path(family: Family) -> String {
    format!("/etc/apt/sources.list.d/{}.sources", family.id())
}

/// The keyring the image's apt shall use: the project's (copied), else that of the distribution's package.
fn source_trust(b: &mut Builder, release: &Release) -> Result<SourceTrust, StepError> {
    if let Some(keyring) = &release.keyring {
        let path = b.project.root.join(keyring);
        let bytes = std::fs::read(&path).at("read keyring", &path)?;
        let ending = if verify::is_armored(&bytes) { "asc" } else { "gpg" };
        let target = format!("/etc/apt/keyrings/{}.{ending}", release.family.id());
        write_bytes(b, &target, &bytes)?;
        return Ok(SourceTrust::SignedBy(target));
    }
    if release.trusted {
        return Ok(SourceTrust::Unverified);
    }
    let own = apt_files::keyring_in_image(release.family);
    Ok(match b.root.exists(own) {
        true => SourceTrust::SignedBy(own.to_string()),
        false => SourceTrust::Default,
    })
}

/// Writes a file of the root, making its directories.
pub fn write(b: &mut Builder, path: &str, text: &str) -> Result<(), StepError> {
    write_bytes(b, path, text.as_bytes())
}

/// The same for bytes.
pub fn write_bytes(b: &mut Builder, path: &str, bytes: &[u8]) -> Result<(), StepError> {
    let dir = Path::new(path).parent().unwrap_or(Path::new("/"));
    b.root.mkdir_all(dir, 0o755).at("create directory", dir)?;
    b.root
        .create(path, 0o644)
        .and_then(|mut f| f.write_all(bytes))
        .at("write", path)
}
