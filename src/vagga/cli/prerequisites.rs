//! What a command line leads to: prerequisites put before the requested commands, containers that must exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::names;
use crate::vagga::config::{CommandInfo, Config, MainCommand, SuperviseInfo, Volume};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::run::Arguments;

/// One command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Main name.
    pub name: String,
    /// Its arguments.
    pub arguments: Arguments,
}

/// Puts prerequisites and init commands of missing volumes before the requested commands, depth first.
///
/// Every added command appears once, the requested ones keep order and number. Cycles are cut. `is_missing` tells
/// whether a persistent volume does not exist yet. Errors: exit 121 for unknown names and impossible init commands.
pub fn expand(
    config: &Config,
    requested: Vec<Task>,
    is_missing: &dyn Fn(&str) -> bool,
) -> Result<Vec<Task>, Failure> {
    let mut expansion = Expansion {
        config,
        is_missing,
        visited: requested.iter().map(|t| t.name.clone()).collect(),
        tasks: Vec::new(),
    };
    for task in requested {
        expansion.before(&task.name, &task.arguments, 0)?;
        expansion.tasks.push(task);
    }
    Ok(expansion.tasks)
}

/// Longest accepted chain of prerequisites.
const MAX_DEPTH: usize = 1000;

struct Expansion<'a> {
    config: &'a Config,
    is_missing: &'a dyn Fn(&str) -> bool,
    /// Names that must not be added (again).
    visited: BTreeSet<String>,
    tasks: Vec<Task>,
}

impl Expansion<'_> {
    /// Adds what must run before the command.
    fn before(&mut self, name: &str, arguments: &Arguments, depth: usize) -> Result<(), Failure> {
        if depth > MAX_DEPTH {
            let message = format!("Prerequisites of {name:?} are chained more than {MAX_DEPTH} deep");
            return Err(Failure::new(exit::LAUNCHER, message));
        }
        let (name, command) = names::find(self.config, name)?;
        for typed in prerequisites(command, arguments) {
            let (found, _) = names::find(self.config, typed).map_err(|f| Failure {
                message: format!("{} (a prerequisite of {name:?})", f.message),
                ..f
            })?;
            self.add(found, depth)?;
        }
        for (volume, init) in init_commands(self.config, command, arguments, self.is_missing) {
            self.add_init(init, volume, depth)?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str, depth: usize) -> Result<(), Failure> {
        if !self.visited.insert(name.to_string()) {
            return Ok(());
        }
        let arguments = no_arguments(self.config, name)?;
        self.before(name, &arguments, depth + 1)?;
        self.tasks.push(Task {
            name: name.to_string(),
            arguments,
        });
        Ok(())
    }

    /// Init commands are named by their main name, since that name alone may mount the unfinished volume.
    fn add_init(&mut self, name: &str, volume: &str, depth: usize) -> Result<(), Failure> {
        let why = match self.config.commands.get(name) {
            Some(MainCommand::Command(_)) => return self.add(name, depth),
            Some(_) => "is not a !Command",
            None => "not found",
        };
        Err(Failure::new(
            exit::LAUNCHER,
            format!("Command {name:?} {why} (init-command of the volume {volume:?})"),
        ))
    }
}

/// The arguments of a command that runs without any, defaults of `options` included.
pub fn no_arguments(config: &Config, name: &str) -> Result<Arguments, Failure> {
    use super::arguments::{read, Request};
    let (name, command) = names::find(config, name)?;
    match read(name, command, &[])? {
        Request::Run(arguments, _) => Ok(arguments),
        Request::Help(_) => Ok(Arguments::default()),
    }
}

/// Children of a group that `--only` and `--exclude` leave, by name or tag; `--only` wins.
pub fn selected<'a>(group: &'a SuperviseInfo, arguments: &Arguments) -> Vec<(&'a str, &'a CommandInfo)> {
    let matches = |name: &str, info: &CommandInfo, list: &[String]| {
        list.iter().any(|w| w == name || info.common.tags.contains(w))
    };
    let children = group.children.iter().map(|(n, c)| (n.as_str(), c.info()));
    children
        .filter(|(name, info)| match arguments.only.is_empty() {
            false => matches(name, info, &arguments.only),
            true => !matches(name, info, &arguments.exclude),
        })
        .collect()
}

/// The command itself, or the selected children of a group.
fn processes<'a>(command: &'a MainCommand, arguments: &Arguments) -> Vec<&'a CommandInfo> {
    match command {
        MainCommand::Command(info) => vec![info],
        MainCommand::Supervise(group) => selected(group, arguments).into_iter().map(|(_, c)| c).collect(),
        MainCommand::CapsuleCommand(_) => Vec::new(),
    }
}

fn prerequisites<'a>(command: &'a MainCommand, arguments: &Arguments) -> Vec<&'a str> {
    let own = command.common().prerequisites.iter();
    let children = match command {
        MainCommand::Supervise(group) => selected(group, arguments),
        _ => Vec::new(),
    };
    let of_children = children.into_iter().flat_map(|(_, c)| &c.common.prerequisites);
    own.chain(of_children).map(String::as_str).collect()
}

/// Volumes of a process: those of its container, overridden by its own.
fn volumes<'a>(config: &'a Config, info: &'a CommandInfo) -> BTreeMap<&'a PathBuf, &'a Volume> {
    let container = config.containers.get(&info.container);
    let mut all: BTreeMap<&PathBuf, &Volume> = container.iter().flat_map(|c| &c.volumes).collect();
    all.extend(&info.volumes);
    all
}

/// Missing volumes with the commands that fill them.
fn init_commands<'a>(
    config: &'a Config,
    command: &'a MainCommand,
    arguments: &Arguments,
    is_missing: &dyn Fn(&str) -> bool,
) -> Vec<(&'a str, &'a str)> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for info in processes(command, arguments) {
        for volume in volumes(config, info).into_values() {
            if let Volume::Persistent(p) = volume {
                if let Some(init) = p.init_command.as_deref().filter(|_| is_missing(&p.name)) {
                    found.push((&p.name, init));
                }
            }
        }
    }
    found
}

/// Containers that a command needs: those it mounts, then those it runs in. Each once.
///
/// Errors: exit 121 for containers that are not defined.
pub fn containers(config: &Config, task: &Task) -> Result<Vec<String>, Failure> {
    let (_, command) = names::find(config, &task.name)?;
    let mut found: Vec<String> = Vec::new();
    for info in processes(command, &task.arguments) {
        let mounted = volumes(config, info).into_values().filter_map(|v| match v {
            Volume::Container(name) => Some(name),
            Volume::Snapshot(s) => s.container.as_ref(),
            _ => None,
        });
        for name in mounted.chain([&info.container]) {
            names::check_container(config, name)?;
            if !found.contains(name) {
                found.push(name.clone());
            }
        }
    }
    Ok(found)
}

/// Containers mounted by programs started with `_run` in this container, then the container itself.
pub fn containers_of_run(config: &Config, container: &str) -> Result<Vec<String>, Failure> {
    names::check_container(config, container)?;
    let volumes = config.containers.get(container).map(|c| &c.volumes);
    let mut found: Vec<String> = Vec::new();
    for volume in volumes.into_iter().flat_map(BTreeMap::values) {
        let name = match volume {
            Volume::Container(name) => Some(name),
            Volume::Snapshot(s) => s.container.as_ref(),
            _ => None,
        };
        if let Some(name) = name.filter(|n| *n != container && !found.contains(n)) {
            names::check_container(config, name)?;
            found.push(name.clone());
        }
    }
    found.push(container.to_string());
    Ok(found)
}
