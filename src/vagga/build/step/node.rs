//! `!NpmConfig`, `!NpmInstall`, `!NpmDependencies`: packages of the npm registry for the whole container.
//!
//! Everything ends up in npm's global directory, which is `/usr/lib/node_modules` or reachable by that name. The cache
//! is npm's own, kept between builds; the registry is that of the host, see `npm_host`.

mod lock;
pub mod manifest;
mod modules;
mod stage;
pub mod yarn;

use std::fs;
use std::path::{Path, PathBuf};

use serde_derive::{Deserialize, Serialize};
use serde_json::Value;

use self::stage::Stage;
use super::{alpine, npm_host};
use crate::vagga::alpine::repository;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::distro::Feature;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::{NpmConfig, NpmDependencies};
use crate::vagga::version;

/// Where npm keeps its cache in the container.
const CACHE: &str = "/tmp/npm-cache";

/// npm's user configuration during a build; in memory, so that what it says never gets into the image.
const USER_CONFIG: &str = "/run/vagga/npmrc";

/// npm as it was found in this build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Npm {
    exe: String,
    /// Directory above `bin` and `lib/node_modules`.
    prefix: PathBuf,
}

impl Npm {
    fn command(&self, arguments: &[&str]) -> GuestCommand {
        let mut command =
            GuestCommand::new(std::iter::once(self.exe.as_str()).chain(arguments.iter().copied()));
        command.environ.extend(environ());
        command
    }

    fn modules(&self) -> PathBuf {
        self.prefix.join("lib/node_modules")
    }
}

/// `!NpmConfig`: replaces all earlier settings.
pub fn configure(b: &mut Builder, s: &NpmConfig) -> Result<(), StepError> {
    b.state.npm = Some(s.clone());
    Ok(())
}

/// `!NpmInstall`: without packages only node and npm.
pub fn install(b: &mut Builder, packages: &[String]) -> Result<(), StepError> {
    let npm = prepare(b, packages)?;
    if packages.is_empty() {
        return Ok(());
    }
    let mut command = npm.command(&["install", "--global"]);
    command.argv.extend(packages.iter().map(Into::into));
    b.run(&command)
}

/// `!NpmDependencies`: exactly what a lock file beside the file says, else whatever satisfies it today.
pub fn dependencies(b: &mut Builder, s: &NpmDependencies) -> Result<(), StepError> {
    let path = b.project.root.join(&s.file);
    let package = read_json(&path)?;
    let specs = manifest::specs(&package, s)?;
    let lock = version::npm_lock(&s.file)
        .into_iter()
        .map(|name| b.project.root.join(name))
        .find(|p| p.exists());
    match lock {
        Some(path) => {
            let locked = read_json(&path)?;
            if lock::has_local_packages(&locked) {
                b.progress.warn(&format!(
                    "{} names packages of the project itself, so it is not used",
                    path.display()
                ));
                return install(b, &specs);
            }
            let npm = prepare(b, &specs)?;
            install_locked(b, &npm, s, package, locked)
        }
        None => install(b, &specs),
    }
}

/// A derived container has node already, but may have got its base system from the first of these steps.
pub fn replay(b: &mut Builder) -> Result<(), StepError> {
    match config(b).install_node && b.state.distribution.is_none() {
        true => alpine::replay(b, repository::DEFAULT_VERSION),
        false => Ok(()),
    }
}

/// Lists what is installed.
pub fn finish(b: &mut Builder) -> Result<(), StepError> {
    let Some(npm) = b.state.used.npm.clone() else {
        return Ok(());
    };
    // npm lists everything and then complains of what it finds unusual by its exit code.
    let mut command = GuestCommand::new(["/bin/sh", "-c", "\"$0\" ls --global || :", npm.exe.as_str()]);
    command.environ.extend(environ());
    match b.output_of(&command) {
        Ok(text) => {
            let path = b.image_dir.join("npm-list.txt");
            fs::write(&path, text).at("write", &path)
        }
        Err(e) => {
            b.progress.warn(&format!("cannot list npm packages: {e}"));
            Ok(())
        }
    }
}

