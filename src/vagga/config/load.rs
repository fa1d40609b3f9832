//! Reads the configuration of a project: main file, local files and mixins, by rank.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::lookup::{self, Found};
use super::schema::CONFIG;
use super::{cross, salvage, settings_files, version, Config};
use crate::config::document::plain_relative;
use crate::config::problem::{Problem, Problems, Stage};
use crate::config::Document;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::project::Project;

/// Most files that mixins may add.
const MAX_MIXINS: usize = 200;

/// The file that each command and each container comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// Command name → file.
    pub commands: BTreeMap<String, PathBuf>,
    /// Container name → file.
    pub containers: BTreeMap<String, PathBuf>,
}

/// Finds the project of `cwd` (absolute) and reads its configuration and the settings. `env` looks up variables
/// of the environment. Warnings go to the log.
///
/// Errors: exit 126 with all problems of the first file that has any.
pub fn load_project(cwd: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Project, Failure> {
    let found = lookup::find(cwd)?;
    let (config, origins) = read_all(&found)?;
    cross::check(&config)?;
    let settings = settings_files::read(&found.root, env)?;
    let work_dir = cwd
        .strip_prefix(&found.root)
        .unwrap_or(Path::new(""))
        .to_path_buf();
    Ok(Project {
        root: found.root,
        work_dir,
        config,
        origins,
        settings,
    })
}

/// Reads one configuration file by itself, mixins aside. Used for files that builds generate.
pub fn load_file(path: &Path) -> Result<Config, Problems> {
    let mut document = Document::read(path);
    let demanded = document
        .scalar("minimum_vagga")
        .map(|(v, place)| (v.to_string(), place));
    if let Some((wanted, place)) = demanded {
        if version::compare(&wanted, version::OWN).is_gt() {
            let text = format!("Please upgrade vagga to at least {wanted:?}");
            let mut problem = Problem::new(Stage::Version, place, text);
            problem.excerpt = false;
            document.add_problem(problem);
        }
    }
    document.decode(&CONFIG)
}

/// The failure for problems of a file: one after the other, then an empty line.
pub fn failure(problems: &Problems) -> Failure {
    Failure::new(exit::CONFIG, format!("{problems}\n"))
}

fn read_all(found: &Found) -> Result<(Config, Origins), Failure> {
    let reading = read_files(found, false);
    for Unread { path, problems } in reading.unread {
        if found.main.as_ref() == Some(&path) {
            return Err(failure(&problems));
        }
        log::warn!("Skipping mixin {}: {problems}", path.display());
    }
    for text in &reading.refused {
        log::warn!("{text}");
    }
    Ok((reading.config, reading.origins))
}

/// A file with problems.
#[derive(Debug)]
pub struct Unread {
    /// The file.
    pub path: PathBuf,
    /// All its problems; only the demanded version if that is one of them.
    pub problems: Problems,
}

/// All files of a configuration.
#[derive(Debug, Default)]
pub struct Reading {
    /// What the files say together.
    pub config: Config,
    /// Which file says it.
    pub origins: Origins,
    /// Files that are not part of it.
    pub unread: Vec<Unread>,
    /// Mixins that were not even tried, and why.
    pub refused: Vec<String>,
}

/// Reads all files by rank, whatever is wrong with some of them. With `salvage` the sound commands and containers of
/// the others are taken over, and for the rest something that refers to nothing stands in, so that all names are known.
pub fn read_files(found: &Found, salvage: bool) -> Reading {
    let mut merge = Merge {
        salvage,
        ..Merge::default()
    };
    for path in &found.local {
        if merge.visited.insert(path.clone()) {
            merge.mixin(path);
        }
    }
    if let Some(path) = &found.main {
        merge.visited.insert(path.clone());
        match load_file(path) {
            Ok(config) => {
                merge.announce_overrides(&config, &found.local);
                let all = &mut merge.reading.config;
                all.minimum_vagga.clone_from(&config.minimum_vagga);
                all.mixins.clone_from(&config.mixins);
                merge.add(path, config);
            }
            Err(problems) => merge.unread(path, problems),
        }
    }
    merge.reading
}

/// What has been read so far; names once taken stay.
#[derive(Default)]
struct Merge {
    reading: Reading,
    visited: BTreeSet<PathBuf>,
    salvage: bool,
}

impl Merge {
    /// Adds a file, then the mixins that it names, the last one first, each with its own mixins.
    fn add(&mut self, path: &Path, config: Config) {
        let Reading {
            config: all, origins, ..
        } = &mut self.reading;
        for (name, command) in config.commands {
            if let Entry::Vacant(free) = all.commands.entry(name) {
                origins.commands.insert(free.key().clone(), path.to_path_buf());
                free.insert(command);
            }
        }
        for (name, container) in config.containers {
            if let Entry::Vacant(free) = all.containers.entry(name) {
                origins.containers.insert(free.key().clone(), path.to_path_buf());
                free.insert(container);
            }
        }
        let base = path.parent().unwrap_or(Path::new("/"));
        for mixin in config.mixins.iter().rev() {
            let Some(relative) = plain_relative(mixin) else {
                self.reading.refused.push(format!(
                    "Skipping mixin {mixin:?} of {}: Only relative paths without parent directories are allowed",
                    path.display()
                ));
                continue;
            };
            let file = base.join(relative);
            // A file that was read already has a higher rank there and can add nothing here. This also ends
            // circles.
            if self.visited.insert(file.clone()) {
                self.mixin(&file);
            }
        }
    }

    fn mixin(&mut self, path: &Path) {
        if self.visited.len() > MAX_MIXINS {
            let text = format!("Skipping mixin {}: more than {MAX_MIXINS} files", path.display());
            self.reading.refused.push(text);
            return;
        }
        match load_file(path) {
            Ok(config) => self.add(path, config),
            Err(mut problems) => {
                if problems.list.iter().any(|p| p.stage == Stage::Version) {
                    problems.list.retain(|p| p.stage == Stage::Version);
                }
                self.unread(path, problems);
            }
        }
    }

    fn unread(&mut self, path: &Path, problems: Problems) {
        let path = path.to_path_buf();
        if self.salvage {
            let config = salvage::config(&path);
            self.add(&path, config);
        }
        self.reading.unread.push(Unread { path, problems });
    }

    fn announce_overrides(&self, main: &Config, local: &[PathBuf]) {
        let commands = main
            .commands
            .keys()
            .filter_map(|name| Some((name, self.reading.origins.commands.get(name)?)));
        let containers = main.containers.keys();
        let containers =
            containers.filter_map(|name| Some((name, self.reading.origins.containers.get(name)?)));
        for (name, file) in commands.chain(containers) {
            if !local.is_empty() {
                log::info!("{} overrides {name:?}", file.display());
            }
        }
    }
}
