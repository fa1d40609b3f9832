//! The build steps, one file per step: `build` executes it, `replay` restores its settings when a derived container
//! starts from the image it made.

mod alpine;
mod build_from;
mod cache_dirs;
mod cmd;
mod container;
mod copy;
mod debian;
mod depends;
mod download;
mod empty_dir;
mod ensure_dir;
mod env;
mod from_image;
mod git;
mod git_describe;
pub mod node;
mod npm_host;
mod packages;
mod php;
mod pip_host;
pub mod python;
mod remove;
mod ruby;
mod run_as;
mod sh;
mod sub_config;
mod tar;
mod tar_install;
mod text;
mod ubuntu;
mod unzip;

pub use git::keep as keep_repository;
use python::Family;

use super::builder::Builder;
use super::error::StepError;
use crate::vagga::config::Step;

/// Executes one step.
pub fn build(b: &mut Builder, step: &Step) -> Result<(), StepError> {
    match step {
        Step::Sh(script) => sh::build(b, script),
        Step::Cmd(argv) => cmd::build(b, argv),
        Step::RunAs(s) => run_as::build(b, s),
        Step::GitDescribe(s) => git_describe::build(b, s),
        Step::Env(variables) => {
            env::build(b, variables);
            Ok(())
        }
        Step::Text(files) => text::build(b, files),
        Step::Copy(s) => copy::build(b, s),
        Step::Depends(s) => depends::build(b, s),
        Step::EnsureDir(path) => ensure_dir::build(b, path),
        Step::EmptyDir(path) => empty_dir::build(b, path),
        Step::Remove(path) => remove::build(b, path),
        Step::CacheDirs(dirs) => cache_dirs::build(b, dirs),
        Step::Container(name) => container::build(b, name),
        Step::Build(s) => build_from::build(b, s),
        Step::SubConfig(s) => sub_config::build(b, s),
        Step::Install(list) => packages::install(b, list),
        Step::BuildDeps(list) => packages::build_deps(b, list),
        Step::Repo(name) => packages::repo(b, name),
        Step::Download(s) => download::build(b, s),
        Step::Tar(s) => tar::build(b, s),
        Step::TarInstall(s) => tar_install::build(b, s),
        Step::Unzip(s) => unzip::build(b, s),
        Step::Git(s) => git::build(b, s),
        Step::GitInstall(s) => git::install(b, s),
        Step::Alpine(version) => alpine::build(b, version),
        Step::AlpineRepo(s) => alpine::repo(b, s),
        Step::FromImage(s) => from_image::build(b, s),
        Step::Debian(codename) => debian::short(b, codename),
        Step::DebianRelease(s) => debian::build(b, s),
        Step::Ubuntu(codename) => ubuntu::short(b, codename),
        Step::UbuntuRelease(s) => ubuntu::build(b, s),
        Step::UbuntuRepo(s) => ubuntu::repo(b, s),
        Step::UbuntuPPA(name) => ubuntu::ppa(b, name),
        Step::UbuntuUniverse => ubuntu::universe(b),
        Step::AptTrust(s) => ubuntu::trust(b, s),
        Step::PipConfig(s) => python::configure(b, s),
        Step::Py2Install(list) => python::install(b, Family::Python2, list),
        Step::Py3Install(list) => python::install(b, Family::Python3, list),
        Step::Py2Requirements(file) => python::requirements(b, Family::Python2, file),
        Step::Py3Requirements(file) => python::requirements(b, Family::Python3, file),
        Step::NpmConfig(s) => node::configure(b, s),
        Step::NpmInstall(list) => node::install(b, list),
        Step::NpmDependencies(s) => node::dependencies(b, s),
        Step::YarnDependencies(s) => node::yarn::dependencies(b, s),
        Step::GemConfig(s) => ruby::configure(b, s),
        Step::GemInstall(list) => ruby::install(b, list),
        Step::GemBundle(s) => ruby::bundle(b, s),
        Step::ComposerConfig(s) => php::configure(b, s),
        Step::ComposerInstall(list) => php::install(b, list),
        Step::ComposerDependencies(s) => php::dependencies(b, s),
    }
}

