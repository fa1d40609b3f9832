//! `_to_lithos`: what runs in development becomes what lithos runs: an image directory with the configuration of its
//! processes in it, and the files that a machine needs beside it.
//!
//! ```text
//! DIR/images/NAME.HASH/          the image, owners as in the container's map; /config/PROCESS.yaml for each process
//! DIR/sandboxes/NAME.yaml        what it may do on the machine: ids, ports, paths
//! DIR/processes/NAME.yaml        what runs
//! ```
//!
//! Nothing that exists is overwritten; an export that fails leaves nothing.

mod translate;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use translate::{translate, Input, Kind, Output, Process, CONFIG_DIR};

use super::build::{self, metadata, Image};
use super::cli::globals::BuildMode;
use super::config::command::CommandInfo;
use super::config::{ChildCommand, Container, MainCommand};
use super::failure::{exit, Failure};
use super::ids::{self, IdMaps};
use super::project::Project;
use super::run::environ::DEFAULT_PATH;
use super::run::environ_file;
use super::run::program::Program;
use super::storage::Storage;
use crate::sys::fs::{copy_tree, remove_tree, CopyOptions};
use crate::sys::path::Root;
use crate::sys::process::Status;

/// Largest `environ-file`, in bytes.
const MAX_ENVIRON: u64 = 1 << 20;
/// Most bytes of a process's name, as lithos has it.
const LONGEST_NAME: usize = 100;

/// Builds the container if need be and writes the export into the new directory `dir`. `chosen`: names of processes,
/// none for all. Returns what is not the same in production, one line each.
///
/// Errors: exit 121, with the file or the process.
pub fn export(
    project: &Project,
    storage: &Storage,
    name: &str,
    chosen: &[String],
    dir: &Path,
    mode: BuildMode,
) -> Result<Vec<String>, Failure> {
    let container = project
        .config
        .containers
        .get(name)
        .ok_or_else(|| fail(format!("Container {name:?} not found")))?;
    if fs::symlink_metadata(dir).is_ok() {
        return Err(
            fail(format!("{} exists already", dir.display())).with_hint("name another directory with -o")
        );
    }
    let commands = processes_of(project, name, chosen)?;
    let image = build::ensure(project, storage, name, mode, false)?;
    let _held = storage.use_image(&image);
    let ids = ids::maps_for(&container.uids, &container.gids)?;
    let image_name = image
        .dir
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let root = Root::open(image.root()).map_err(|e| fail(format!("{:?}: {e}", image.root())))?;
    let environ = base_environ(&image, &root, container)?;
    let mut processes = Vec::new();
    for (process, kind, info) in commands {
        let argv = argv(&process, container, info, &environ, &root)?;
        processes.push(Process {
            name: process,
            kind,
            info,
            argv,
        });
    }
    let mut output = translate(&Input {
        name,
        image: &image_name,
        container,
        environ,
        ids: &ids,
        processes,
    });
    write(dir, name, &image, &image_name, &output, &ids)?;
    if chosen.is_empty() {
        output.notes.extend(left_out(project, name));
    }
    Ok(output.notes)
}

type Found<'a> = (String, Kind, &'a CommandInfo);

/// All commands of the container: commands by name, children of groups as `GROUP-CHILD`.
fn processes_of<'a>(project: &'a Project, name: &str, chosen: &[String]) -> Result<Vec<Found<'a>>, Failure> {
    let mut all: Vec<Found> = Vec::new();
    for (command, what) in &project.config.commands {
        match what {
            MainCommand::Command(info) => all.push((command.clone(), Kind::Command, info)),
            MainCommand::Supervise(group) => {
                all.extend(group.children.iter().filter_map(|(child, what)| match what {
                    ChildCommand::Command(info) => Some((format!("{command}-{child}"), Kind::Daemon, info)),
                    ChildCommand::BridgeCommand(_) => None,
                }))
            }
            MainCommand::CapsuleCommand(_) => {}
        }
    }
    all.retain(|(_, _, info)| info.container == name);
    if let Some(missing) = chosen.iter().find(|c| all.iter().all(|(n, _, _)| n != *c)) {
        let names: Vec<&str> = all.iter().map(|(n, _, _)| n.as_str()).collect();
        return Err(fail(format!("Container {name:?} has no process {missing:?}"))
            .with_hint(format!("its processes are: {}", names.join(", "))));
    }
    all.retain(|(n, _, _)| chosen.is_empty() || chosen.contains(n));
    check_names(&all)?;
    match all.is_empty() {
        true => Err(fail(format!(
            "No command runs in container {name:?}: there is nothing to export"
        ))),
        false => Ok(all),
    }
}

/// Files are named after processes, and lithos keeps `cmd.` for itself.
fn check_names(all: &[Found]) -> Result<(), Failure> {
    let mut taken = BTreeSet::new();
    for (name, _, _) in all {
        let fits = name.len() <= LONGEST_NAME && !name.contains(|c: char| c == '/' || c.is_control());
        if !fits || matches!(name.as_str(), "" | "." | "..") || name.starts_with("cmd.") {
            let why = format!("{name:?} cannot be the name of a process of lithos");
            return Err(fail(why).with_hint(format!(
                "rename it: at most {LONGEST_NAME} bytes, without `/`, not beginning with `cmd.`; or name the processes you want"
            )));
        }
        if !taken.insert(name) {
            return Err(
                fail(format!("two processes would be called {name:?}")).with_hint("rename one of them")
            );
        }
    }
    Ok(())
}

