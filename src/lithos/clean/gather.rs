//! Collects what is in use from configurations, histories or lists, records of the tree, and processes that run.

use std::io;
use std::path::{Path, PathBuf};

use serde_derive::Deserialize;

use super::area::{normal, Area};
use super::retention::{self, Rules};
use crate::cli::output::complain;
use crate::lithos::config::{self, Master, Processes, Sandbox};
use crate::lithos::sandboxes::{self, SandboxFile};
use crate::lithos::{history, running};
use crate::sys::calendar;

/// The part of an instance that matters here.
#[derive(Deserialize)]
struct Instance {
    image: String,
}

/// The part of a record of the tree that matters here: the instance as JSON in a string.
#[derive(Deserialize)]
struct Record {
    instance: String,
}

/// Everything the machine has.
struct Host<'a> {
    master: Master,
    path: &'a Path,
    rules: &'a Rules,
    /// Sandbox and instance of every container that runs, commands too.
    running: Vec<(String, String)>,
}

/// All image directories.
///
/// Errors: a configuration file cannot be used; then nothing may be deleted anywhere.
pub fn areas(path: &Path, rules: &Rules) -> Result<Vec<Area>, String> {
    let path = std::path::absolute(path).map_err(|e| format!("{path:?}: {e}"))?;
    let master: Master = config::read(&path).map_err(|e| e.to_string())?;
    let dir = master.sandboxes_dir(&path);
    let files = sandboxes::list(&dir).map_err(|e| format!("Can't list {dir:?}: {e}"))?;
    let snapshot = running::scan(Path::new("/proc")).map_err(|e| format!("Can't read /proc: {e}"))?;
    let host = Host {
        master,
        path: &path,
        rules,
        running: running::instances(&snapshot),
    };
    let mut areas: Vec<Area> = Vec::new();
    for file in &files {
        let sandbox: Sandbox = config::read(&file.path).map_err(|e| e.to_string())?;
        host.add(area_of(&mut areas, &sandbox), file, &sandbox)?;
    }
    Ok(areas)
}

/// Two spellings of a directory are one.
fn area_of<'a>(areas: &'a mut Vec<Area>, sandbox: &Sandbox) -> &'a mut Area {
    let dir = sandbox
        .image_dir
        .canonicalize()
        .unwrap_or(sandbox.image_dir.clone());
    let at = areas.iter().position(|a| a.dir == dir).unwrap_or_else(|| {
        areas.push(Area {
            dir,
            levels: sandbox.image_dir_levels,
            ..Area::default()
        });
        areas.len() - 1
    });
    &mut areas[at]
}

impl Host<'_> {
    /// Adds what a sandbox uses to its area.
    fn add(&self, area: &mut Area, file: &SandboxFile, sandbox: &Sandbox) -> Result<(), String> {
        area.auto_clean.insert(sandbox.auto_clean);
        area.all_levels.insert(sandbox.image_dir_levels);
        let processes = sandbox.processes_file(&file.name, &self.master, self.path);
        match processes.try_exists() {
            Ok(false) => area.trouble.push(format!("{processes:?} does not exist")),
            _ => {
                let processes: Processes = config::read(&processes).map_err(|e| e.to_string())?;
                processes.values().for_each(|entry| area.add(&entry.image));
            }
        }
        match &sandbox.used_images_list {
            Some(list) => add_list(area, list),
            None => self.add_history(area, &file.name),
        }
        self.add_running(area, &file.name);
        self.add_records(area, &file.name);
        Ok(())
    }

    fn add_history(&self, area: &mut Area, name: &str) {
        let Some(dir) = &self.master.config_log_dir else {
            let why = format!("sandbox {name} has neither a history (config-log-dir) nor a used-images-list");
            return area.trouble.push(why);
        };
        let history = match history::read(dir, name) {
            Ok(history) if history.files.is_empty() => {
                let why = format!("sandbox {name} has neither a history in {dir:?} nor a used-images-list");
                return area.trouble.push(why);
            }
            Ok(history) => history,
            Err(e) => return area.trouble.push(format!("history in {dir:?}: {e}")),
        };
        match retention::select(&history, self.rules, calendar::now()) {
            Ok(kept) => {
                kept.images.iter().for_each(|image| area.add(image));
                let unneeded = history.files.iter().filter(|n| **n > kept.oldest_file);
                area.unneeded_logs
                    .extend(unneeded.map(|n| dir.join(format!("{name}.log.{n}"))));
            }
            Err((0, line)) => area.trouble.push(format!(
                "{:?}: line {line} is damaged",
                dir.join(format!("{name}.log"))
            )),
            Err((n, line)) => {
                let file = dir.join(format!("{name}.log.{n}"));
                area.trouble.push(format!("{file:?}: line {line} is damaged"));
            }
        }
    }

    fn add_running(&self, area: &mut Area, name: &str) {
        for (_, instance) in self.running.iter().filter(|(sandbox, _)| sandbox == name) {
            add_instance(
                area,
                instance,
                &format!("a container of sandbox {name} that runs"),
            );
        }
    }

    /// Records of containers that run, see the runtime directory of the tree.
    fn add_records(&self, area: &mut Area, name: &str) {
        let dir = self.master.runtime_dir.join("knots").join(name);
        let records = match json_files(&dir) {
            Ok(records) => records,
            Err(e) => return area.trouble.push(format!("records in {dir:?}: {e}")),
        };
        for path in records {
            let text = match std::fs::read_to_string(&path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                text => text.map_err(|e| e.to_string()),
            };
            let record = text.and_then(|t| serde_json::from_str::<Record>(&t).map_err(|e| e.to_string()));
            match record {
                Ok(record) => add_instance(area, &record.instance, &format!("{path:?}")),
                Err(e) => area.trouble.push(format!("{path:?}: {e}")),
            }
        }
    }
}

fn add_instance(area: &mut Area, json: &str, of: &str) {
    match serde_json::from_str::<Instance>(json) {
        Ok(instance) => area.add(&instance.image),
        Err(e) => area
            .trouble
            .push(format!("{of}: its instance cannot be read: {e}")),
    }
}

/// One name a line; those that cannot be images are named on stderr.
fn add_list(area: &mut Area, list: &Path) {
    let text = match std::fs::read_to_string(list) {
        Ok(text) => text,
        Err(e) => return area.trouble.push(format!("used-images-list {list:?}: {e}")),
    };
    for name in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        match normal(Path::new(name)).components().count() == area.levels {
            true => area.add(name),
            false => complain(&format!(
                "{list:?}: {name:?} does not have {} components: ignored\n",
                area.levels
            )),
        }
    }
}

fn json_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries
        .map(|e| e.map(|e| e.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    let is_record = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    Ok(paths.into_iter().filter(is_record).collect())
}
