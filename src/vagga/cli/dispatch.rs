//! From the command line to the parts of vagga that do the work.
//!
//! Order: the command line is read first, but a problem of the configuration is reported before a problem of the
//! command line. `--help`, `--version` and the listing touch no storage.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use super::builtin;
use super::globals::Globals;
use super::invocation;
use super::listing;
use super::names;
use super::output;
use super::parser::{Grammar, Outcome, Parsed};
use super::run::{self, Wanted};
use super::table::{BuiltIn, Key};
use crate::vagga::config::{load_project, owner};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::log;
use crate::vagga::project::Project;

/// The whole program: reads arguments, environment and current directory; returns the exit code.
pub fn main() -> u8 {
    log::start(&variable);
    let mut args = env::args_os();
    let program = args.next().unwrap_or_else(|| "vagga".into());
    let result = match invocation::link_name(&program) {
        Some(name) => by_link(&name, args.collect()),
        None => by_options(args.collect()),
    };
    result.unwrap_or_else(|failure| {
        output::failure(&failure);
        failure.exit
    })
}

/// A variable of the environment, if it is text.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Finds and reads the project of the current directory.
pub fn project() -> Result<Project, Failure> {
    load_project(&current_dir()?, &variable)
}

/// The current directory. Errors: exit 126.
pub fn current_dir() -> Result<PathBuf, Failure> {
    env::current_dir().map_err(|e| {
        Failure::new(
            exit::CONFIG,
            format!("Can't determine the current directory: {e}"),
        )
    })
}

/// Called by the name of a command's symlink: all arguments belong to the command.
fn by_link(name: &str, args: Vec<OsString>) -> Result<u8, Failure> {
    let project = project()?;
    if !project.settings.run_symlinks_as_commands {
        return by_options(args);
    }
    owner::check(&project.root)?;
    let linked = |(_, c): &(&String, &_)| command_link(c) == Some(name);
    let Some((command, _)) = project.config.commands.iter().find(linked) else {
        let message = format!("Can't find command {name:?}");
        return Err(Failure::new(exit::NO_COMMAND, message).with_hint(format!(
            "no command of {:?} has symlink-name: {name}",
            project.root
        )));
    };
    let wanted = Wanted {
        typed: command.clone(),
        args: invocation::utf8(args.into_iter())?,
    };
    run::commands(&project, Globals::default(), vec![wanted])
}

fn command_link(command: &crate::vagga::config::MainCommand) -> Option<&str> {
    command.common().symlink_name.as_deref()
}

/// Called as vagga.
fn by_options(args: Vec<OsString>) -> Result<u8, Failure> {
    let outcome = match invocation::utf8(args.into_iter()) {
        Ok(args) => Grammar::GLOBAL.parse(&args),
        Err(failure) => return project().and(Err(failure)),
    };
    match outcome {
        Outcome::Help(text) => output::out(&(text + &builtin::summary())),
        Outcome::Wrong(text) => project().and(Err(super::arguments::usage_error(text))),
        Outcome::Right(parsed) if parsed.has(Key::Version) => output::out(&version()),
        Outcome::Right(parsed) => parsed_line(&parsed),
    }
}

/// The text of `--version`.
pub fn version() -> String {
    format!("v{}\n", env!("CARGO_PKG_VERSION"))
}

/// A good command line.
fn parsed_line(parsed: &Parsed) -> Result<u8, Failure> {
    let globals = Globals::new(parsed);
    let several = parsed.values(Key::RunMulti);
    let Some((typed, args)) = parsed.positionals.split_first() else {
        let project = checked_project(&globals)?;
        return match several.is_empty() {
            true => overview(&project),
            false => multi(&project, globals, several),
        };
    };
    if !several.is_empty() {
        let text = Grammar::GLOBAL.wrong(&format!("Unexpected argument {typed}"));
        return project().and(Err(super::arguments::usage_error(text)));
    }
    match BuiltIn::find(typed) {
        Some(builtin) => builtin::run(builtin, &globals, args),
        None => {
            let project = checked_project(&globals)?;
            let wanted = Wanted {
                typed: typed.clone(),
                args: args.to_vec(),
            };
            run::commands(&project, globals, vec![wanted])
        }
    }
}

/// The project, after the check of its owner.
pub fn checked_project(globals: &Globals) -> Result<Project, Failure> {
    let project = project()?;
    if !globals.ignore_owner_check {
        owner::check(&project.root)?;
    }
    Ok(project)
}

/// The list of commands, on stderr, as if the user had mistyped.
pub fn overview(project: &Project) -> Result<u8, Failure> {
    output::err(&listing::overview(&project.config));
    Ok(exit::NO_COMMAND)
}

fn multi(project: &Project, globals: Globals, several: Vec<String>) -> Result<u8, Failure> {
    for typed in &several {
        if BuiltIn::find(typed).is_some() && names::resolve(&project.config, typed).is_none() {
            let message = format!("Command {typed:?} is built in and cannot be used with --run-multi");
            return Err(Failure::new(exit::LAUNCHER, message));
        }
    }
    let wanted = |typed| Wanted {
        typed,
        args: Vec::new(),
    };
    run::commands(project, globals, several.into_iter().map(wanted).collect())
}
