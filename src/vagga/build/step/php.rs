//! `!ComposerConfig`, `!ComposerInstall`, `!ComposerDependencies`: PHP packages for the whole container, by composer.
//!
//! composer is the one that is in the container, else that of the base system: an installer fetched from the network
//! could not be verified. It is gone at the end unless it is to be kept, or was there before.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::super::guest;
use crate::sys::fs::Kind;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::distro::Feature;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::{ComposerConfig, ComposerDependencies};

/// Where packages for the whole container are.
const HOME: &str = "/usr/local/lib/composer";
const CACHE: &str = "/tmp/composer-cache";
const BIN: &str = "/usr/local/bin";
const PHP: &str = "/usr/bin/php";

/// Directories that hold the directories of PHP's versions: Debian, Alpine.
const CONFIGURATIONS: [&str; 2] = ["/etc/php", "/etc"];

/// `!ComposerConfig`: replaces all earlier settings.
pub fn configure(b: &mut Builder, s: &ComposerConfig) -> Result<(), StepError> {
    b.state.composer = Some(s.clone());
    Ok(())
}

/// `!ComposerInstall`: without packages only php and composer.
pub fn install(b: &mut Builder, packages: &[String]) -> Result<(), StepError> {
    let composer = prepare(b)?;
    if packages.is_empty() {
        return Ok(());
    }
    let options = [
        "--no-interaction",
        "global",
        "require",
        "--prefer-dist",
        "--update-no-dev",
    ];
    let words = options.into_iter().chain(packages.iter().map(String::as_str));
    b.run(&composer.command(words))?;
    b.state.used.composer.insert(HOME.into());
    Ok(())
}

/// `!ComposerDependencies`: what `composer.json` names, as `composer.lock` pins it.
pub fn dependencies(b: &mut Builder, s: &ComposerDependencies) -> Result<(), StepError> {
    let options = options(s)?;
    let dir = Path::new(s.working_dir.as_deref().unwrap_or(""));
    let composer = prepare(b)?;
    let lock = b.project.root.join(dir).join("composer.lock");
    let locked = lock.exists();
    let words = ["--no-interaction", "install"].into_iter().chain(options);
    let mut command = composer.command(words);
    command.work_dir = Path::new("/work").join(dir);
    let work_dir = command.work_dir.clone();
    b.run(&command)?;
    b.state.used.composer.insert(work_dir);
    if !locked && lock.exists() {
        b.progress.note(&format!(
            "composer has written {:?}: commit it, so that everybody gets the same packages",
            dir.join("composer.lock")
        ));
    }
    Ok(())
}

/// A derived container has everything but the variables.
pub fn replay(b: &mut Builder) {
    let config = config(b);
    set_environment(b, &config);
}

/// Lists what is installed.
pub fn finish(b: &mut Builder) -> Result<(), StepError> {
    let dirs = b.state.used.composer.clone();
    if dirs.is_empty() {
        return Ok(());
    }
    let composer = find(b)?;
    let mut text = Vec::new();
    for dir in dirs {
        let mut command = composer.command(["--no-interaction", "show"]);
        command.work_dir = dir;
        match b.output_of(&command) {
            Ok(list) => text.extend(list),
            Err(e) => b.progress.warn(&format!("cannot list composer packages: {e}")),
        }
    }
    let path = b.image_dir.join("composer-list.txt");
    fs::write(&path, text).at("write", &path)
}

/// composer and the interpreter that runs it.
struct Composer {
    php: String,
    script: PathBuf,
}

impl Composer {
    fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> GuestCommand {
        let mut command = GuestCommand::new([self.php.as_str()]);
        command.argv.push(self.script.clone().into());
        command.argv.extend(arguments.into_iter().map(Into::into));
        command
    }
}

/// The settings in force.
fn config(b: &Builder) -> ComposerConfig {
    b.state.composer.clone().unwrap_or(ComposerConfig {
        runtime_exe: None,
        include_path: None,
        install_runtime: true,
        install_dev: false,
        keep_composer: false,
        vendor_dir: None,
    })
}

/// Sees that php, composer, its directories and its environment are there.
fn prepare(b: &mut Builder) -> Result<Composer, StepError> {
    let config = config(b);
    let need = |b: &mut Builder, feature| b.with_distribution(|d, b| d.ensure_feature(b, feature));
    if config.install_runtime {
        need(b, Feature::Php)?;
        write_settings(b, &config)?;
    }
    if config.install_dev {
        need(b, Feature::BuildTools)?;
        need(b, Feature::PhpDev)?;
    }
    if b.state.distribution.is_some() {
        need(b, Feature::Git)?;
    }
    link_runtime(b, &config)?;
    set_environment(b, &config);
    b.mount_cache(Path::new(CACHE), Path::new("composer-cache"))?;
    provide_composer(b, &config)?;
    find(b)
}

fn provide_composer(b: &mut Builder, config: &ComposerConfig) -> Result<(), StepError> {
    let found = find(b).map(|composer| composer.script);
    let feature = match (config.keep_composer, &found) {
        // What the base system brought may be there for the build only.
        (true, Ok(script)) if script == Path::new("/usr/bin/composer") => Feature::ComposerToKeep,
        (_, Ok(_)) => return Ok(()),
        (true, Err(_)) => Feature::ComposerToKeep,
        (false, Err(_)) => Feature::Composer,
    };
    match (b.state.distribution.is_some(), found) {
        (true, _) => b.with_distribution(|d, b| d.ensure_feature(b, feature)),
        (false, found) => found.map(drop),
    }
}

