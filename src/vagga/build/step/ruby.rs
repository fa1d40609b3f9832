//! `!GemConfig`, `!GemInstall`, `!GemBundle`: Ruby packages for the whole container, by gem and bundler.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::guest;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::distro::Feature;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::{GemBundle, GemConfig};
use crate::vagga::version::gem_lock as lock_file;

/// Programs of gems.
const BIN: &str = "/usr/local/bin";

const POLICIES: [&str; 3] = ["LowSecurity", "MediumSecurity", "HighSecurity"];

/// `!GemConfig`: replaces all earlier settings.
pub fn configure(b: &mut Builder, s: &GemConfig) -> Result<(), StepError> {
    b.state.gem = Some(s.clone());
    Ok(())
}

/// `!GemInstall`: without gems only ruby.
pub fn install(b: &mut Builder, gems: &[String]) -> Result<(), StepError> {
    let gem = prepare(b)?;
    if gems.is_empty() {
        return Ok(());
    }
    let old = version_of(b, &gem)?.starts_with(['0', '1']);
    let documents: &[&str] = match old {
        true => &["--no-rdoc", "--no-ri"],
        false => &["--no-document"],
    };
    let mut words = vec![gem.as_str(), "install", "--bindir", BIN];
    words.extend_from_slice(documents);
    words.extend(gems.iter().map(String::as_str));
    b.run(&GuestCommand::new(words))
}

/// `!GemBundle`: what the Gemfile names, as `Gemfile.lock` pins it.
pub fn bundle(b: &mut Builder, s: &GemBundle) -> Result<(), StepError> {
    check_policy(s.trust_policy.as_deref())?;
    let path = b.project.root.join(&s.gemfile);
    let text = fs::read_to_string(&path).at("read", &path)?;
    let gem = prepare(b)?;
    if b.state.distribution.is_some() {
        need(b, Feature::Https)?;
        if uses_git(&text) {
            need(b, Feature::Git)?;
        }
    }
    provide_bundler(b, &gem)?;
    let lock = lock_file(&path);
    let locked = lock.exists();
    let mut command = GuestCommand::new(["bundle", "install"]);
    if let Some(policy) = &s.trust_policy {
        command
            .argv
            .extend(["--trust-policy", policy.as_str()].map(Into::into));
    }
    command.environ.extend(bundler_environ(s));
    b.run(&command)?;
    if !locked && lock.exists() {
        b.progress.note(&format!(
            "bundler has written {:?}: commit it, so that everybody gets the same gems",
            lock_file(&s.gemfile)
        ));
    }
    Ok(())
}

/// Lists what is installed.
pub fn finish(b: &mut Builder) -> Result<(), StepError> {
    let Some(gem) = b.state.used.gem.clone() else {
        return Ok(());
    };
    match b.output_of(&GuestCommand::new([gem.as_str(), "list", "--local"])) {
        Ok(text) => {
            let path = b.image_dir.join("gems-list.txt");
            fs::write(&path, text).at("write", &path)
        }
        Err(e) => {
            b.progress.warn(&format!("cannot list gems: {e}"));
            Ok(())
        }
    }
}

/// The settings in force.
fn config(b: &Builder) -> GemConfig {
    b.state.gem.clone().unwrap_or(GemConfig {
        install_ruby: true,
        gem_exe: None,
        update_gem: true,
    })
}

fn need(b: &mut Builder, feature: Feature) -> Result<(), StepError> {
    b.with_distribution(|d, b| d.ensure_feature(b, feature))
}

/// Sees that ruby, gem and its cache are there; returns the gem command.
fn prepare(b: &mut Builder) -> Result<String, StepError> {
    let config = config(b);
    if config.install_ruby {
        for feature in [Feature::BuildTools, Feature::Ruby, Feature::RubyDev] {
            need(b, feature)?;
        }
    }
    let gem = config.gem_exe.clone().unwrap_or_else(|| "/usr/bin/gem".into());
    if b.state.used.gem.as_ref() == Some(&gem) {
        return Ok(gem);
    }
    let dir = b
        .output_of(&GuestCommand::new([gem.as_str(), "env", "gemdir"]))
        .map_err(|e| {
            e.or_hint("`install-ruby: false` wants ruby in the container: name its gem by `gem-exe`")
        })?;
    let dir = PathBuf::from(String::from_utf8_lossy(&dir).trim());
    if !dir.is_absolute() {
        return Err(StepError::new(format!(
            "`{gem} env gemdir` answers {dir:?}, not a path"
        )));
    }
    b.mount_cache(&dir.join("cache"), Path::new("gems-cache"))?;
    if config.gem_exe.is_none() && config.update_gem && !is_apt(b) {
        update(b, &gem)?;
    }
    b.state.used.gem = Some(gem.clone());
    Ok(gem)
}

