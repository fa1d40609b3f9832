//! `--explain`: the plan of one container as its knot would carry it out, without starting anything.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::lithos::config::{self, Master, ProcessEntry, ProcessKind, Processes, Sandbox};
use crate::lithos::instance::{Instance, InstanceName};
use crate::lithos::knot::load;
use crate::lithos::policy;

/// Stands for the process id in the name of a command's container.
const COMMAND_PID: u32 = 0;

/// The plan of `SB/PROC` or `SB/PROC.N`, one line for each decision. `alternate` is the processes file in place of the
/// sandbox's own. Errors: one line that names the file or the container.
pub fn explain(master_path: &Path, name: &str, alternate: Option<&PathBuf>) -> Result<String, String> {
    let master: Master = config::read(master_path).map_err(|e| e.to_string())?;
    let (sandbox_name, rest) = name
        .split_once('/')
        .ok_or_else(|| format!("--explain {name:?}: should be SANDBOX/PROCESS or SANDBOX/PROCESS.NUMBER"))?;
    let file = master
        .sandboxes_dir(master_path)
        .join(format!("{sandbox_name}.yaml"));
    let sandbox: Sandbox = config::read(&file).map_err(|e| e.to_string())?;
    let path = match alternate {
        Some(path) => path.clone(),
        None => sandbox.processes_file(sandbox_name, &master, master_path),
    };
    let processes: Processes = config::read(&path).map_err(|e| e.to_string())?;
    let (process, entry, index) = find(&processes, rest).ok_or_else(|| {
        let all: Vec<&str> = processes.keys().map(String::as_str).collect();
        let all = all.join(", ");
        format!(
            "--explain {name:?}: {} has no such process; it has {all}",
            path.display()
        )
    })?;
    let instance_name = match entry.kind {
        ProcessKind::Daemon => InstanceName::daemon(sandbox_name, process, index),
        ProcessKind::Command => InstanceName::command(sandbox_name, process, COMMAND_PID),
    };
    let instance = Instance::of(entry, index);
    let loaded = load::load(master_path, &instance_name.to_string(), &instance.to_json())
        .map_err(|e| format!("{instance_name}: {e}"))?;
    let design = loaded
        .design(&[], None)
        .map_err(|e| format!("{instance_name}: {e}"))?;
    Ok(format!("{design}{}", around(&loaded, &instance_name, entry)))
}

/// The entry that a name means, and the number of the instance: `web.1` is instance 1 of `web`, unless there is an
/// entry of that very name.
fn find<'a>(processes: &'a Processes, name: &str) -> Option<(&'a str, &'a ProcessEntry, u32)> {
    if let Some((key, entry)) = processes.get_key_value(name) {
        return Some((key, entry, 0));
    }
    let (process, number) = name.rsplit_once('.')?;
    let (key, entry) = processes.get_key_value(process)?;
    Some((key, entry, number.parse().ok()?))
}

/// What is decided outside of the container.
fn around(loaded: &load::Loaded, name: &InstanceName, entry: &ProcessEntry) -> String {
    let (master, container) = (&loaded.master, &loaded.container);
    let mut text = format!(
        "image {} config {}\nlog {}\nstate {}\n",
        loaded.instance.image,
        loaded.instance.config,
        loaded.output_log().display(),
        master.state_dir().join(name.to_string()).display(),
    );
    // Writing to a text cannot fail.
    let _ = match &master.cgroup_name {
        Some(slice) => writeln!(text, "control group {slice}/{}", name.scope()),
        None => writeln!(text, "control group none"),
    };
    let _ = match entry.kind {
        ProcessKind::Daemon => writeln!(
            text,
            "instances {} restart-timeout {}s",
            entry.instances, container.restart_timeout
        ),
        ProcessKind::Command => writeln!(text, "run by lithos_cmd {} {}", name.sandbox, name.process),
    };
    let names: Vec<&str> = container.secret_environ.keys().map(String::as_str).collect();
    if !names.is_empty() {
        let _ = writeln!(text, "secret environ {}", names.join(" "));
    }
    for name in container.secret_files.keys() {
        let _ = writeln!(text, "secret file {}/{name} ro mode=400", policy::SECRETS_DIR);
    }
    text
}