fn find(b: &Builder) -> Result<Composer, StepError> {
    let path = b.environ.get("PATH").cloned().unwrap_or_default();
    let script = guest::find_program(&b.root, Path::new("composer"), &path).map_err(|e| {
        e.with_hint(
            "without a base system that has it, put composer.phar at /usr/local/bin/composer by !Download",
        )
    })?;
    Ok(Composer {
        php: config(b).runtime_exe.unwrap_or_else(|| PHP.into()),
        script,
    })
}

/// Variables of composer, for the steps that follow as well.
fn set_environment(b: &mut Builder, config: &ComposerConfig) {
    let vendor = config
        .vendor_dir
        .clone()
        .unwrap_or_else(|| Path::new(HOME).join("vendor"));
    for (name, value) in [
        ("COMPOSER_HOME", HOME),
        ("COMPOSER_VENDOR_DIR", vendor.to_string_lossy().as_ref()),
        ("COMPOSER_BIN_DIR", BIN),
        ("COMPOSER_CACHE_DIR", CACHE),
        ("COMPOSER_ALLOW_SUPERUSER", "1"),
    ] {
        b.environ.insert(name.to_string(), value.to_string());
    }
}

/// Programs say `#!/usr/bin/env php`, or `/usr/bin/php`: a link if it has another name.
fn link_runtime(b: &mut Builder, config: &ComposerConfig) -> Result<(), StepError> {
    if b.root.lstat(PHP).is_ok() {
        return Ok(());
    }
    match config.runtime_exe.clone().or_else(|| newest_runtime(b)) {
        Some(exe) if exe != PHP => b.root.symlink(exe, PHP).at("create link", PHP),
        _ => Ok(()),
    }
}

/// `/usr/bin/php84` of Alpine.
fn newest_runtime(b: &Builder) -> Option<String> {
    let entries = b.root.read_dir("/usr/bin").ok()?;
    let number = |name: &str| name.strip_prefix("php")?.parse::<u32>().ok();
    let names = entries.iter().filter_map(|e| e.name.to_str());
    let newest = names.max_by_key(|name| number(name))?;
    number(newest).map(|number| format!("/usr/bin/php{number}"))
}

/// `include_path` for every version and kind of php.
fn write_settings(b: &mut Builder, config: &ComposerConfig) -> Result<(), StepError> {
    let path = config
        .include_path
        .as_deref()
        .unwrap_or(".:/usr/local/lib/composer");
    if path.contains(['\n', '"']) {
        return Err(StepError::new(format!("include-path {path:?} is no path")));
    }
    for dir in settings_directories(b) {
        let file = dir.join("vagga.ini");
        b.root
            .create(&file, 0o644)
            .and_then(|mut f| writeln!(f, "include_path=\"{path}\""))
            .at("write", &file)?;
    }
    Ok(())
}

/// `/etc/php/8.4/cli/conf.d`, `/etc/php84/conf.d`…
fn settings_directories(b: &Builder) -> Vec<PathBuf> {
    let below = |dir: &Path| -> Vec<PathBuf> {
        let entries = b.root.read_dir(dir).unwrap_or_default();
        let dirs = entries.into_iter().filter(|e| e.kind == Kind::Dir);
        dirs.map(|e| dir.join(e.name)).collect()
    };
    let [debian, alpine] = CONFIGURATIONS.map(Path::new);
    let versions = below(debian);
    let kinds = versions.iter().flat_map(|dir| below(dir));
    let named = below(alpine).into_iter().filter(|dir| {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("php")
    });
    kinds
        .chain(named)
        .map(|dir| dir.join("conf.d"))
        .filter(|dir| b.root.exists(dir))
        .collect()
}

/// Flags of `composer install`.
fn options(s: &ComposerDependencies) -> Result<Vec<&'static str>, StepError> {
    let prefer = match s.prefer.as_deref() {
        None => None,
        Some("source") => Some("--prefer-source"),
        Some("dist") => Some("--prefer-dist"),
        Some(bad) => {
            return Err(StepError::new(format!(
                "Value of 'ComposerDependencies.prefer' must be either 'source' or 'dist', '{bad}' given"
            )))
        }
    };
    let flags = [
        (!s.dev, "--no-dev"),
        (s.ignore_platform_reqs, "--ignore-platform-reqs"),
        (s.no_autoloader, "--no-autoloader"),
        (s.no_scripts, "--no-scripts"),
        (s.no_plugins, "--no-plugins"),
        (s.optimize_autoloader, "--optimize-autoloader"),
        (s.classmap_authoritative, "--classmap-authoritative"),
    ];
    let given = flags
        .into_iter()
        .filter(|(given, _)| *given)
        .map(|(_, flag)| flag);
    Ok(prefer.into_iter().chain(given).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> ComposerDependencies {
        ComposerDependencies {
            working_dir: None,
            dev: true,
            prefer: None,
            ignore_platform_reqs: false,
            no_autoloader: false,
            no_scripts: false,
            no_plugins: false,
            optimize_autoloader: false,
            classmap_authoritative: false,
        }
    }

    #[test]
    fn flags_of_install() {
        assert!(options(&plain()).unwrap().is_empty());
        let s = ComposerDependencies {
            dev: false,
            prefer: Some("dist".into()),
            no_autoloader: true,
            classmap_authoritative: true,
            ..plain()
        };
        assert_eq!(
            options(&s).unwrap().join(" "),
            "--prefer-dist --no-dev --no-autoloader --classmap-authoritative"
        );
        let wrong = ComposerDependencies {
            prefer: Some("wrong".into()),
            ..plain()
        };
        assert_eq!(
            options(&wrong).unwrap_err().message,
            "Value of 'ComposerDependencies.prefer' must be either 'source' or 'dist', 'wrong' given"
        );
    }
}