/// Debian's and Ubuntu's rubygems can only be updated as a package.
fn is_apt(b: &mut Builder) -> bool {
    let distribution = b.state.distribution.as_mut();
    distribution.is_some_and(|d| d.as_apt().is_some())
}

/// Updates rubygems itself.
fn update(b: &mut Builder, gem: &str) -> Result<(), StepError> {
    b.run(&GuestCommand::new([gem, "update", "--system", "--no-document"]))
        .map_err(|e| e.or_hint("`!GemConfig { update-gem: false }` takes rubygems as the base system has it"))
}

fn version_of(b: &mut Builder, gem: &str) -> Result<String, StepError> {
    let text = b.output_of(&GuestCommand::new([gem, "--version"]))?;
    Ok(String::from_utf8_lossy(&text).trim().to_string())
}

/// bundler stays: the programs it makes load it. An own ruby brings it, or gets it as a gem.
fn provide_bundler(b: &mut Builder, gem: &str) -> Result<(), StepError> {
    let path = b.environ.get("PATH").cloned().unwrap_or_default();
    if guest::find_program(&b.root, Path::new("bundle"), &path).is_ok() {
        return Ok(());
    }
    match config(b).install_ruby {
        true => need(b, Feature::Bundler),
        false => b.run(&GuestCommand::new([
            gem,
            "install",
            "--bindir",
            BIN,
            "--no-document",
            "bundler",
        ])),
    }
}

/// Settings of bundler by environment (bundle-config(1)): the options of the same meaning are gone from bundler 4.
fn bundler_environ(s: &GemBundle) -> Vec<(String, String)> {
    let gemfile = Path::new("/work").join(&s.gemfile);
    let mut all: Vec<(String, String)> = [
        ("BUNDLE_GEMFILE", gemfile.to_string_lossy().as_ref()),
        ("BUNDLE_PATH__SYSTEM", "true"),
        ("BUNDLE_SILENCE_ROOT_WARNING", "true"),
        // Nothing of bundler's own stays in the project.
        ("BUNDLE_APP_CONFIG", "/tmp/bundle-config"),
        ("BUNDLE_USER_HOME", "/tmp/bundle-home"),
    ]
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .into();
    // Programs made by bundler load the whole Gemfile, and fail for want of the groups that were left out.
    all.push(match s.without.is_empty() {
        true => ("BUNDLE_BIN".into(), BIN.into()),
        false => ("BUNDLE_WITHOUT".into(), s.without.join(":")),
    });
    all
}

fn check_policy(policy: Option<&str>) -> Result<(), StepError> {
    match policy {
        Some(bad) if !POLICIES.contains(&bad) => Err(StepError::new(format!(
            "Value of 'GemBundle.trust_policy' must be 'LowSecurity', 'MediumSecurity' or 'HighSecurity', \
             '{bad}' given"
        ))),
        _ => Ok(()),
    }
}

/// True when a line of the Gemfile takes something from a repository.
fn uses_git(gemfile: &str) -> bool {
    const SOURCES: [&str; 8] = [
        "git ",
        "git:",
        ":git ",
        ":git=",
        "github:",
        ":github",
        "gist:",
        "git_source",
    ];
    gemfile
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .any(|line| line.starts_with("git ") || SOURCES.iter().skip(1).any(|s| line.contains(s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_checked() {
        assert!(check_policy(None).is_ok());
        assert!(check_policy(Some("HighSecurity")).is_ok());
        assert_eq!(
            check_policy(Some("invalid")).unwrap_err().message,
            "Value of 'GemBundle.trust_policy' must be 'LowSecurity', 'MediumSecurity' or 'HighSecurity', \
             'invalid' given"
        );
    }

    #[test]
    fn repositories_are_recognised() {
        assert!(uses_git("gem 'x', git: 'https://h/x'"));
        assert!(uses_git("gem 'x', :git => 'https://h/x'"));
        assert!(uses_git("git 'https://h/x' do"));
        assert!(uses_git("gem 'x', github: 'u/x'"));
        assert!(!uses_git("source 'https://h'\n# git 'x'\ngem 'digit'\n"));
    }

    #[test]
    fn settings_of_bundler() {
        let s = GemBundle {
            gemfile: "site/Gemfile".into(),
            without: vec!["development".into(), "test".into()],
            trust_policy: None,
        };
        let all = bundler_environ(&s);
        let has = |name: &str, value: &str| all.contains(&(name.to_string(), value.to_string()));
        assert!(has("BUNDLE_GEMFILE", "/work/site/Gemfile"));
        assert!(has("BUNDLE_WITHOUT", "development:test"));
    }
}
