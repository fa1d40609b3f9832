//! Running commands: environment, volumes, wrapper process, signals, supervision.
//!
//! Decisions are pure and come first ([`environ`], [`volumes`], [`group`], [`pid1`]); [`process`] collects them,
//! [`launcher`] and [`wrapper`] execute them on both sides of the namespaces.

mod appearance;
pub mod background;
pub mod build_shell;
pub mod capsule;
pub mod chore;
pub mod environ;
pub mod environ_file;
pub mod group;
pub mod inotify;
pub mod isolated;
pub mod launcher;
pub mod link;
pub mod networked;
pub mod persistent;
pub mod pid1;
pub mod place;
pub mod prober;
pub mod process;
pub mod program;
pub mod socket;
mod status;
pub mod stored;
pub mod supervise;
pub mod terminal;
pub mod transient;
pub mod volumes;
pub mod wrapper;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::cli::globals::Globals;
use super::config::command::{CommandInfo, Common, Pid1Mode, Restart, Run, WriteMode};
use super::config::MainCommand;
use super::failure::{exit, Failure};
use super::project::Project;
use super::storage::Storage;
use crate::sys::process as system;

use background::Begun;
use group::{Group, Policy, Rules};
use launcher::{print, Launcher, Roster};
use place::{Inside, Place};
use process::{Context, Process};

/// Arguments of one user command, already checked by the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Words appended to the command line (empty when the command has `options`).
    pub words: Vec<String>,
    /// `VAGGAOPT_*` and `VAGGACLI_*` in order, when the command has `options`.
    pub variables: Vec<(String, String)>,
    /// `--only` of a supervise command.
    pub only: Vec<String>,
    /// `--exclude` of a supervise command.
    pub exclude: Vec<String>,
}

/// Runs one top-level command (`!Command` or `!Supervise`) whose containers are up to date.
/// Returns the status for the shell: the program's exit code, or 128 + signal. Prints the epilog.
pub fn command(project: &Project, globals: &Globals, name: &str, args: &Arguments) -> Result<u8, Failure> {
    attended(project, globals, name, args, None)
}

/// Starts a group of [services](background::is_services), whose containers are up to date; they are ready then.
pub fn services(
    project: &Project,
    globals: &Globals,
    name: &str,
    args: &Arguments,
) -> Result<Begun, Failure> {
    background::start(name, &mut |pipe| {
        attended(project, globals, name, args, Some(pipe))
    })
}

/// Runs a command; `on_ready` is told when all children of a group are ready.
fn attended(
    project: &Project,
    globals: &Globals,
    name: &str,
    args: &Arguments,
    on_ready: Option<OwnedFd>,
) -> Result<u8, Failure> {
    let command = project.config.commands.get(name).ok_or_else(|| {
        Failure::new(
            exit::LAUNCHER,
            format!("Command {name:?} not found and is not an alias"),
        )
    })?;
    let common = command.common();
    if let Some(limit) = common.expect_inotify_limit {
        inotify::check(limit, project.settings.auto_apply_sysctl);
    }
    let storage = Storage::open(project)?;
    let caller: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let context = Context {
        project,
        storage: &storage,
        globals,
        caller: &caller,
        command: Some(name),
        lookup: None,
    };
    process::check_external_volumes(project)?;
    let code = match command {
        MainCommand::Command(info) => {
            let process = context.process(info, &args.words, &args.variables)?;
            single(process, common, None)?
        }
        MainCommand::Supervise(info) => supervise::run(&context, name, info, args, on_ready)?,
        MainCommand::CapsuleCommand(info) => {
            let process = context.capsule(info, &args.words, &args.variables)?;
            single(process, common, None)?
        }
    };
    if let (0, Some(epilog)) = (code, &common.epilog) {
        print(&mut io::stdout(), epilog);
    }
    Ok(code)
}

/// `vagga _run [-W] CONTAINER COMMAND [ARG…]` in a container that is up to date; `inside` other namespaces if given.
pub fn in_container(
    project: &Project,
    globals: &Globals,
    container: &str,
    writable: bool,
    argv: &[String],
    inside: Option<&Inside>,
) -> Result<u8, Failure> {
    let storage = Storage::open(project)?;
    let caller: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let context = Context {
        project,
        storage: &storage,
        globals,
        caller: &caller,
        command: None,
        lookup: inside.and_then(|i| i.lookup.as_ref()),
    };
    process::check_external_volumes(project)?;
    let info = anonymous(container, writable, argv);
    let process = context.process(&info, &[], &[])?;
    single(process, &info.common, inside.map(|i| &i.place))
}

/// A command without any keys but `container`, `run` and `write-mode`.
fn anonymous(container: &str, writable: bool, argv: &[String]) -> CommandInfo {
    CommandInfo {
        common: Common::default(),
        container: container.to_string(),
        run: Run::Command(argv.to_vec()),
        work_dir: None,
        accepts_arguments: None,
        environ: BTreeMap::new(),
        volumes: BTreeMap::new(),
        write_mode: match writable {
            true => WriteMode::transient_hard_link_copy,
            false => WriteMode::read_only,
        },
        user_id: 0,
        external_user_id: None,
        group_id: 0,
        supplementary_gids: Vec::new(),
        pid1mode: Pid1Mode::wait,
        network: None,
        after: Vec::new(),
        ready: None,
        restart: Restart::never,
    }
}

/// Runs one process to its end.
fn single(mut process: Process, common: &Common, place: Option<&Place>) -> Result<u8, Failure> {
    let mut launcher = Launcher::new(process.transient.is_some(), None)?;
    let mut group = Group::new(Policy::Single);
    group.add("command", Rules::default());
    let mut running = Some(match place {
        Some(place) => place.start(&launcher, &process)?,
        None => launcher.start(&process)?,
    });
    // The command has its own copy.
    process.socket = None;
    set_banner(&mut launcher, common);
    let mut starter = |_: &Launcher, _: usize| {
        let again = || Failure::new(exit::LAUNCHER, "the command has been started already");
        running.take().ok_or_else(again)
    };
    let result = launcher.attend(&mut group, &mut Roster::new(1, &mut starter));
    finish(&launcher, vec![process], result)
}

/// Shows the banner when the processes have been started.
fn set_banner(launcher: &mut Launcher, common: &Common) {
    if let Some(text) = &common.banner {
        let delay = Duration::from_secs(common.banner_delay.unwrap_or(0).into());
        launcher.add_banner(Instant::now() + delay, text.clone());
    }
}

/// After the end: volumes that were filled come into being, private copies go, deadly signals do their work.
fn finish(launcher: &Launcher, processes: Vec<Process>, result: Result<u8, Failure>) -> Result<u8, Failure> {
    let mut fillings = Vec::new();
    for process in processes {
        // Dropping the rest removes private copies.
        fillings.extend(process.fillings);
    }
    if let Some(signal) = launcher.fatal() {
        let _ = system::reset_signals();
        let _ = system::kill(std::process::id() as i32, signal);
    }
    let code = result?;
    if code == 0 {
        fillings.into_iter().try_for_each(persistent::Filling::commit)?;
    }
    Ok(code)
}