/// Restores what a step of the base container means for later steps, without doing its work again.
pub fn replay(b: &mut Builder, step: &Step) -> Result<(), StepError> {
    match step {
        Step::Env(..)
        | Step::EnsureDir(..)
        | Step::EmptyDir(..)
        | Step::Remove(..)
        | Step::CacheDirs(..)
        | Step::Depends(..) => build(b, step),
        Step::Container(name) => container::replay(b, name),
        Step::SubConfig(s) => sub_config::replay(b, s),
        Step::Install(list) => packages::replay_install(b, list),
        Step::Alpine(version) => alpine::replay(b, version),
        Step::AlpineRepo(s) => alpine::replay_repo(b, s),
        Step::Debian(codename) => debian::replay_short(b, codename),
        Step::DebianRelease(s) => debian::replay(b, s),
        Step::Ubuntu(codename) => ubuntu::replay_short(b, codename),
        Step::UbuntuRelease(s) => ubuntu::replay(b, s),
        Step::UbuntuUniverse => ubuntu::replay_universe(b),
        Step::PipConfig(s) => python::configure(b, s),
        Step::NpmConfig(s) => node::configure(b, s),
        Step::GemConfig(s) => ruby::configure(b, s),
        Step::ComposerConfig(s) => php::configure(b, s),
        Step::NpmInstall(_) | Step::NpmDependencies(_) => node::replay(b),
        Step::ComposerInstall(_) | Step::ComposerDependencies(_) => {
            php::replay(b);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Replays all steps of a base container in order.
pub fn replay_all(b: &mut Builder, steps: &[Step]) -> Result<(), StepError> {
    steps.iter().try_for_each(|step| replay(b, step))
}

/// Lists of the packages that language steps have installed. Before the base system removes the package managers.
pub fn finish(b: &mut Builder) -> Result<(), StepError> {
    python::finish(b)?;
    node::finish(b)?;
    ruby::finish(b)?;
    php::finish(b)
}

/// A short text of a step for progress, timings and errors: the tag and the beginning of its value.
pub fn describe(step: &Step) -> String {
    const MAX: usize = 60;
    let value = match step {
        Step::Sh(text)
        | Step::Alpine(text)
        | Step::Debian(text)
        | Step::Ubuntu(text)
        | Step::Container(text) => text.clone(),
        Step::Repo(text) | Step::UbuntuPPA(text) => text.clone(),
        Step::RunAs(s) => s.script.clone(),
        Step::Cmd(list) | Step::Install(list) | Step::BuildDeps(list) => list.join(" "),
        Step::Py2Install(list) | Step::Py3Install(list) | Step::NpmInstall(list) => list.join(" "),
        Step::GemInstall(list) | Step::ComposerInstall(list) => list.join(" "),
        Step::DebianRelease(s) => s.codename.clone(),
        Step::FromImage(s) => s.image.clone(),
        Step::Tar(s) => s.url.clone(),
        Step::TarInstall(s) => s.url.clone(),
        Step::Unzip(s) => s.url.clone(),
        Step::Download(s) => s.url.clone(),
        Step::Git(s) => s.url.clone(),
        Step::GitInstall(s) => s.url.clone(),
        Step::Copy(s) => s.source.display().to_string(),
        Step::Depends(s) => s.path.display().to_string(),
        Step::Build(s) => s.container.clone(),
        Step::SubConfig(s) => s.path.display().to_string(),
        Step::EnsureDir(p) | Step::EmptyDir(p) | Step::Remove(p) => p.display().to_string(),
        Step::GemBundle(s) => s.gemfile.display().to_string(),
        Step::NpmDependencies(s) => s.file.display().to_string(),
        Step::YarnDependencies(s) => s.dir.display().to_string(),
        Step::Py2Requirements(p) | Step::Py3Requirements(p) => p.display().to_string(),
        _ => String::new(),
    };
    let line: String = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = format!("!{} {line}", step.name());
    if let Some((cut, _)) = text.char_indices().nth(MAX) {
        text.truncate(cut);
        text.push('…');
    }
    text.trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_scripts_are_cut_to_one_line() {
        assert_eq!(describe(&Step::Sh("a\n  b\n".into())), "!Sh a b");
        let long = describe(&Step::Sh("ж".repeat(100)));
        assert!(long.chars().count() == 61 && long.ends_with('…'), "{long}");
        assert_eq!(describe(&Step::UbuntuUniverse), "!UbuntuUniverse");
    }
}
