//! `!Ubuntu`, `!UbuntuRelease` and what belongs to them: repositories, PPAs, universe, keys.

use std::path::{Path, PathBuf};

use crate::vagga::archive::Options;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::{AptTrust, UbuntuRelease, UbuntuRepo};
use crate::vagga::debian::bootstrap::{self, Release};
use crate::vagga::debian::keys;
use crate::vagga::debian::mirror::Family;
use crate::vagga::debian::system::AptSystem;

/// Codenames of the releases that the deprecated option `version` may name.
const VERSIONS: [(&str, &str); 6] = [
    ("12.04", "precise"),
    ("14.04", "trusty"),
    ("14.10", "utopic"),
    ("15.04", "vivid"),
    ("15.10", "wily"),
    ("16.04", "xenial"),
];

/// `!Ubuntu CODENAME`
pub fn short(b: &mut Builder, codename: &str) -> Result<(), StepError> {
    let release = with_locales(Release::new(Family::Ubuntu, codename));
    bootstrap::bootstrap(b, &release)?;
    finish(b, false)
}

/// `!UbuntuRelease`
pub fn build(b: &mut Builder, s: &UbuntuRelease) -> Result<(), StepError> {
    if let Some(url) = &s.url {
        return from_tarball(b, s, url);
    }
    if s.version.is_some() {
        b.progress
            .warn("option `version` of !UbuntuRelease is deprecated: write `codename`");
    }
    bootstrap::bootstrap(b, &with_locales(release(s)?))?;
    finish(b, s.keep_chfn_command)
}

/// In a derived container the system is there already.
pub fn replay_short(b: &mut Builder, codename: &str) -> Result<(), StepError> {
    let system = AptSystem::new(Release::new(Family::Ubuntu, codename));
    b.state.set_distribution(Box::new(system))
}

/// See [`replay_short`].
pub fn replay(b: &mut Builder, s: &UbuntuRelease) -> Result<(), StepError> {
    let system = AptSystem::new(release(s)?);
    b.state.set_distribution(Box::new(system))
}

/// `!UbuntuRepo`
pub fn repo(b: &mut Builder, s: &UbuntuRepo) -> Result<(), StepError> {
    if s.components.is_empty() && !s.suite.as_deref().is_some_and(|suite| suite.ends_with('/')) {
        return Err(StepError::new("!UbuntuRepo needs components").with_hint("e.g. `components: [main]`"));
    }
    with_apt(b, "UbuntuRepo", |system, b| {
        system.add_source(b, s.url.as_deref(), s.suite.as_deref(), &s.components, s.trusted)
    })
}

/// `!UbuntuPPA`
pub fn ppa(b: &mut Builder, name: &str) -> Result<(), StepError> {
    with_apt(b, "UbuntuPPA", |system, b| {
        need_ubuntu(system, "UbuntuPPA")?;
        keys::add_ppa(b, system, name)
    })
}

/// `!UbuntuUniverse`
pub fn universe(b: &mut Builder) -> Result<(), StepError> {
    with_apt(b, "UbuntuUniverse", |system, b| {
        need_ubuntu(system, "UbuntuUniverse")?;
        system.enable_universe(b)
    })
}

/// `!UbuntuUniverse` of a base container.
pub fn replay_universe(b: &mut Builder) -> Result<(), StepError> {
    with_apt(b, "UbuntuUniverse", |system, _| {
        system.replay_universe();
        Ok(())
    })
}

/// `!AptTrust`
pub fn trust(b: &mut Builder, s: &AptTrust) -> Result<(), StepError> {
    with_apt(b, "AptTrust", |_, b| keys::trust(b, s.server.as_deref(), &s.keys))
}

/// Calls the active system if it is one with apt; otherwise names both.
fn with_apt(
    b: &mut Builder,
    step: &str,
    call: impl FnOnce(&mut AptSystem, &mut Builder) -> Result<(), StepError>,
) -> Result<(), StepError> {
    b.with_distribution(|distribution, b| {
        let name = distribution.name();
        match distribution.as_apt() {
            Some(system) => call(system, b),
            None => Err(StepError::new(format!(
                "step !{step} needs Ubuntu or Debian, but this container is {name}"
            ))),
        }
    })
}

