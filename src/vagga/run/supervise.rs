//! `!Supervise`: several processes, each in its own container, that begin and end together.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::vagga::config::{ChildCommand, SuperviseInfo};
use crate::vagga::failure::{exit, Failure};

use super::group::{Event, Group, Policy};
use super::isolated;
use super::launcher::{print, Launcher, Running};
use super::process::{Context, Process};
use super::{finish, set_banner, Arguments};

/// Runs the group to its end; the result is the status for the shell.
pub fn run(context: &Context<'_>, name: &str, info: &SuperviseInfo, args: &Arguments) -> Result<u8, Failure> {
    let children = selected(&info.children, &args.only, &args.exclude);
    if children.is_empty() {
        return Err(Failure::new(
            exit::NO_COMMAND,
            format!("no children matching in supervise command {name:?}"),
        ));
    }
    check_networks(context, info, &children)?;
    let isolate = context.globals.isolate_network || info.common.isolate_network;
    let mut processes = children
        .iter()
        .map(|(child, command)| {
            let fixed = child_variables(name, child, &args.variables);
            let process = context.process(command.info(), &[], &fixed)?;
            // The group decides about its network.
            Ok(Process {
                isolate: false,
                ..process
            })
        })
        .collect::<Result<Vec<Process>, Failure>>()?;
    let has_transient = processes.iter().any(|p| p.transient.is_some());
    let mut launcher = Launcher::new(has_transient)?;
    let mut group = Group::new(Policy::Supervise {
        mode: info.mode,
        grace: Duration::from_secs(info.kill_unresponsive_after.into()),
    });
    let mut running = Vec::with_capacity(processes.len());
    if isolate {
        running = isolated::start(&launcher, &processes)?;
    }
    for (index, (child, _)) in children.iter().enumerate() {
        start(
            &launcher,
            child,
            processes.get(index),
            index,
            &mut group,
            &mut running,
        );
    }
    for process in &mut processes {
        // The children have their own copies.
        process.socket = None;
    }
    set_banner(&mut launcher, &info.common);
    let result = launcher.attend(&mut group, &mut running);
    finish(&launcher, processes, result)
}

/// Starts a child unless it runs already, and makes it known to the group. After a failure nothing more is started.
fn start(
    launcher: &Launcher,
    name: &str,
    process: Option<&Process>,
    index: usize,
    group: &mut Group,
    running: &mut Vec<Running>,
) {
    if running.get(index).is_none() {
        let started = match process {
            Some(process) if !group.is_stopping() => launcher.start(process),
            _ => Ok(Running::absent()),
        };
        running.push(started.unwrap_or_else(|e| {
            print(&mut io::stderr(), &format!("vagga: {e}\n"));
            Running::absent()
        }));
    }
    let pid = running.get(index).map_or(0, Running::pid);
    group.add(name, pid);
    if pid == 0 {
        launcher.event(group, running, Event::NotStarted(index));
    }
}

/// Children by name or tag: those in `only`, else all but those in `exclude`.
pub fn selected<'a>(
    children: &'a BTreeMap<String, ChildCommand>,
    only: &[String],
    exclude: &[String],
) -> Vec<(&'a str, &'a ChildCommand)> {
    let is_in = |list: &[String], name: &String, child: &ChildCommand| {
        let tags = &child.info().common.tags;
        list.iter().any(|word| word == name || tags.contains(word))
    };
    children
        .iter()
        .filter(|(name, child)| match only {
            [] => !is_in(exclude, name, child),
            only => is_in(only, name, child),
        })
        .map(|(name, child)| (name.as_str(), child))
        .collect()
}

/// Networks of their own are not there yet.
fn check_networks(
    context: &Context<'_>,
    info: &SuperviseInfo,
    children: &[(&str, &ChildCommand)],
) -> Result<(), Failure> {
    let networked = children
        .iter()
        .any(|(_, c)| matches!(c, ChildCommand::BridgeCommand(_)) || c.info().network.is_some());
    if !networked {
        return Ok(());
    }
    if context.globals.isolate_network || info.common.isolate_network {
        return Err(Failure::new(
            exit::LAUNCHER,
            "isolate-network is forbidden in conjunction with children that have a `network` or are bridge commands",
        ));
    }
    Err(Failure::new(exit::LAUNCHER, "Network namespace is not set up")
        .with_hint("run `vagga _create_netns`"))
}

/// Names of the group and the child, after the parsed options.
fn child_variables(name: &str, child: &str, options: &[(String, String)]) -> Vec<(String, String)> {
    let mut variables = options.to_vec();
    variables.push(("VAGGA_COMMAND".into(), name.into()));
    variables.push(("VAGGA_SUBCOMMAND".into(), child.into()));
    variables
}
