//! Checks across the parts of a configuration: references between containers.

use std::collections::{BTreeMap, BTreeSet};

use super::step::{Step, SubConfigSource};
use super::{children, ChildCommand, CommandInfo, Config, Container, MainCommand, Volume};
use crate::vagga::failure::{exit, Failure};

/// Refuses builds from unknown containers and circles; warns about what fails only when it is used.
///
/// Errors: exit 126; the message about a circle is exactly `Container "NAME" has cyclic dependency`.
pub fn check(config: &Config) -> Result<(), Failure> {
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, container) in &config.containers {
        let bases: Vec<&str> = build_references(container).collect();
        if let Some(missing) = bases.iter().find(|base| !config.containers.contains_key(**base)) {
            let message = format!("Container {missing:?} referenced from {name:?} is not found");
            return Err(Failure::new(exit::CONFIG, message));
        }
        graph.insert(name, bases);
    }
    if let Some(name) = find_circle(&graph) {
        let message = format!("Container {name:?} has cyclic dependency");
        return Err(Failure::new(exit::CONFIG, message));
    }
    if let Some(fault) = group_faults(config).into_iter().next() {
        return Err(Failure::new(exit::CONFIG, fault));
    }
    for warning in warnings(config) {
        log::warn!("{warning}");
    }
    Ok(())
}

/// Groups whose children contradict themselves.
fn group_faults(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for (name, command) in &config.commands {
        if let MainCommand::Supervise(group) = command {
            let faults = children::faults(group).into_iter();
            found.extend(faults.map(|f| {
                format!(
                    "`{}` of child {:?} of command {name:?}: {}",
                    f.key, f.child, f.text
                )
            }));
        }
    }
    found
}

/// Containers that have to exist before the build of this one.
pub fn build_references(container: &Container) -> impl Iterator<Item = &str> {
    container.setup.iter().filter_map(|step| match step {
        Step::Container(name) => Some(name.as_str()),
        Step::Build(build) => Some(build.container.as_str()),
        Step::SubConfig(sub) => match &sub.source {
            SubConfigSource::Container(name) => Some(name.as_str()),
            _ => None,
        },
        _ => None,
    })
}

/// The first container, in the order of names and steps, that is built from itself. Without recursion: chains may
/// be as long as the configuration.
fn find_circle<'a>(graph: &BTreeMap<&'a str, Vec<&'a str>>) -> Option<&'a str> {
    let mut finished: BTreeSet<&str> = BTreeSet::new();
    for start in graph.keys() {
        let mut trail: Vec<(&'a str, usize)> = vec![(start, 0)];
        let mut on_trail = BTreeSet::from([*start]);
        while let Some((name, next)) = trail.last_mut() {
            let base = graph.get(name).and_then(|bases| bases.get(*next));
            *next += 1;
            match base {
                Some(base) if on_trail.contains(base) => return Some(base),
                Some(base) if !finished.contains(base) => {
                    on_trail.insert(base);
                    trail.push((base, 0));
                }
                Some(_) => {}
                None => {
                    on_trail.remove(name);
                    finished.insert(name);
                    trail.pop();
                }
            }
        }
    }
    None
}

/// What will fail, or do nothing, when it is used.
fn warnings(config: &Config) -> Vec<String> {
    let mut list = Vec::new();
    for (name, command) in &config.commands {
        command_warnings(config, name, command, &mut list);
    }
    for (name, container) in &config.containers {
        volume_warnings(
            config,
            &format!("container {name:?}"),
            container.volumes.values(),
            &mut list,
        );
    }
    alias_warnings(config, &mut list);
    list
}

fn command_warnings(config: &Config, name: &str, command: &MainCommand, list: &mut Vec<String>) {
    let whose = format!("command {name:?}");
    prerequisite_warnings(config, &whose, &command.common().prerequisites, list);
    match command {
        MainCommand::Command(info) => info_warnings(config, &whose, info, list),
        MainCommand::Supervise(group) => {
            if group.common.pass_tcp_socket.is_some() {
                list.push(format!(
                    "`pass-tcp-socket` of {whose} has no effect on !Supervise, set it on a child"
                ));
            }
            for (child, info) in &group.children {
                let whose = format!("child {child:?} of {whose}");
                prerequisite_warnings(config, &whose, &info.info().common.prerequisites, list);
                match info {
                    ChildCommand::Command(info) | ChildCommand::BridgeCommand(info) => {
                        info_warnings(config, &whose, info, list);
                    }
                }
            }
        }
        MainCommand::CapsuleCommand(_) => {}
    }
}

fn prerequisite_warnings(config: &Config, whose: &str, names: &[String], list: &mut Vec<String>) {
    for missing in names.iter().filter(|name| !config.commands.contains_key(*name)) {
        list.push(format!("prerequisite {missing:?} of {whose} is not defined"));
    }
}

fn info_warnings(config: &Config, whose: &str, info: &CommandInfo, list: &mut Vec<String>) {
    if !config.containers.contains_key(&info.container) {
        list.push(format!(
            "container {:?} of {whose} is not defined",
            info.container
        ));
    }
    volume_warnings(config, whose, info.volumes.values(), list);
}

fn volume_warnings<'a>(
    config: &Config,
    whose: &str,
    volumes: impl Iterator<Item = &'a Volume>,
    list: &mut Vec<String>,
) {
    for volume in volumes {
        let container = match volume {
            Volume::Container(name) => Some(name),
            Volume::Snapshot(snapshot) => snapshot.container.as_ref(),
            _ => None,
        };
        if let Some(name) = container.filter(|name| !config.containers.contains_key(*name)) {
            list.push(format!(
                "container {name:?} of a volume of {whose} is not defined"
            ));
        }
        let init = match volume {
            Volume::Persistent(persistent) => persistent.init_command.as_ref(),
            _ => None,
        };
        if let Some(name) = init.filter(|name| !config.commands.contains_key(*name)) {
            list.push(format!(
                "init command {name:?} of a volume of {whose} is not defined"
            ));
        }
    }
}

fn alias_warnings(config: &Config, list: &mut Vec<String>) {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, command) in &config.commands {
        for alias in &command.common().aliases {
            match taken.get(alias.as_str()) {
                Some(first) if *first != name.as_str() => {
                    list.push(format!(
                        "alias {alias:?} of command {name:?} belongs to {first:?} already"
                    ));
                }
                _ => {
                    taken.insert(alias, name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(edges: &[(&'static str, &[&'static str])]) -> Option<&'static str> {
        find_circle(
            &edges
                .iter()
                .map(|(name, bases)| (*name, bases.to_vec()))
                .collect(),
        )
    }

    #[test]
    fn circles_are_found_in_any_order_of_names() {
        assert_eq!(circle(&[("crash", &["crash"])]), Some("crash"));
        assert!(circle(&[("a", &["b"]), ("b", &["a"])]).is_some());
        assert_eq!(circle(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]), Some("b"));
        assert!(circle(&[("c", &["b"]), ("b", &["a"]), ("a", &["b"])]).is_some());
        assert_eq!(circle(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])]), None);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let names: Vec<String> = (0..100_000).map(|i| format!("{i:06}")).collect();
        let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for pair in names.windows(2) {
            graph.insert(&pair[0], vec![&pair[1]]);
        }
        assert_eq!(find_circle(&graph), None);
        graph.insert(&names[names.len() - 1], vec![&names[0]]);
        assert!(find_circle(&graph).is_some());
    }
}
