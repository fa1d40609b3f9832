//! The host's git as a child process: no hooks, no file system monitor, no protocol that could run programs, nothing
//! that points it to another repository.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::address::Source;
use crate::vagga::build::error::StepError;

/// Protocols of repositories on the network. `ext` would run commands.
const NETWORK: &str = "git:http:https:ssh";
/// The same with repositories of this machine.
const ALL: &str = "file:git:http:https:ssh";

/// Configuration that is given to every command. The umask makes modes of files independent of the user's settings.
const OPTIONS: [&str; 8] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.attributesFile=/dev/null",
    "gc.auto=0",
    "maintenance.auto=false",
    "tar.umask=0022",
    "safe.directory=*",
];

/// Variables of the caller, for instance of a hook, that would point git to another repository.
const FOREIGN: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_PREFIX",
];

/// Variables that name proxies.
const PROXIES: [&str; 7] = [
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// git, about to work for one repository.
pub struct Program<'a> {
    source: &'a Source,
    proxies: bool,
}

impl<'a> Program<'a> {
    /// `proxies`: the setting `proxy-env-vars`.
    pub fn new(source: &'a Source, proxies: bool) -> Program<'a> {
        Program { source, proxies }
    }

    /// The repository, for messages.
    pub fn url(&self) -> &str {
        &self.source.url
    }

    /// The repository, as git is told.
    pub fn address(&self) -> &str {
        &self.source.address
    }

    /// Runs git in a directory. Its complaints go to stderr.
    pub fn run(&self, dir: &Path, arguments: &[&str]) -> Result<(), StepError> {
        self.output(dir, arguments).map(|_| ())
    }

    /// Runs git and returns what it printed.
    pub fn output(&self, dir: &Path, arguments: &[&str]) -> Result<Vec<u8>, StepError> {
        let output = self.command(dir, arguments).output().map_err(|e| missing(&e))?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(self.failed(arguments.first().copied().unwrap_or_default(), output.status)),
        }
    }

    /// The same; `None` when git fails, about which it says nothing.
    pub fn answer(&self, dir: &Path, arguments: &[&str]) -> Result<Option<Vec<u8>>, StepError> {
        let mut command = self.command(dir, arguments);
        let output = command.stderr(Stdio::null()).output().map_err(|e| missing(&e))?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// Starts git with its output in a pipe.
    pub fn start(&self, dir: &Path, arguments: &[&str]) -> Result<Child, StepError> {
        let mut command = self.command(dir, arguments);
        command.stdout(Stdio::piped()).spawn().map_err(|e| missing(&e))
    }

    /// The error of a command that has told its reasons itself.
    pub fn failed(&self, command: &str, status: ExitStatus) -> StepError {
        StepError::new(format!("{}: git {command} failed ({status})", self.url()))
    }

    fn command(&self, dir: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        for option in OPTIONS {
            command.args(["-c", option]);
        }
        let foreign = FOREIGN.iter().chain(PROXIES.iter().filter(|_| !self.proxies));
        for name in foreign {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(dir)
            .env(
                "GIT_ALLOW_PROTOCOL",
                if self.source.local { ALL } else { NETWORK },
            )
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        command
    }
}

fn missing(error: &std::io::Error) -> StepError {
    StepError::new(format!("can't run git: {error}")).with_hint("install the package git on this machine")
}
