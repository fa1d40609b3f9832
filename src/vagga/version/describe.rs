//! `!GitDescribe`: the most recent annotated tag, through the host's git.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::vagga::config::step::GitDescribe;
use crate::vagga::project::Project;

/// Variables of the caller that would point git to another repository or run programs.
const GIT_VARIABLES: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_EXTERNAL_DIFF",
];

/// What `git describe --abbrev=7 [--match PATTERN]` prints for the step's repository, without the newline.
///
/// The repository's own configuration must not run anything: no file system monitor, no hooks, no fetching of
/// missing objects. The error is a message that names the repository.
pub fn describe(project: &Project, step: &GitDescribe) -> Result<String, String> {
    let dir = repository(project, &step.repo)?;
    let output = git(project, &dir, step.pattern.as_deref())
        .output()
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => "git is not found on this machine: install it".to_string(),
            _ => format!("can't run git: {e}"),
        })?;
    let text = String::from_utf8_lossy(&output.stdout).trim_end().to_string();
    if output.status.success() && !text.is_empty() {
        return Ok(text);
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "can't describe repository {:?}: {}",
        step.repo,
        why.lines().next().unwrap_or("git failed").trim()
    ))
}

/// The host directory of a repository below `/work`; relative means below `/work`.
fn repository(project: &Project, repo: &Path) -> Result<PathBuf, String> {
    let below = match repo.strip_prefix("/work") {
        Ok(below) => below,
        Err(_) if repo.is_relative() => repo,
        Err(_) => return Err(format!("repository {repo:?} is not below /work")),
    };
    if below.components().any(|c| c == std::path::Component::ParentDir) {
        return Err(format!("repository {repo:?} leads out of the project"));
    }
    Ok(match below.as_os_str().is_empty() {
        true => project.root.clone(),
        false => project.root.join(below),
    })
}

fn git(project: &Project, dir: &Path, pattern: Option<&str>) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(dir);
    for option in [
        "core.fsmonitor=false",
        "core.hooksPath=/dev/null",
        "safe.directory=*",
    ] {
        git.args(["-c", option]);
    }
    git.args(["describe", "--abbrev=7"]);
    if let Some(pattern) = pattern {
        git.arg(format!("--match={pattern}"));
    }
    for name in GIT_VARIABLES {
        git.env_remove(name);
    }
    if let Some(parent) = project.root.parent() {
        // A repository that happens to lie around the project is not the project's.
        git.env("GIT_CEILING_DIRECTORIES", parent);
    }
    git.env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    git
}
