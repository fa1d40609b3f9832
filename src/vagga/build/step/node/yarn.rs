//! `!YarnDependencies`: packages by yarn 1, by the project's `yarn.lock`.
//!
//! yarn itself comes from the npm registry. It runs in the project, since it writes `yarn.lock` there when something is
//! missing in it; the project's own `node_modules` is hidden meanwhile.

use std::path::{Path, PathBuf};

use super::modules;
use super::stage::Stage;
use super::{config, prepare, Npm};
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::{NpmConfig, YarnDependencies};

/// Where yarn is by default.
pub const EXE: &str = "/usr/bin/yarn";

/// Where yarn's files are; [`EXE`] links there.
const HOME: &str = "/usr/share/yarn";

const CACHE: &str = "/tmp/yarn-cache";

/// The last yarn 1, and the digest of its package: whatever registry it comes from, it is this one.
const DEFAULT_VERSION: &str = "1.22.22";
const DEFAULT_INTEGRITY: &str =
    "sha512-prL3kGtyG7o9Z9Sv8IPfBNrWTDmXB4Qbes8A9rEzt6wkJV8mUvoirjU0Mp3GGAU06Y0XQyA3/2/RQFVuK7MTfg==";

/// `!YarnDependencies`
pub fn dependencies(b: &mut Builder, s: &YarnDependencies) -> Result<(), StepError> {
    let package = super::read_json(&b.project.root.join(&s.dir).join("package.json"))?;
    let specs = super::manifest::all_specs(&package);
    let config = config(b);
    let version = version_to_install(&config)?;
    let npm = prepare(b, &specs)?;
    if let Some(version) = version {
        install_yarn(b, &npm, &version)?;
    }
    b.mount_cache(Path::new(CACHE), Path::new("yarn-cache"))?;
    let stage = Stage::new(b)?;
    let command = command(b, &npm, &config, s, &stage)?;
    let hidden = Path::new("/work").join(&s.dir).join("node_modules");
    let result = b
        .run_without(&hidden, &command)
        .and_then(|()| modules::publish(b, &stage.modules(), &npm.prefix));
    stage.remove(b, result)
}

fn command(
    b: &mut Builder,
    npm: &Npm,
    config: &NpmConfig,
    s: &YarnDependencies,
    stage: &Stage,
) -> Result<GuestCommand, StepError> {
    let dir = Path::new("/work").join(&s.dir);
    // yarn has a registry of its own by default; npm's is the one that the host has chosen.
    let mut asked = npm.command(&["config", "get", "registry"]);
    asked.work_dir = dir.clone();
    let registry = b.output_of(&asked)?;
    let mut words = vec![config.yarn_exe.clone()];
    words.extend(["install", "--no-progress", "--non-interactive"].map(String::from));
    words.push(format!("--modules-folder={}", stage.modules().display()));
    words.push(format!("--cache-folder={CACHE}"));
    if s.production {
        words.push("--production".into());
    }
    let mut command = GuestCommand::new(words);
    command.work_dir = dir;
    command.environ.extend(super::environ());
    let registry = String::from_utf8_lossy(&registry).trim().to_string();
    command.environ.insert("npm_config_registry".into(), registry);
    Ok(command)
}

/// Sees that yarn is there: this version, unless one that is not from us.
fn install_yarn(b: &mut Builder, npm: &Npm, version: &str) -> Result<(), StepError> {
    match installed(b) {
        Some(found) if found == version => return Ok(()),
        None if b.root.exists(EXE) => return Ok(()),
        _ => {}
    }
    let stage = Stage::new(b)?;
    let result = fetch(b, npm, &stage, version).and_then(|()| place(b, &stage.modules().join("yarn")));
    stage.remove(b, result)
}

/// `None` when the project brings a yarn of its own.
fn version_to_install(config: &NpmConfig) -> Result<Option<String>, StepError> {
    match config.yarn_exe == EXE || config.yarn_exe == "yarn" {
        true if config.install_yarn => version(config.yarn_version.as_deref()).map(Some),
        _ => Ok(None),
    }
}

/// The version to install, without a leading `v`.
fn version(asked: Option<&str>) -> Result<String, StepError> {
    let text = asked.unwrap_or(DEFAULT_VERSION);
    let plain = text.strip_prefix('v').unwrap_or(text);
    let numbers = plain.split('.').all(|part| part.parse::<u32>().is_ok());
    match numbers && (plain.starts_with("1.") || plain.starts_with("0.")) {
        true => Ok(plain.to_string()),
        false => Err(
            StepError::new(format!("yarn-version {text:?} is no release of yarn 1")).with_hint(
                "write e.g. 1.22.22; later ones keep packages in the project: run them by a command of the project",
            ),
        ),
    }
}

/// The version of the yarn that an earlier step has put there.
fn installed(b: &Builder) -> Option<String> {
    let file = b.root.open_read(Path::new(HOME).join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_reader(file).ok()?;
    package.get("version")?.as_str().map(String::from)
}

fn fetch(b: &mut Builder, npm: &Npm, stage: &Stage, version: &str) -> Result<(), StepError> {
    let wanted = serde_json::json!({"private": true, "dependencies": {"yarn": version}});
    stage.write(b, "package.json", wanted.to_string().as_bytes())?;
    let verb = match version == DEFAULT_VERSION {
        true => {
            let yarn = serde_json::json!({"version": version, "integrity": DEFAULT_INTEGRITY});
            let lock = serde_json::json!({
                "lockfileVersion": 3,
                "packages": {"": wanted, "node_modules/yarn": yarn},
            });
            stage.write(b, "package-lock.json", lock.to_string().as_bytes())?;
            "ci"
        }
        false => "install",
    };
    b.run(&stage.command(npm, &[verb, "--ignore-scripts"]))
}

fn place(b: &mut Builder, package: &Path) -> Result<(), StepError> {
    b.root
        .remove_all(HOME)
        .and_then(|()| b.root.rename(package, HOME))
        .at("install yarn in", HOME)?;
    let target: PathBuf = Path::new(HOME).join("bin/yarn.js");
    b.root
        .remove_all(EXE)
        .and_then(|()| b.root.symlink(&target, EXE))
        .at("create link", EXE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_yarn() {
        assert_eq!(version(None).unwrap(), DEFAULT_VERSION);
        assert_eq!(version(Some("v1.3.2")).unwrap(), "1.3.2");
        assert!(version(Some("4.1.0"))
            .unwrap_err()
            .message
            .contains("no release of yarn 1"));
        assert!(version(Some("1.x; rm")).is_err());
    }
}
