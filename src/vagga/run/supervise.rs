//! `!Supervise`: several processes, each in its own container, that begin and end together.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::vagga::config::{ChildCommand, SuperviseInfo};
use crate::vagga::failure::{exit, Failure};

use super::group::{Group, Policy};
use super::launcher::Launcher;
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
            context.process(command.info(), &[], &fixed)
        })
        .collect::<Result<Vec<Process>, Failure>>()?;
    if isolate && processes.len() > 1 {
        return Err(Failure::new(
            exit::LAUNCHER,
            "isolate-network of several supervised children is not possible yet",
        ));
    }
    let has_transient = processes.iter().any(|p| p.transient.is_some());
    let mut launcher = Launcher::new(has_transient)?;
    let mut group = Group::new(Policy::Supervise {
        mode: info.mode,
        grace: Duration::from_secs(info.kill_unresponsive_after.into()),
    });
    let mut running = Vec::with_capacity(processes.len());
    for ((child, _), process) in children.iter().zip(&mut processes) {
        process.isolate = isolate;
        let started = launcher.start(process)?;
        process.socket = None;
        group.add(child, started.pid());
        running.push(started);
    }
    set_banner(&mut launcher, &info.common);
    let result = launcher.attend(&mut group, &mut running);
    finish(&launcher, processes, result)
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
