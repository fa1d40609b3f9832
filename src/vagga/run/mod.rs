//! Running commands: environment, volumes, wrapper process, signals, supervision.

pub mod environ;
pub mod environ_file;
pub mod group;
pub mod inotify;
pub mod link;
pub mod pid1;
pub mod program;
pub mod socket;
pub mod terminal;
pub mod volumes;

use super::cli::globals::Globals;
use super::failure::{exit, Failure};
use super::project::Project;

/// Arguments of one user command, already checked by the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Words appended to the command line (empty when the command has `options`).
    pub words: Vec<String>,
    /// `VAGGAOPT_*` and `VAGGACLI_*` in order, when the command has `options`.
    pub variables: Vec<(String, String)>,
    /// `--only` of a supervise command.
    pub only: Vec<String>,
    /// `--exclude` of a supervise command.
    pub exclude: Vec<String>,
}

/// Runs one top-level command (`!Command` or `!Supervise`) whose containers are up to date.
/// Returns the status for the shell: the program's exit code, or 128 + signal. Prints the epilog.
pub fn command(_project: &Project, _globals: &Globals, name: &str, _args: &Arguments) -> Result<u8, Failure> {
    Err(Failure::new(
        exit::LAUNCHER,
        format!("Command {name:?} cannot be run yet"),
    ))
}

/// `vagga _run [-W] CONTAINER COMMAND [ARG…]` in a container that is up to date.
pub fn in_container(
    _project: &Project,
    _globals: &Globals,
    container: &str,
    _writable: bool,
    _argv: &[String],
) -> Result<u8, Failure> {
    Err(Failure::new(
        exit::LAUNCHER,
        format!("Container {container:?} cannot be run yet"),
    ))
}
