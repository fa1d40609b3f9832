//! `!Supervise`: several processes, each in its own container, that begin and end together.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::vagga::config::command::Restart;
use crate::vagga::config::{ChildCommand, CommandInfo, SuperviseInfo};
use crate::vagga::failure::{exit, Failure};

use super::group::{Group, Policy, Rules};
use super::isolated;
use super::launcher::{Launcher, Roster};
use super::networked::{keys, Networked};
use super::process::{Context, Process};
use super::status::Status;
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
    let isolate = context.globals.isolate_network || info.common.isolate_network;
    let network = Networked::new(&children, isolate)?;
    let mut processes = prepared(context, name, &children, network.as_ref(), &args.variables)?;
    let shared = isolate.then(isolated::network).transpose()?;
    let (places, _lasting) = match &network {
        Some(network) => network
            .places(&mut processes)
            .map(|(p, spaces)| (p, Some(spaces)))?,
        None => (Vec::new(), None),
    };
    let has_transient = processes.iter().any(|p| p.transient.is_some());
    // Who serves another command leaves the terminal to it.
    let watched = on_ready.is_none() && context.project.settings.status_block;
    let status = watched.then(|| Status::new(name)).flatten();
    let mut launcher = Launcher::new(has_transient, status)?;
    if let Some(pipe) = on_ready {
        launcher.set_on_ready(pipe);
    }
    let mut group = grouped(info, &children);
    let commons = children.iter().map(|(_, child)| &child.info().common);
    for common in std::iter::once(&info.common).chain(commons) {
        set_banner(&mut launcher, common);
    }
    let mut starter = |launcher: &Launcher, index: usize| {
        let process = processes
            .get_mut(index)
            .ok_or_else(|| Failure::new(exit::LAUNCHER, "no such child"))?;
        let own = places.get(index).and_then(Option::as_ref);
        let running = match own.or(shared.as_ref()) {
            Some(place) => place.start(launcher, process),
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

/// What each child will be, its place in the group's network known.
fn prepared(
    context: &Context<'_>,
    name: &str,
    children: &[(&str, &ChildCommand)],
    network: Option<&Networked>,
    variables: &[(String, String)],
) -> Result<Vec<Process>, Failure> {
    let one = |(index, (child, command)): (usize, &(&str, &ChildCommand))| {
        let fixed = child_variables(name, child, variables);
        let lookup = network.and_then(|n| n.lookup(index));
        let process = Context { lookup, ..*context }.process(&keys(command), &[], &fixed)?;
        // The group decides about its network.
        Ok(Process {
            isolate: false,
            ..process
        })
    };
    children.iter().enumerate().map(one).collect()
}

fn grouped(info: &SuperviseInfo, children: &[(&str, &ChildCommand)]) -> Group {
    let mut group = Group::new(Policy::Supervise {
        mode: info.mode,
        grace: Duration::from_secs(info.kill_unresponsive_after.into()),
    });
    for (child, command) in children {
        group.add(child, rules(command.info(), children));
    }
    group
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

/// Names of the group and the child, after the parsed options.
fn child_variables(name: &str, child: &str, options: &[(String, String)]) -> Vec<(String, String)> {
    let mut variables = options.to_vec();
    variables.push(("VAGGA_COMMAND".into(), name.into()));
    variables.push(("VAGGA_SUBCOMMAND".into(), child.into()));
    variables
}
