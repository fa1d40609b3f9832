//! `!Git` and `!GitInstall`: check out a repository with the host's git.
//!
//! A bare clone is kept in the cache and updated by later builds. git runs with the configuration of the clone only,
//! without hooks, and speaks no protocol that could run programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::{Git, GitInstall};
use crate::vagga::storage::lock;

/// Protocols git may use. `ext` would run commands.
const PROTOCOLS: &str = "file:git:http:https:ssh";

/// What to check out.
struct Checkout<'a> {
    url: &'a str,
    revision: Option<&'a str>,
    branch: Option<&'a str>,
}

/// `!Git`: the files of one revision, without `.git`.
pub fn build(b: &mut Builder, s: &Git) -> Result<(), StepError> {
    let what = Checkout {
        url: &s.url,
        revision: s.revision.as_deref(),
        branch: s.branch.as_deref(),
    };
    check_out(b, &what, &s.path)
}

/// `!GitInstall`: the same below `/tmp`, where a script is run.
pub fn install(b: &mut Builder, s: &GitInstall) -> Result<(), StepError> {
    let what = Checkout {
        url: &s.url,
        revision: s.revision.as_deref(),
        branch: s.branch.as_deref(),
    };
    let dir = Path::new("/tmp").join(escaped(&s.url));
    check_out(b, &what, &dir)?;
    b.run(&GuestCommand {
        work_dir: dir.join(&s.subdir),
        ..GuestCommand::shell(&s.script)
    })
}

fn check_out(b: &mut Builder, what: &Checkout, path: &Path) -> Result<(), StepError> {
    for word in [Some(what.url), what.revision, what.branch].into_iter().flatten() {
        if word.starts_with('-') || word.is_empty() {
            return Err(StepError::new(format!(
                "{word:?} is neither an address nor a revision of a repository"
            )));
        }
    }
    let clone = updated_clone(b, what.url)?;
    let commit = commit_of(&clone, what)?;
    b.root.mkdir_all(path, 0o755).at("create", path)?;
    let dir = b.root.sub(path).at("open", path)?;
    export(&clone, &commit, &dir, what.url)
}

/// The bare clone in the cache, made or brought up to date under a lock.
fn updated_clone(b: &mut Builder, url: &str) -> Result<PathBuf, StepError> {
    let source = address(b, url)?;
    let dir = b.cache_dir(Path::new("git"))?;
    let clone = dir.join(escaped(url));
    let lock_path = dir.join(format!("{}.lock", escaped(url)));
    let _lock = lock::exclusive(&lock_path, true).at("lock", &lock_path)?;
    if clone.is_dir() {
        // A plain fetch would leave the branches of a bare clone where they were at first.
        git(
            &clone,
            &[
                "fetch",
                "--quiet",
                "--prune",
                "--force",
                "--tags",
                "--",
                &source,
                "+refs/heads/*:refs/heads/*",
            ],
        )?;
        return Ok(clone);
    }
    let fresh = dir.join(format!(".tmp.{}", escaped(url)));
    match std::fs::remove_dir_all(&fresh) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(StepError::io("remove", &fresh, &e))
        }
        _ => {}
    }
    let target = fresh.to_string_lossy();
    git(&dir, &["clone", "--quiet", "--bare", "--", &source, &target])?;
    std::fs::rename(&fresh, &clone).at("rename", &fresh)?;
    Ok(clone)
}

/// What to give to git: a repository of the project (`./x`) by its host path, anything else as written.
fn address(b: &Builder, url: &str) -> Result<String, StepError> {
    match crate::vagga::fetch::local_path(url, &b.project.root, &b.project.settings.external_volumes) {
        Some(path) => {
            let path = path.map_err(|e| StepError::new(e.to_string()))?;
            Ok(path.to_string_lossy().into_owned())
        }
        None => Ok(url.to_owned()),
    }
}

/// The commit meant by `revision`, else `branch`, else the head of the repository.
fn commit_of(clone: &Path, what: &Checkout) -> Result<String, StepError> {
    let name = match (what.revision, what.branch) {
        (Some(revision), _) => revision.to_owned(),
        (None, Some(branch)) => format!("refs/heads/{branch}"),
        (None, None) => "HEAD".to_owned(),
    };
    let output = git(
        clone,
        &[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &format!("{name}^{{commit}}"),
        ],
    )
    .map_err(|_| StepError::new(format!("{}: there is no {name} in the repository", what.url)))?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

/// Writes the files of a commit through the confined writer, from git's tar stream.
fn export(clone: &Path, commit: &str, dir: &crate::sys::path::Root, url: &str) -> Result<(), StepError> {
    use crate::vagga::archive::{unpack_tar, Options, Writer};
    let mut child = command(clone, &["archive", "--format=tar", commit])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| missing(&e))?;
    let stream = child
        .stdout
        .take()
        .ok_or_else(|| StepError::new("git gave no output"))?;
    let options = Options::default();
    let unpacked = Writer::new(dir, Path::new("/"), &options).and_then(|writer| unpack_tar(stream, writer));
    let status = child.wait().map_err(|e| missing(&e))?;
    unpacked.map_err(|e| StepError::new(format!("{url}: {e}")))?;
    match status.success() {
        true => Ok(()),
        false => Err(StepError::new(format!("{url}: git archive ended with {status}"))),
    }
}

/// Runs git in a directory and returns what it printed; its errors go to stderr.
fn git(dir: &Path, arguments: &[&str]) -> Result<Vec<u8>, StepError> {
    let output = command(dir, arguments).output().map_err(|e| missing(&e))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => {
            let words = arguments.first().copied().unwrap_or_default();
            Err(StepError::new(format!("git {words} failed ({})", output.status)))
        }
    }
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "gc.auto=0",
        ])
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    command
}

fn missing(error: &std::io::Error) -> StepError {
    StepError::new(format!("can't run git: {error}")).with_hint("install the package git on this machine")
}

/// A repository's name in the cache.
fn escaped(url: &str) -> String {
    url.replace('%', "%25").replace('/', "%2F")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_in_the_cache() {
        assert_eq!(escaped("https://h/a%b.git"), "https:%2F%2Fh%2Fa%25b.git");
    }
}
