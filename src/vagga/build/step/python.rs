//! `!PipConfig`, `!Py2Install`, `!Py3Install`, `!Py2Requirements`, `!Py3Requirements`: Python packages by pip.
//!
//! pip comes from the base system as a build dependency, so it is gone at the end; for an interpreter of the project's
//! own (`python-exe`) it is the one the interpreter brings, or the wheel bundled with its `ensurepip`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_derive::{Deserialize, Serialize};

use super::pip_host;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::distro::Feature;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::PipConfig;

/// Major version of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Family {
    Python2,
    Python3,
}

impl Family {
    fn interpreter(self) -> &'static str {
        match self {
            Family::Python2 => "python2",
            Family::Python3 => "python3",
        }
    }

    fn freeze_file(self) -> &'static str {
        match self {
            Family::Python2 => "pip2-freeze.txt",
            Family::Python3 => "pip3-freeze.txt",
        }
    }
}

/// pip as it was set up in this build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pip {
    family: Family,
    interpreter: String,
    /// A wheel of pip to run it from.
    wheel: Option<String>,
}

/// Where pip keeps its caches in the container.
const CACHE: &str = "/tmp/pip-cache";

/// `!PipConfig`: replaces all earlier settings.
pub fn configure(b: &mut Builder, s: &PipConfig) -> Result<(), StepError> {
    b.state.pip = Some(s.clone());
    Ok(())
}

/// `!Py2Install`, `!Py3Install`
pub fn install(b: &mut Builder, family: Family, packages: &[String]) -> Result<(), StepError> {
    let pip = prepare(b, family, packages)?;
    if packages.is_empty() {
        return Ok(());
    }
    run(b, &pip, packages)
}

/// `!Py2Requirements`, `!Py3Requirements`
pub fn requirements(b: &mut Builder, family: Family, file: &Path) -> Result<(), StepError> {
    let path = b.project.root.join(file);
    let text = fs::read_to_string(&path).at("read requirements", &path)?;
    let lines: Vec<String> = text.lines().map(|l| l.trim().to_string()).collect();
    let pip = prepare(b, family, &lines)?;
    run(
        b,
        &pip,
        &["--requirement".to_string(), file.display().to_string()],
    )
}

/// Lists what is installed, for every interpreter that was used. Before the base system removes pip.
pub fn finish(b: &mut Builder) -> Result<(), StepError> {
    for pip in b.state.pips.clone() {
        let mut words = vec![pip.interpreter.clone()];
        words.extend(["-m", "pip", "freeze"].map(String::from));
        let mut command = GuestCommand::new(words);
        command.environ.extend(environ(b, &pip));
        match b.output_of(&command) {
            Ok(text) => {
                let path: PathBuf = b.image_dir.join(pip.family.freeze_file());
                fs::write(&path, text).at("write", &path)?;
            }
            Err(e) => b.progress.warn(&format!("cannot list Python packages: {e}")),
        }
    }
    Ok(())
}

/// Sees that interpreter, compiler, pip and caches are there.
fn prepare(b: &mut Builder, family: Family, requirements: &[String]) -> Result<Pip, StepError> {
    let config = config(b);
    let need = |b: &mut Builder, feature| b.with_distribution(|d, b| d.ensure_feature(b, feature));
    if config.install_python {
        if family == Family::Python2 && config.python_exe.is_none() {
            need(b, Feature::Python2)?;
            need(b, Feature::Python2Dev)?;
        } else if config.python_exe.is_none() {
            for feature in [
                Feature::BuildTools,
                Feature::Python3,
                Feature::Python3Dev,
                Feature::Pip3,
            ] {
                need(b, feature)?;
            }
        } else {
            need(b, Feature::BuildTools)?;
        }
    }
    for (scheme, feature) in [("git+", Feature::Git), ("hg+", Feature::Mercurial)] {
        if requirements.iter().any(|r| from_repository(r, scheme)) {
            need(b, feature)?;
        }
    }
    mount_caches(b, &config)?;
    let interpreter = config
        .python_exe
        .clone()
        .unwrap_or_else(|| family.interpreter().to_string());
    let known = b
        .state
        .pips
        .iter()
        .find(|p| p.family == family && p.interpreter == interpreter)
        .cloned();
    match known {
        Some(pip) => Ok(pip),
        None => find_pip(b, family, interpreter),
    }
}

/// The settings in force.
fn config(b: &Builder) -> PipConfig {
    b.state.pip.clone().unwrap_or_else(|| PipConfig {
        find_links: Vec::new(),
        index_urls: Vec::new(),
        trusted_hosts: Vec::new(),
        dependencies: false,
        cache_wheels: true,
        install_python: true,
        allow_pre_releases: false,
        python_exe: None,
        get_pip_args: Vec::new(),
    })
}

/// Whether a requirement (perhaps `-e …` or `name @ …`) comes from a repository.
fn from_repository(requirement: &str, scheme: &str) -> bool {
    let words = requirement.split_whitespace();
    !requirement.starts_with('#') && words.into_iter().any(|w| w.starts_with(scheme))
}

