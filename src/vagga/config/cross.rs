//! Checks across the parts of a configuration: what refers to what. Pure; the file system is not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::step::{Step, SubConfigSource};
use super::{children, CommandInfo, Config, Container, MainCommand, SuperviseInfo, Volume};
use crate::vagga::failure::{exit, Failure};

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration is refused.
    Refused,
    /// Fails when it is used.
    Fails,
    /// Does nothing, or probably not what was meant.
    Doubtful,
}

/// Something wrong across parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it means.
    pub severity: Severity,
    /// Keys from the top of the configuration to the value; elements of sequences by number.
    pub path: Vec<String>,
    /// One line that names the owner of the value too.
    pub text: String,
}

/// Keys on the way to a value.
#[derive(Debug, Clone)]
pub struct Trail(Vec<String>);

impl Trail {
    /// The way to a command or container.
    pub fn of(section: &str, name: &str) -> Trail {
        Trail(vec![section.into(), name.into()])
    }

    /// One step further.
    pub fn to(&self, step: impl ToString) -> Trail {
        let mut steps = self.0.clone();
        steps.push(step.to_string());
        Trail(steps)
    }

    /// A finding at the end of the way.
    pub fn finding(self, severity: Severity, text: String) -> Finding {
        Finding {
            severity,
            path: self.0,
            text,
        }
    }
}

/// Refuses builds from unknown containers, circles, and groups that contradict themselves; warns about the rest.
///
/// Errors: exit 126; the message about a circle is exactly `Container "NAME" has cyclic dependency`.
pub fn check(config: &Config) -> Result<(), Failure> {
    for finding in findings(config) {
        match finding.severity {
            Severity::Refused => return Err(Failure::new(exit::CONFIG, finding.text)),
            _ => log::warn!("{}", finding.text),
        }
    }
    Ok(())
}

/// Everything wrong across the parts, the worst first.
pub fn findings(config: &Config) -> Vec<Finding> {
    let mut list = build_findings(config);
    for (name, command) in &config.commands {
        command_findings(config, name, command, &mut list);
    }
    for (name, container) in &config.containers {
        let trail = Trail::of("containers", name);
        let whose = format!("container {name:?}");
        volume_findings(config, &trail, &whose, &container.volumes, &mut list);
    }
    alias_findings(config, &mut list);
    list.sort_by_key(|finding| finding.severity);
    list
}

/// Unknown bases, then circles.
fn build_findings(config: &Config) -> Vec<Finding> {
    let mut list = Vec::new();
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, container) in &config.containers {
        let bases = graph.entry(name).or_default();
        for (step, base) in numbered_references(container) {
            if config.containers.contains_key(base) {
                bases.push(base);
                continue;
            }
            let text = format!("Container {base:?} referenced from {name:?} is not found");
            let trail = Trail::of("containers", name).to("setup").to(step);
            list.push(trail.finding(Severity::Refused, text));
        }
    }
    while let Some(name) = find_circle(&graph) {
        let text = format!("Container {name:?} has cyclic dependency");
        list.push(Trail::of("containers", name).finding(Severity::Refused, text));
        // Further circles may go elsewhere.
        graph.remove(name);
    }
    list
}

/// Containers that have to exist before the build of this one.
pub fn build_references(container: &Container) -> impl Iterator<Item = &str> {
    numbered_references(container).map(|(_, name)| name)
}

