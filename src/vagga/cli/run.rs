//! Commands of the project from the command line to their exit code: arguments, prerequisites, containers, processes.

use super::arguments::{self, Request};
use super::globals::{BuildMode, Globals};
use super::names;
use super::output;
use super::prerequisites::{self, Task};
use crate::vagga::build;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::project::Project;
use crate::vagga::run;
use crate::vagga::run::background::{is_services, Begun, Services};
use crate::vagga::run::place::Inside;
use crate::vagga::storage::Storage;

/// A command as the user typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Name or alias.
    pub typed: String,
    /// What follows it.
    pub args: Vec<String>,
}

/// Runs commands in sequence, prerequisites first; the first status that is not 0 ends it and is the result.
///
/// Nothing is built before the arguments of all commands are read, nothing runs before all containers are built.
pub fn commands(project: &Project, mut globals: Globals, wanted: Vec<Wanted>) -> Result<u8, Failure> {
    let mut requested = Vec::new();
    for Wanted { typed, args } in wanted {
        let (name, command) = names::find(&project.config, &typed)?;
        match arguments::read(name, command, &args)? {
            Request::Help(text) => return output::out(&text),
            Request::Run(arguments, mode) => {
                globals.build_mode = mode.unwrap_or(globals.build_mode);
                let name = name.to_string();
                requested.push(Task { name, arguments });
            }
        }
    }
    check_use_env(&globals)?;
    let storage = Storage::open(project)?;
    let tasks = match globals.no_prerequisites {
        true => requested,
        false => {
            let volumes = storage.base.join(".volumes");
            let is_missing = |name: &str| volumes.join(name).symlink_metadata().is_err();
            prerequisites::expand(&project.config, requested, &is_missing)?
        }
    };
    let mut containers: Vec<String> = Vec::new();
    for task in &tasks {
        for name in prerequisites::containers(&project.config, task)? {
            if !containers.contains(&name) {
                containers.push(name);
            }
        }
    }
    ensure(project, &storage, &containers, globals.build_mode)?;
    if globals.containers_only {
        return Ok(0);
    }
    in_sequence(project, &globals, &tasks)
}

/// Groups of services stay up behind what follows them, and are stopped, the last one first, at the end.
fn in_sequence(project: &Project, globals: &Globals, tasks: &[Task]) -> Result<u8, Failure> {
    let mut behind = Vec::new();
    let status = each(project, globals, tasks, &mut behind);
    while let Some(services) = behind.pop() {
        drop(services);
    }
    status
}

fn each(
    project: &Project,
    globals: &Globals,
    tasks: &[Task],
    behind: &mut Vec<Services>,
) -> Result<u8, Failure> {
    for (index, task) in tasks.iter().enumerate() {
        behind.iter_mut().try_for_each(Services::check)?;
        let command = project.config.commands.get(&task.name);
        let is_last = index + 1 == tasks.len();
        let status = if !is_last && command.is_some_and(is_services) {
            match run::services(project, globals, &task.name, &task.arguments)? {
                Begun::Ready(services) => {
                    behind.push(services);
                    0
                }
                Begun::Ended(status) => status,
            }
        } else {
            run::command(project, globals, &task.name, &task.arguments)?
        };
        if status != 0 {
            return Ok(status);
        }
    }
    Ok(0)
}

/// `vagga _run`.
pub fn in_container(
    project: &Project,
    globals: &Globals,
    container: &str,
    writable: bool,
    argv: &[String],
    inside: Option<&Inside>,
) -> Result<u8, Failure> {
    check_use_env(globals)?;
    let containers = prerequisites::containers_of_run(&project.config, container)?;
    let storage = Storage::open(project)?;
    ensure(project, &storage, &containers, globals.build_mode)?;
    if globals.containers_only {
        return Ok(0);
    }
    run::in_container(project, globals, container, writable, argv, inside)
}

/// Brings containers up to date, in this order.
fn ensure(
    project: &Project,
    storage: &Storage,
    containers: &[String],
    mode: BuildMode,
) -> Result<(), Failure> {
    let mode = match mode {
        BuildMode::Normal if !project.settings.version_check => BuildMode::NoVersionCheck,
        mode => mode,
    };
    containers
        .iter()
        .try_for_each(|name| build::ensure(project, storage, name, mode, false).map(drop))
}

/// `-e NAME=VALUE` is a mistake for `-E`. Errors: exit 126.
fn check_use_env(globals: &Globals) -> Result<(), Failure> {
    match globals.use_env.iter().find(|name| name.contains('=')) {
        None => Ok(()),
        Some(name) => {
            let message =
                format!("Error propagating environment: -e/--use-env {name:?} can't contain equals");
            Err(Failure::new(exit::CONFIG, message)
                .with_hint("to set a variable use -E/--env/--environ NAME=VALUE"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_env_takes_names_only() {
        let globals = |name: &str| Globals {
            use_env: vec![name.into()],
            ..Globals::default()
        };
        assert_eq!(check_use_env(&globals("A")), Ok(()));
        let e = check_use_env(&globals("key=value")).unwrap_err();
        assert_eq!(e.exit, 126);
        for part in [
            "Error propagating environment:",
            "can't contain equals",
            "-e",
            "--use-env",
            "-E",
            "--environ",
        ] {
            assert!(e.to_string().contains(part), "{part}: {e}");
        }
    }
}