/// Downloads are shared by everything; wheels are built for one base system.
fn mount_caches(b: &mut Builder, config: &PipConfig) -> Result<(), StepError> {
    for name in ["http", "http-v2"] {
        let at = format!("{CACHE}/{name}");
        b.mount_cache(Path::new(&at), Path::new(&format!("pip-cache-{name}")))?;
    }
    if config.cache_wheels {
        let system = b
            .with_distribution(|d, _| Ok(d.name()))
            .unwrap_or_else(|_| "other".into());
        let system: String = system
            .to_lowercase()
            .chars()
            .map(|c| if c.is_alphanumeric() || c == '.' { c } else { '-' })
            .collect();
        let arch = crate::vagga::debian::mirror::native_arch();
        let at = format!("{CACHE}/wheels");
        b.mount_cache(
            Path::new(&at),
            Path::new(&format!("pip-cache-wheels-{arch}-{system}")),
        )?;
    }
    Ok(())
}

/// Prints the path of the wheel of pip in `ensurepip`, if there is one.
const BUNDLED: &str = "import ensurepip, glob, os, sysconfig\n\
    dirs = [os.path.join(os.path.dirname(ensurepip.__file__), '_bundled'), \
    sysconfig.get_config_var('WHEEL_PKG_DIR') or '', '/usr/share/python-wheels']\n\
    print(next(w for d in dirs for w in sorted(glob.glob(os.path.join(d, 'pip-*.whl')))))\n";

fn find_pip(b: &mut Builder, family: Family, interpreter: String) -> Result<Pip, StepError> {
    let mut pip = Pip {
        family,
        interpreter,
        wheel: None,
    };
    let script = format!(
        "{} -m pip --version >/dev/null 2>&1 || echo missing",
        quote(&pip.interpreter)
    );
    let answer = b.output_of(&GuestCommand::new(["/bin/sh", "-c", script.as_str()]))?;
    if !answer.is_empty() {
        let words = [pip.interpreter.as_str(), "-c", BUNDLED];
        let wheel = b.output_of(&GuestCommand::new(words)).map_err(|e| {
            StepError::new(format!("{} has no pip: {e}", pip.interpreter))
                .with_hint("install pip with the interpreter named by python-exe, e.g. by !Install or !Sh")
        })?;
        pip.wheel = Some(String::from_utf8_lossy(&wheel).trim().to_string());
    }
    b.state.pips.push(pip.clone());
    Ok(pip)
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn run(b: &mut Builder, pip: &Pip, what: &[String]) -> Result<(), StepError> {
    let config = config(b);
    let mut words = vec![pip.interpreter.clone()];
    words.extend(["-m", "pip", "install", "--ignore-installed"].map(String::from));
    words.extend(options(&config));
    words.extend_from_slice(what);
    let mut command = GuestCommand::new(words);
    command.environ.extend(environ(b, pip));
    b.run(&command)
}

/// Options of pip from `!PipConfig`.
fn options(config: &PipConfig) -> Vec<String> {
    let mut all = Vec::new();
    if !config.dependencies {
        all.push("--no-deps".to_string());
    }
    if config.allow_pre_releases {
        all.push("--pre".to_string());
    }
    for (nth, url) in config.index_urls.iter().enumerate() {
        let option = if nth == 0 {
            "--index-url"
        } else {
            "--extra-index-url"
        };
        all.push(format!("{option}={url}"));
    }
    all.extend(
        config
            .find_links
            .iter()
            .map(|link| format!("--find-links={link}")),
    );
    for host in &config.trusted_hosts {
        all.extend(["--trusted-host".to_string(), host.clone()]);
    }
    all
}

fn environ(b: &Builder, pip: &Pip) -> Vec<(String, String)> {
    let fixed = [
        ("PIP_CACHE_DIR", CACHE),
        ("PIP_BREAK_SYSTEM_PACKAGES", "1"),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("PIP_ROOT_USER_ACTION", "ignore"),
        ("PIP_NO_INPUT", "1"),
    ];
    let mut all: Vec<(String, String)> = fixed.map(|(k, v)| (k.to_string(), v.to_string())).into();
    all.extend(
        pip.wheel
            .iter()
            .map(|wheel| ("PYTHONPATH".to_string(), wheel.clone())),
    );
    let own_index = b.state.pip.as_ref().is_some_and(|c| !c.index_urls.is_empty());
    if !own_index {
        all.extend(pip_host::index_environment());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_pip() {
        let config = PipConfig {
            find_links: vec!["http://l".into()],
            index_urls: vec!["http://a".into(), "http://b".into()],
            trusted_hosts: vec!["a".into()],
            dependencies: false,
            cache_wheels: true,
            install_python: true,
            allow_pre_releases: true,
            python_exe: None,
            get_pip_args: Vec::new(),
        };
        assert_eq!(
            options(&config).join(" "),
            "--no-deps --pre --index-url=http://a --extra-index-url=http://b --find-links=http://l --trusted-host a"
        );
        assert!(options(&PipConfig {
            dependencies: true,
            ..config
        })
        .iter()
        .all(|o| o != "--no-deps"));
    }

    #[test]
    fn repositories_are_recognised() {
        assert!(from_repository("git+https://x/y", "git+"));
        assert!(from_repository("-e git+https://x/y#egg=z", "git+"));
        assert!(from_repository("z @ hg+https://x", "hg+"));
        assert!(!from_repository("# git+https://x", "git+"));
        assert!(!from_repository("flask", "git+"));
    }
}