/// The same with the number of the step that names it.
fn numbered_references(container: &Container) -> impl Iterator<Item = (usize, &str)> {
    container
        .setup
        .iter()
        .enumerate()
        .filter_map(|(n, step)| match step {
            Step::Container(name) => Some((n, name.as_str())),
            Step::Build(build) => Some((n, build.container.as_str())),
            Step::SubConfig(sub) => match &sub.source {
                SubConfigSource::Container(name) => Some((n, name.as_str())),
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

fn command_findings(config: &Config, name: &str, command: &MainCommand, list: &mut Vec<Finding>) {
    let trail = Trail::of("commands", name);
    let whose = format!("command {name:?}");
    prerequisite_findings(config, &trail, &whose, &command.common().prerequisites, list);
    match command {
        MainCommand::Command(info) => info_findings(config, &trail, &whose, info, list),
        MainCommand::Supervise(group) => group_findings(config, &trail, &whose, group, list),
        MainCommand::CapsuleCommand(_) => {}
    }
}

fn group_findings(
    config: &Config,
    trail: &Trail,
    whose: &str,
    group: &SuperviseInfo,
    list: &mut Vec<Finding>,
) {
    for fault in children::faults(group) {
        let at = trail.to("children").to(&fault.child).to(fault.key);
        let text = format!(
            "`{}` of child {:?} of {whose}: {}",
            fault.key, fault.child, fault.text
        );
        list.push(at.finding(Severity::Refused, text));
    }
    if group.common.pass_tcp_socket.is_some() {
        let text = format!("`pass-tcp-socket` of {whose} has no effect on !Supervise, set it on a child");
        list.push(trail.to("pass_tcp_socket").finding(Severity::Doubtful, text));
    }
    for (child, info) in &group.children {
        let trail = trail.to("children").to(child);
        let whose = format!("child {child:?} of {whose}");
        let info = info.info();
        prerequisite_findings(config, &trail, &whose, &info.common.prerequisites, list);
        info_findings(config, &trail, &whose, info, list);
    }
}

fn prerequisite_findings(
    config: &Config,
    trail: &Trail,
    whose: &str,
    names: &[String],
    list: &mut Vec<Finding>,
) {
    let is_alias = |name: &String| {
        config
            .commands
            .values()
            .any(|c| c.common().aliases.contains(name))
    };
    for (n, missing) in names.iter().enumerate() {
        if !config.commands.contains_key(missing) && !is_alias(missing) {
            let text = format!("prerequisite {missing:?} of {whose} is not defined");
            list.push(trail.to("prerequisites").to(n).finding(Severity::Fails, text));
        }
    }
}

fn info_findings(config: &Config, trail: &Trail, whose: &str, info: &CommandInfo, list: &mut Vec<Finding>) {
    if !config.containers.contains_key(&info.container) {
        let text = format!("container {:?} of {whose} is not defined", info.container);
        list.push(trail.to("container").finding(Severity::Fails, text));
    }
    volume_findings(config, trail, whose, &info.volumes, list);
}

fn volume_findings(
    config: &Config,
    trail: &Trail,
    whose: &str,
    volumes: &BTreeMap<PathBuf, Volume>,
    list: &mut Vec<Finding>,
) {
    for (path, volume) in volumes {
        let mut fails = |text| {
            let at = trail.to("volumes").to(path.display());
            list.push(at.finding(Severity::Fails, text));
        };
        let container = container_of(volume);
        if let Some(name) = container.filter(|name| !config.containers.contains_key(*name)) {
            fails(format!(
                "container {name:?} of a volume of {whose} is not defined"
            ));
        }
        let init = match volume {
            Volume::Persistent(persistent) => persistent.init_command.as_ref(),
            _ => None,
        };
        if let Some(name) = init.filter(|name| !config.commands.contains_key(*name)) {
            fails(format!(
                "init command {name:?} of a volume of {whose} is not defined"
            ));
        }
    }
}

/// The container that a volume shows.
pub fn container_of(volume: &Volume) -> Option<&String> {
    match volume {
        Volume::Container(name) => Some(name),
        Volume::Snapshot(snapshot) => snapshot.container.as_ref(),
        _ => None,
    }
}

fn alias_findings(config: &Config, list: &mut Vec<Finding>) {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, command) in &config.commands {
        for (n, alias) in command.common().aliases.iter().enumerate() {
            match taken.get(alias.as_str()) {
                Some(first) if *first != name.as_str() => {
                    let text = format!("alias {alias:?} of command {name:?} belongs to {first:?} already");
                    let at = Trail::of("commands", name).to("aliases").to(n);
                    list.push(at.finding(Severity::Doubtful, text));
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