/// `npm ci` in a place of its own, then everything moves to the global directory: npm knows no lock files there.
fn install_locked(
    b: &mut Builder,
    npm: &Npm,
    s: &NpmDependencies,
    package: Value,
    lock: Value,
) -> Result<(), StepError> {
    let stage = Stage::new(b)?;
    let (package, lock) = manifest::select(package, lock, s);
    let arguments: &[&str] = match s.dev {
        true => &["ci"],
        false => &["ci", "--omit=dev"],
    };
    let rc = b.project.root.join(&s.file).with_file_name(".npmrc");
    let result = stage
        .write(b, "package.json", package.to_string().as_bytes())
        .and_then(|()| stage.write(b, "package-lock.json", lock.to_string().as_bytes()))
        .and_then(|()| match fs::read(rc) {
            Ok(text) => stage.write(b, ".npmrc", &text),
            Err(_) => Ok(()),
        })
        .and_then(|()| b.run(&stage.command(npm, arguments)))
        .map_err(|e| e.or_hint("does the lock file fit package.json? `npm install` brings it up to date"))
        .and_then(|()| modules::publish(b, &stage.modules(), &npm.prefix));
    stage.remove(b, result)
}

/// Sees that node, npm, its cache and its configuration are there.
fn prepare(b: &mut Builder, specs: &[String]) -> Result<Npm, StepError> {
    let config = config(b);
    let need = |b: &mut Builder, feature| b.with_distribution(|d, b| d.ensure_feature(b, feature));
    if config.install_node {
        if b.state.distribution.is_none() {
            let version = repository::DEFAULT_VERSION;
            b.progress
                .note(&format!("no base system yet: beginning with Alpine {version}"));
            alpine::build(b, version)?;
        }
        // Node first: a release that is too old for it is refused before anything is fetched.
        for feature in [Feature::Node, Feature::BuildTools, Feature::NodeDev] {
            need(b, feature)?;
        }
    }
    if b.state.distribution.is_some() && specs.iter().any(|spec| manifest::from_git(spec)) {
        need(b, Feature::Git)?;
    }
    b.mount_cache(Path::new(CACHE), Path::new("npm-cache"))?;
    write_user_config(b)?;
    let npm = find(b, &config)?;
    modules::make_known(b, &npm.modules())?;
    b.state.used.npm = Some(npm.clone());
    Ok(npm)
}

fn find(b: &mut Builder, config: &NpmConfig) -> Result<Npm, StepError> {
    let mut npm = Npm {
        exe: config.npm_exe.clone(),
        prefix: PathBuf::new(),
    };
    let prefix = b.output_of(&npm.command(&["prefix", "--global"])).map_err(|e| {
        e.or_hint("`install-node: false` wants an npm in the container: name it by `npm-exe`")
    })?;
    npm.prefix = PathBuf::from(String::from_utf8_lossy(&prefix).trim());
    match npm.prefix.is_absolute() {
        true => Ok(npm),
        false => Err(StepError::new(format!(
            "`{} prefix --global` answers {:?}, not a path",
            npm.exe, npm.prefix
        ))),
    }
}

/// The settings in force.
fn config(b: &Builder) -> NpmConfig {
    b.state.npm.clone().unwrap_or_else(|| NpmConfig {
        npm_exe: "npm".into(),
        install_node: true,
        install_yarn: true,
        yarn_exe: yarn::EXE.into(),
        yarn_version: None,
    })
}

fn environ() -> impl Iterator<Item = (String, String)> {
    [
        ("npm_config_cache", CACHE),
        ("npm_config_userconfig", USER_CONFIG),
        ("npm_config_audit", "false"),
        ("npm_config_fund", "false"),
        ("npm_config_progress", "false"),
        ("npm_config_update_notifier", "false"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value.to_string()))
}

fn write_user_config(b: &mut Builder) -> Result<(), StepError> {
    let text = npm_host::registry_settings();
    b.root
        .mkdir_all("/run/vagga", 0o755)
        .and_then(|()| b.root.create(USER_CONFIG, 0o600))
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .at("write", USER_CONFIG)
}

/// Reads a JSON file of the project.
fn read_json(path: &Path) -> Result<Value, StepError> {
    let text = fs::read_to_string(path).at("read", path)?;
    serde_json::from_str(&text).map_err(|e| StepError::new(format!("can't parse {path:?}: {e}")))
}
