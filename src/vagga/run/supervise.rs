//! `!Supervise`: several processes, each in its own container, that begin and end together.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::vagga::config::command::Restart;
use crate::vagga::config::{ChildCommand, CommandInfo, SuperviseInfo};
use crate::vagga::failure::{exit, Failure};

use super::group::{Group, Policy, Rules};
use super::isolated::Isolated;
use super::launcher::{Launcher, Roster};
use super::process::{Context, Process};
use super::{finish, set_banner, Arguments};

/// Runs the group to its end; the result is the status for the shell. `on_ready` is told once all children are ready.
pub fn run(
    context: &Context<'_>,
    name: &str,
    info: &SuperviseInfo,
    args: &Arguments,
    on_ready: Option<OwnedFd>,
) -> Result<u8, Failure> {
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
    if let Some(pipe) = on_ready {
        launcher.set_on_ready(pipe);
    }
    let mut group = Group::new(Policy::Supervise {
        mode: info.mode,
        grace: Duration::from_secs(info.kill_unresponsive_after.into()),
    });
    for (child, command) in &children {
        group.add(child, rules(command.info(), &children));
    }
    let network = isolate.then(Isolated::new).transpose()?;
    set_banner(&mut launcher, &info.common);
    let mut starter = |launcher: &Launcher, index: usize| {
        let process = processes
            .get_mut(index)
            .ok_or_else(|| Failure::new(exit::LAUNCHER, "no such child"))?;
        let running = match &network {
            Some(network) => network.start(launcher, process),
            None => launcher.start(process),
        };
        let final_end = children
            .get(index)
            .is_none_or(|(_, c)| c.info().restart == Restart::never);
        if final_end {
            // The child has its own copy.
            process.socket = None;
        }
        running
    };
    let mut roster = Roster::new(children.len(), &mut starter);
    let result = launcher.attend(&mut group, &mut roster);
    finish(&launcher, processes, result)
}

/// What the configuration says about a child. Siblings that are not selected are not waited for.
fn rules(info: &CommandInfo, children: &[(&str, &ChildCommand)]) -> Rules {
    let index = |name: &String| children.iter().position(|(n, _)| n == name);
    Rules {
        after: info.after.iter().filter_map(index).collect(),
        ready_within: info.ready.as_ref().map(|r| Duration::from_millis(r.timeout)),
        restart: info.restart,
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