/// Children in the container that are nothing in production.
fn left_out<'a>(project: &'a Project, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let groups = project
        .config
        .commands
        .iter()
        .filter_map(|(command, what)| match what {
            MainCommand::Supervise(group) => Some((command, group)),
            _ => None,
        });
    groups.flat_map(move |(command, group)| {
        group.children.iter().filter_map(move |(child, what)| match what {
            ChildCommand::BridgeCommand(info) if info.container == name => Some(format!(
                "{command}-{child}: a !BridgeCommand has no counterpart: it is left out"
            )),
            _ => None,
        })
    })
}

/// Variables weaker than those of the configuration.
fn base_environ(
    image: &Image,
    root: &Root,
    container: &Container,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut environ = BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    let of_image = metadata::read_environ(&image.dir).map_err(|e| fail(format!("{:?}: {e}", image.dir)))?;
    environ.extend(of_image);
    if let Some(path) = &container.environ_file {
        let about = |why: &dyn std::fmt::Display| fail(format!("environ-file {}: {why}", path.display()));
        let mut text = Vec::new();
        root.open_read(path)
            .and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, MAX_ENVIRON), &mut text))
            .map_err(|e| about(&e))?;
        let found =
            environ_file::parse(&text).map_err(|(line, why)| about(&format!("line {line}: {why}")))?;
        for (name, value) in found {
            environ.insert(utf8(name)?, utf8(value)?);
        }
    }
    Ok(environ)
}

fn utf8(text: OsString) -> Result<String, Failure> {
    text.into_string().map_err(|text| {
        fail(format!(
            "{text:?} is not UTF-8, which configurations of lithos are"
        ))
    })
}

/// The command line with the absolute path of the program: lithos does not search.
fn argv(
    process: &str,
    container: &Container,
    info: &CommandInfo,
    environ: &BTreeMap<String, String>,
    root: &Root,
) -> Result<Vec<String>, Failure> {
    let program = Program::new(&info.run, &container.default_shell, &[]);
    let mut argv: Vec<String> = program.argv.into_iter().map(utf8).collect::<Result<_, _>>()?;
    let variable = |name: &str| {
        let layers = [&info.environ, &container.environ, environ];
        layers.iter().find_map(|layer| layer.get(name).cloned())
    };
    if let Some(name) = argv.first_mut().filter(|_| program.search) {
        let path = variable("PATH").unwrap_or_default();
        let found = path
            .split(':')
            .filter(|dir| dir.starts_with('/'))
            .find_map(|dir| {
                let candidate = Path::new(dir).join(&*name);
                root.stat(&candidate)
                    .is_ok_and(|s| s.mode & 0o111 != 0)
                    .then_some(candidate)
            });
        *name = found
            .ok_or_else(|| fail(format!("{process}: {name:?} is not found in the image ({path})")))?
            .display()
            .to_string();
    }
    Ok(argv)
}

fn write(
    dir: &Path,
    name: &str,
    image: &Image,
    image_name: &str,
    output: &Output,
    ids: &IdMaps,
) -> Result<(), Failure> {
    let unfinished = unfinished(dir);
    let result = write_into(&unfinished, name, image, image_name, output, ids)
        .and_then(|()| fs::rename(&unfinished, dir).map_err(|e| fail(format!("{}: {e}", dir.display()))));
    if result.is_err() {
        let _ = super::clean::remove_trees(std::slice::from_ref(&unfinished));
        let _ = remove_tree(&unfinished);
    }
    result
}

/// Where the export grows.
fn unfinished(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!(".tmp.{name}.{}", std::process::id()))
}

fn write_into(
    dir: &Path,
    name: &str,
    image: &Image,
    image_name: &str,
    output: &Output,
    ids: &IdMaps,
) -> Result<(), Failure> {
    let about = |path: &Path, e: io::Error| fail(format!("{}: {e}", path.display()));
    let target = dir.join("images").join(image_name);
    for sub in [target.as_path(), &dir.join("sandboxes"), &dir.join("processes")] {
        fs::create_dir_all(sub).map_err(|e| about(sub, e))?;
    }
    for (sub, text) in [("sandboxes", &output.sandbox), ("processes", &output.processes)] {
        let path = dir.join(sub).join(format!("{name}.yaml"));
        fs::write(&path, text).map_err(|e| about(&path, e))?;
    }
    let status = build::sandbox::run(ids, || match fill(image, &target, output) {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("{}: {e}", target.display());
            1
        }
    })?;
    match status {
        Status::Exited(0) => Ok(()),
        _ => Err(fail(format!(
            "the image of container {name:?} could not be copied"
        ))),
    }
}

/// As user 0 of the container: the image with its configurations and mount points.
fn fill(image: &Image, target: &Path, output: &Output) -> io::Result<()> {
    let (from, to) = (Root::open(image.root())?, Root::open(target)?);
    let options = CopyOptions {
        take_over_directories: true,
        tolerate_owner: true,
        ..CopyOptions::default()
    };
    copy_tree(&from, "/", &to, "/", &options)?;
    to.mkdir_all(CONFIG_DIR, 0o755)?;
    for (process, text) in &output.configs {
        let path = Path::new(CONFIG_DIR).join(format!("{process}.yaml"));
        if to.exists(&path) {
            return Err(io::Error::other(format!(
                "the image has a file {} already",
                path.display()
            )));
        }
        to.create_new(&path, 0o644)?.write_all(text.as_bytes())?;
    }
    for path in &output.mount_points {
        to.mkdir_all(path, 0o755)?;
    }
    Ok(())
}

fn fail(message: String) -> Failure {
    Failure::new(exit::LAUNCHER, message)
}
