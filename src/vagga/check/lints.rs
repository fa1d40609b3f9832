//! What is allowed and still probably a mistake: parts that nothing uses, files that are not there, `options` texts
//! that cannot be read. Looks at names in the project directory, opens nothing.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use crate::vagga::cli::arguments;
use crate::vagga::config::cross::{build_references, container_of, Finding, Severity, Trail};
use crate::vagga::config::step::SubConfigSource;
use crate::vagga::config::{CommandInfo, Config, MainCommand, Step, Volume};

/// All of them. `complete`: this is the whole configuration, so that what nothing refers to is not used.
pub fn findings(config: &Config, root: &Path, complete: bool) -> Vec<Finding> {
    let mut list = Vec::new();
    for (name, command) in &config.commands {
        command_findings(config, name, command, &mut list);
    }
    missing_files(config, root, &mut list);
    if complete {
        unused(config, &mut list);
    }
    list
}

fn command_findings(config: &Config, name: &str, command: &MainCommand, list: &mut Vec<Finding>) {
    let trail = Trail::of("commands", name);
    if let Err(failure) = arguments::document(name, command) {
        list.push(trail.to("options").finding(Severity::Fails, failure.message));
    }
    for (n, alias) in command.common().aliases.iter().enumerate() {
        if config.commands.contains_key(alias) {
            let text = format!("alias {alias:?} of command {name:?} is the name of a command, which wins");
            list.push(trail.to("aliases").to(n).finding(Severity::Doubtful, text));
        }
    }
    if let MainCommand::Supervise(group) = command {
        if group.children.is_empty() {
            let text = format!("command {name:?} has no children");
            list.push(trail.to("children").finding(Severity::Fails, text));
        }
        for (child, info) in &group.children {
            let trail = trail.to("children").to(child);
            let whose = format!("child {child:?} of command {name:?}");
            child_findings(&trail, &whose, info.info(), list);
        }
    }
}

/// Keys of a command that belong to the whole group. Not said whenever the group runs: a child may be an alias of a command.
fn child_findings(trail: &Trail, whose: &str, info: &CommandInfo, list: &mut Vec<Finding>) {
    let set = [
        ("epilog", info.common.epilog.is_some()),
        ("options", info.common.options.is_some()),
        ("isolate_network", info.common.isolate_network),
        ("accepts_arguments", info.accepts_arguments == Some(true)),
    ];
    for (key, _) in set.iter().filter(|(_, set)| *set) {
        let text = format!(
            "`{}` of {whose} has no effect: it is a matter of the group",
            key.replace('_', "-")
        );
        list.push(trail.to(key).finding(Severity::Doubtful, text));
    }
}

/// Processes of all commands.
fn processes(config: &Config) -> impl Iterator<Item = &CommandInfo> {
    config.commands.values().flat_map(|command| match command {
        MainCommand::Command(info) => vec![info],
        MainCommand::Supervise(group) => group.children.values().map(|c| c.info()).collect(),
        MainCommand::CapsuleCommand(_) => Vec::new(),
    })
}

/// Volumes of all commands and containers.
fn volumes(config: &Config) -> impl Iterator<Item = &Volume> {
    let of_containers = config.containers.values().flat_map(|c| c.volumes.values());
    of_containers.chain(processes(config).flat_map(|info| info.volumes.values()))
}

fn unused(config: &Config, list: &mut Vec<Finding>) {
    let capsules = |c: &MainCommand| matches!(c, MainCommand::CapsuleCommand(_));
    let mut used: BTreeSet<&str> = processes(config).map(|info| info.container.as_str()).collect();
    used.extend(volumes(config).filter_map(container_of).map(String::as_str));
    used.extend(config.containers.values().flat_map(build_references));
    // Capsules name containers in scripts of their own.
    if !config.commands.values().any(capsules) {
        for name in config
            .containers
            .keys()
            .filter(|name| !used.contains(name.as_str()))
        {
            let text = format!("container {name:?} is used by no command, volume or container");
            list.push(Trail::of("containers", name).finding(Severity::Doubtful, text));
        }
    }
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    for command in config.commands.values() {
        wanted.extend(command.common().prerequisites.iter().map(String::as_str));
    }
    let of_children = processes(config).flat_map(|info| &info.common.prerequisites);
    wanted.extend(of_children.map(String::as_str));
    wanted.extend(volumes(config).filter_map(|volume| match volume {
        Volume::Persistent(persistent) => persistent.init_command.as_deref(),
        _ => None,
    }));
    for (name, command) in &config.commands {
        let common = command.common();
        let visible = !name.starts_with('_') || !common.aliases.is_empty() || common.symlink_name.is_some();
        if !visible && !wanted.contains(name.as_str()) {
            let text = format!("command {name:?} is not listed, and nothing refers to it");
            list.push(Trail::of("commands", name).finding(Severity::Doubtful, text));
        }
    }
}

fn missing_files(config: &Config, root: &Path, list: &mut Vec<Finding>) {
    for (name, container) in &config.containers {
        for (n, step) in container.setup.iter().enumerate() {
            let Some(path) = project_file(step) else {
                continue;
            };
            // What leads outside of the project is the business of the step.
            let plain = path
                .components()
                .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
            if plain && root.join(&path).symlink_metadata().is_err() {
                let text = format!(
                    "!{} of container {name:?}: {path:?} is not there (yet?)",
                    step.name()
                );
                let at = Trail::of("containers", name).to("setup").to(n);
                list.push(at.finding(Severity::Doubtful, text));
            }
        }
    }
}

/// The file or directory of the project that a step reads.
fn project_file(step: &Step) -> Option<std::path::PathBuf> {
    let local = |url: &str| url.starts_with("./").then(|| url.into());
    match step {
        Step::Copy(copy) => copy.source.strip_prefix("/work").ok().map(Path::to_path_buf),
        Step::Depends(depends) => Some(depends.path.clone()),
        Step::Py2Requirements(path) | Step::Py3Requirements(path) => Some(path.clone()),
        Step::NpmDependencies(npm) => Some(npm.file.clone()),
        Step::GemBundle(gem) => Some(gem.gemfile.clone()),
        Step::YarnDependencies(yarn) => Some(yarn.dir.join("package.json")),
        Step::Tar(tar) => local(&tar.url),
        Step::TarInstall(tar) => local(&tar.url),
        Step::Unzip(zip) => local(&zip.url),
        Step::Download(download) => local(&download.url),
        Step::SubConfig(sub) if sub.source == SubConfigSource::Directory => Some(sub.path.clone()),
        _ => None,
    }
}