fn need_ubuntu(system: &AptSystem, step: &str) -> Result<(), StepError> {
    match system.family() {
        Family::Ubuntu => Ok(()),
        Family::Debian => Err(StepError::new(format!(
            "step !{step} needs Ubuntu, but this container is Debian {}",
            system.codename()
        ))),
    }
}

fn release(s: &UbuntuRelease) -> Result<Release, StepError> {
    let codename = match (&s.codename, &s.version) {
        (Some(codename), _) => codename.clone(),
        (None, Some(version)) => codename_of(version)?.to_string(),
        (None, None) if s.url.is_some() => "unknown".to_string(),
        (None, None) => {
            return Err(StepError::new(
                "!UbuntuRelease needs one of codename, version and url",
            ));
        }
    };
    let mut release = Release::new(Family::Ubuntu, &codename);
    release.arch = s.arch.clone();
    release.eatmydata = s.eatmydata;
    Ok(release)
}

fn codename_of(version: &str) -> Result<&'static str, StepError> {
    let short: Vec<&str> = version.split('.').take(2).collect();
    let short = short.join(".");
    VERSIONS
        .iter()
        .find(|(v, _)| *v == short)
        .map(|(_, codename)| *codename)
        .ok_or_else(|| {
            StepError::new(format!("unknown Ubuntu version {version:?}"))
                .with_hint("write `codename`, e.g. noble")
        })
}

/// Ubuntu's locale en_US.UTF-8 is generated, not shipped.
fn with_locales(mut release: Release) -> Release {
    release.also.push("locales".to_string());
    release
}

/// What is peculiar to Ubuntu: the locale, and `chfn`, which fails without some host services.
fn finish(b: &mut Builder, keep_chfn: bool) -> Result<(), StepError> {
    if b.root.exists("/usr/sbin/locale-gen") {
        let mut command = GuestCommand::new(["locale-gen", "en_US.UTF-8"]);
        command.work_dir = "/".into();
        b.run(&command)?;
    }
    let chfn = Path::new("/usr/bin/chfn");
    if !keep_chfn {
        b.root
            .remove_all(chfn)
            .and_then(|()| b.root.symlink("/bin/true", chfn))
            .at("replace", chfn)?;
    }
    Ok(())
}

/// The system is in a tarball: unpacked without its devices and resolver files, then made ready for apt.
fn from_tarball(b: &mut Builder, s: &UbuntuRelease, url: &str) -> Result<(), StepError> {
    let skip = ["dev", "sys", "proc", "run", "etc/resolv.conf", "etc/hosts"];
    let options = Options {
        skip: skip.map(PathBuf::from).into(),
        ..Options::default()
    };
    let source = b.fetch(&[url.to_string()], None)?;
    super::tar::unpack(b, &source, Path::new("/"), &options)
        .map_err(|e| StepError::new(format!("{url}: {}", e.message)))?;
    b.refresh_resolver()?;
    let mut release = release(s)?;
    let text = b
        .root
        .open_read("/etc/lsb-release")
        .and_then(std::io::read_to_string)
        .at("read", "/etc/lsb-release")?;
    release.codename = text
        .lines()
        .find_map(|line| line.strip_prefix("DISTRIB_CODENAME="))
        .map(|name| name.trim_matches('"').to_string())
        .ok_or_else(|| StepError::new("/etc/lsb-release of the image has no DISTRIB_CODENAME"))?;
    bootstrap::adopt(b, &release)?;
    if !b.root.exists("/usr/sbin/locale-gen") {
        b.with_distribution(|d, b| d.install(b, &["locales".to_string()]))?;
    }
    finish(b, s.keep_chfn_command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_have_codenames() {
        assert_eq!(codename_of("14.04.3").unwrap(), "trusty");
        assert!(codename_of("24.04").is_err());
    }
}
