//! The built-in commands: from their arguments to the parts of vagga that do the work.

use std::io;
use std::path::Path;

use super::arguments;
use super::builtins;
use super::capsule;
use super::completion;
use super::dispatch;
use super::globals::{self, Globals};
use super::images;
use super::listing;
use super::manual;
use super::manual_config;
use super::names;
use super::networks;
use super::output;
use super::parser::{Grammar, Outcome, Parsed};
use super::run;
use super::table::{BuiltIn, Job, Key};
use crate::config::json_schema::json_schema;
use crate::config::Kind;
use crate::vagga::build;
use crate::vagga::check::{self, Report};
use crate::vagga::clean::{self, Action, Actions};
use crate::vagga::config::schema::{CONFIG, USER_SETTINGS};
use crate::vagga::doctor;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids;
use crate::vagga::layers;
use crate::vagga::network::partition;
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;
use crate::vagga::symlinks::{self, Places};
use crate::vagga::to_lithos;
use crate::vagga::version;

/// Column of explanations in the help.
const COLUMN: usize = 24;
/// Width of the help.
const WIDTH: usize = 79;

/// Runs a built-in command.
pub fn run(builtin: &'static BuiltIn, globals: &Globals, args: &[String]) -> Result<u8, Failure> {
    match builtin.job {
        Job::Complete => return complete(args),
        Job::Help => return help(globals, args),
        Job::Capsule if !is_help(args) => return capsule::command(globals, args),
        Job::Network if !is_help(args) => {
            let usage = with_grammar(builtin, |g| g.wrong("KIND [NODE…] is expected"));
            return partition::command(args, &usage);
        }
        _ => {}
    }
    let parsed = match parse(builtin, args) {
        Outcome::Help(text) => return output::out(&text),
        Outcome::Right(parsed) => Ok(parsed),
        Outcome::Wrong(text) => Err(arguments::usage_error(text)),
    };
    if builtin.anywhere {
        return without_project(builtin, &parsed?);
    }
    let project = dispatch::checked_project(globals)?;
    in_project(builtin, &project, globals, &parsed?)
}

/// The first word asks for help.
fn is_help(args: &[String]) -> bool {
    args.first().is_some_and(|a| a == "-h" || a == "--help")
}

fn parse(builtin: &BuiltIn, args: &[String]) -> Outcome {
    if builtin.lenient {
        return Outcome::Right(Parsed::default());
    }
    with_grammar(builtin, |grammar| grammar.parse(args))
}

fn with_grammar<T>(builtin: &BuiltIn, f: impl FnOnce(&Grammar<'_>) -> T) -> T {
    let (program, about) = (format!("vagga {}", builtin.name), builtin.describe());
    f(&Grammar::of_builtin(builtin, &program, &about))
}

/// Built-ins that do not need a project.
fn without_project(builtin: &BuiltIn, parsed: &Parsed) -> Result<u8, Failure> {
    let first = parsed.positionals.first().map(String::as_str).unwrap_or_default();
    match builtin.job {
        Job::Doctor => {
            let storage = match dispatch::project() {
                Ok(p) => p.settings.storage_dir.unwrap_or_else(|| p.root.join(".vagga")),
                Err(_) => std::env::current_dir().unwrap_or_default(),
            };
            Ok(doctor::run(&storage))
        }
        Job::CompletionScript => match completion::script(first) {
            Some(text) => output::out(text),
            None => Err(wrong(
                builtin,
                &format!("Bad value {first:?}: expected bash, zsh or fish"),
            )),
        },
        Job::Schema => match first {
            "" | "vagga.yaml" => output::out(&schema_text("config", &CONFIG)),
            "settings" => output::out(&schema_text("settings", &USER_SETTINGS)),
            other => Err(wrong(
                builtin,
                &format!("Bad value {other:?}: expected vagga.yaml or settings"),
            )),
        },
        Job::CreateNetns | Job::DestroyNetns => networks::gateway(builtin.job, parsed),
        Job::Check => check(parsed),
        _ => match first {
            "" | "vagga" => output::out(&manual::page()),
            "vagga.yaml" => output::out(&manual_config::page()),
            other => Err(wrong(
                builtin,
                &format!("Bad value {other:?}: expected vagga or vagga.yaml"),
            )),
        },
    }
}

/// The schema on one line: a program reads it.
fn schema_text(name: &str, kind: &Kind) -> String {
    let id = format!("urn:vagga:{name}:{}", env!("CARGO_PKG_VERSION"));
    format!("{}\n", json_schema(&id, &format!("vagga {name}"), kind))
}

/// `_check`: problems go to stdout, the summary to stderr.
fn check(parsed: &Parsed) -> Result<u8, Failure> {
    let report = match parsed.positionals.first() {
        Some(file) => check::file(Path::new(file)),
        None => check::project(&dispatch::current_dir()?, &dispatch::variable)?,
    };
    let Report { errors, warnings, .. } = report;
    if errors + warnings > 0 {
        output::err(&format!("vagga: {errors} errors, {warnings} warnings\n"));
    }
    output::out(&report.text)?;
    let bad = errors > 0 || (warnings > 0 && parsed.has(Key::Strict));
    Ok(if bad { exit::CONFIG } else { 0 })
}

fn wrong(builtin: &BuiltIn, message: &str) -> Failure {
    with_grammar(builtin, |grammar| arguments::usage_error(grammar.wrong(message)))
}

/// Built-ins that work on a project.
fn in_project(
    builtin: &BuiltIn,
    project: &Project,
    globals: &Globals,
    parsed: &Parsed,
) -> Result<u8, Failure> {
    let first = parsed.positionals.first().map(String::as_str).unwrap_or_default();
    match builtin.job {
        Job::List => list(project, parsed),
        Job::BaseDir => output::out(&format!("{}\n", project.root.display())),
        Job::RelativeWorkDir => output::out(&format!("{}\n", project.work_dir.display())),
        Job::UpdateSymlinks => update_symlinks(builtin, project, parsed),
        Job::BuildShell => crate::vagga::run::build_shell::run(project, globals),
        Job::OverlaySupport => overlay_support(),
        Job::DumpConfig => dump_config(project, parsed.has(Key::Pretty)),
        Job::Build => {
            names::check_container(&project.config, first)?;
            let storage = Storage::open(project)?;
            let force = parsed.has(Key::Force);
            build::ensure(project, &storage, first, globals.build_mode, force).map(|_| 0)
        }
        Job::Run => {
            let mut globals = globals.clone();
            globals.build_mode = globals::build_mode(parsed).unwrap_or(globals.build_mode);
            let argv = parsed.positionals.get(1..).unwrap_or_default();
            run::in_container(project, &globals, first, parsed.has(Key::Writable), argv, None)
        }
        Job::RunInNetns => networks::run_in_netns(project, globals, parsed),
        Job::VersionHash => version_hash(project, first, parsed),
        Job::ExportOci => images::export_oci(project, globals, first, parsed),
        Job::ToLithos => write_for_lithos(project, globals, parsed),
        Job::Layers => list_layers(
            project,
            parsed.positionals.first().map(String::as_str),
            parsed.has(Key::Json),
        ),
        Job::Hardlink => images::hardlink(project, parsed),
        Job::InitStorageDir => images::init_storage_dir(project, first, parsed),
        Job::PackImage => images::pack_image(project, globals, first, parsed),
        Job::PushImage => images::push_image(project, globals, first, parsed),
        Job::Verify => images::verify(project, first, parsed),
        Job::Clean => {
            let actions = clean_actions(builtin, parsed)?;
            clean::clean(project, &actions).map(|()| 0)
        }
        _ => Err(Failure::new(
            exit::LAUNCHER,
            format!("{} is not available in this version", builtin.name),
        )),
    }
}

fn list(project: &Project, parsed: &Parsed) -> Result<u8, Failure> {
    if parsed.has(Key::Containers) {
        return output::out(&listing::containers(&project.config));
    }
    let options = listing::Options {
        all: parsed.has(Key::All),
        builtins: parsed.has(Key::BuiltIns),
        zsh: parsed.has(Key::Zsh),
        no_aliases: parsed.has(Key::NoAliases),
        verbose: parsed.has(Key::Verbose),
    };
    output::out(&listing::list(
        &project.config,
        options,
        &project.origins.commands,
    ))
}

/// `_to_lithos [-o DIR] CONTAINER [PROCESS…]`
fn write_for_lithos(project: &Project, globals: &Globals, parsed: &Parsed) -> Result<u8, Failure> {
    let (name, processes) = match parsed.positionals.split_first() {
        Some((name, processes)) => (name.as_str(), processes),
        None => ("", &[][..]),
    };
    names::check_container(&project.config, name)?;
    let output = parsed.options.iter().find(|(key, _)| *key == Key::Output);
    let dir = output.and_then(|(_, value)| value.clone());
    let dir = dir.unwrap_or_else(|| format!("lithos-{name}"));
    let storage = Storage::open(project)?;
    let notes = to_lithos::export(
        project,
        &storage,
        name,
        processes,
        dir.as_ref(),
        globals.build_mode,
    )?;
    for note in notes {
        log::warn!("{note}");
    }
    output::out(&format!(
        "{dir}/images     copy to /var/lib/lithos/images/{name} on every machine\n{dir}/sandboxes  look through, then copy to \
         /etc/lithos/sandboxes\n{dir}/processes  install with: lithos_switch {name} {name}.yaml\n"
    ))
}

fn dump_config(project: &Project, pretty: bool) -> Result<u8, Failure> {
    let text = match pretty {
        true => serde_json::to_string_pretty(&project.config),
        false => serde_json::to_string(&project.config),
    };
    let text = text.map_err(|e| {
        Failure::new(
            exit::LAUNCHER,
            format!("Can't write the configuration as JSON: {e}"),
        )
    })?;
    output::out(&(text + "\n"))
}

fn update_symlinks(builtin: &BuiltIn, project: &Project, parsed: &Parsed) -> Result<u8, Failure> {
    let (local, user) = (parsed.has(Key::LocalOnly), parsed.has(Key::UserOnly));
    if local && user {
        return Err(wrong(builtin, "--local-only and --user-only exclude each other"));
    }
    let places = Places {
        project: !user,
        home: !local,
    };
    symlinks::update(project, places, dispatch::variable("HOME").as_deref()).map(|()| 0)
}

fn overlay_support() -> Result<u8, Failure> {
    match doctor::overlay_support()? {
        true => output::out("supported\n"),
        false => output::out("unsupported\n").map(|_| 1),
    }
}

/// The command line of `_clean` as a value.
fn clean_actions(builtin: &BuiltIn, parsed: &Parsed) -> Result<Actions, Failure> {
    let mut actions = Actions::default();
    for (key, value) in &parsed.options {
        let action = match key {
            Key::Tmp => Action::Tmp,
            Key::Old => Action::Old,
            Key::Unused => Action::Unused,
            Key::Transient => Action::Transient,
            Key::Volumes => Action::Volumes,
            Key::UnusedVolumes => Action::UnusedVolumes,
            Key::Cache => Action::Cache,
            Key::Layers => Action::Layers,
            Key::MaxSize => {
                actions.max_size = Some(bytes(builtin, value.as_deref().unwrap_or_default())?);
                continue;
            }
            Key::Everything => Action::Everything,
            Key::AtLeast => {
                let text = value.as_deref().unwrap_or_default();
                let age = clean::parse_age(text)
                    .map_err(|e| wrong(builtin, &format!("Bad value {text:?}: {e}")))?;
                actions.at_least = Some(age);
                continue;
            }
            _ => continue,
        };
        if !actions.actions.contains(&action) {
            actions.actions.push(action);
        }
    }
    actions.global = parsed.has(Key::Global);
    actions.dry_run = parsed.has(Key::DryRun);
    if actions.actions.is_empty() {
        let all: Vec<&str> = builtin
            .flags
            .iter()
            .filter(|f| is_action(f.key))
            .flat_map(|f| f.names)
            .copied()
            .collect();
        return Err(wrong(builtin, &format!("One of the options {all:?} is required")));
    }
    Ok(actions)
}

fn is_action(key: Key) -> bool {
    !matches!(key, Key::AtLeast | Key::MaxSize | Key::Global | Key::DryRun)
}

/// A size with a unit, `10G` or `500Mi`.
fn bytes(builtin: &BuiltIn, text: &str) -> Result<u64, Failure> {
    let number = crate::config::number::parse(text);
    number
        .and_then(|n| u64::try_from(n).map_err(|_| "it is negative"))
        .map_err(|why| {
            wrong(
                builtin,
                &format!("Bad value {text:?}: {why}; write for example 10G"),
            )
        })
}

/// `_layers [CONTAINER]`
fn list_layers(project: &Project, container: Option<&str>, json: bool) -> Result<u8, Failure> {
    if let Some(name) = container {
        names::check_container(&project.config, name)?;
    }
    let storage = Storage::open(project)?;
    let fail = |e: io::Error| Failure::new(exit::LAUNCHER, format!("Can't list {:?}: {e}", storage.layers()));
    let mut all = layers::inventory(&storage, &Default::default()).map_err(fail)?;
    all.retain(|kept| {
        container.is_none_or(|name| {
            let of_image = |image: &String| image.rsplit_once('.').is_some_and(|(of, _)| of == name);
            kept.container == name || kept.images.iter().any(of_image)
        })
    });
    match json {
        true => {
            let text = serde_json::to_string_pretty(&all).map_err(|e| fail(e.into()))?;
            output::out(&(text + "\n"))
        }
        false => output::out(&layers::listing(&all)),
    }
}

fn version_hash(project: &Project, container: &str, parsed: &Parsed) -> Result<u8, Failure> {
    names::check_container(&project.config, container)?;
    let storage = Storage::open(project)?;
    let options = version::PrintOptions {
        short: parsed.has(Key::Short),
        debug: parsed.has(Key::DebugVersioning),
        dump: parsed.has(Key::DumpVersionData),
    };
    let ranges = project
        .config
        .containers
        .get(container)
        .map(|c| (&c.uids, &c.gids));
    let ids = match ranges {
        Some((uids, gids)) => ids::maps_for(uids, gids)?,
        None => ids::maximal()?,
    };
    version::print(project, &storage, &ids, container, options, &mut io::stdout())
}

/// `_help [NAME]`; `-h` and `--help` beside a name are ignored, since completion of zsh adds them.
fn help(globals: &Globals, args: &[String]) -> Result<u8, Failure> {
    let is_help = |a: &String| a == "-h" || a == "--help";
    let rest: Vec<String> = args.iter().filter(|a| !is_help(a)).cloned().collect();
    let builtin = BuiltIn::find("_help");
    let parsed = match builtin.map(|b| parse(b, if rest.is_empty() { args } else { &rest })) {
        Some(Outcome::Help(text)) => return output::out(&text),
        Some(Outcome::Wrong(text)) => return Err(arguments::usage_error(text)),
        Some(Outcome::Right(parsed)) => parsed,
        None => Parsed::default(),
    };
    let Some(name) = parsed.positionals.first() else {
        return dispatch::overview(&dispatch::checked_project(globals)?);
    };
    if let Some(builtin) = BuiltIn::find(name) {
        return output::out(&with_grammar(builtin, |g| g.help()));
    }
    let project = dispatch::checked_project(globals)?;
    match project.config.commands.get(name) {
        Some(command) => output::out(&arguments::help(name, command)?),
        None => {
            let failure = Failure::new(exit::LAUNCHER, format!("Command {name} not found."));
            Err(names::with_suggestion(failure, name, &project.config))
        }
    }
}

/// `_compgen`: without a project only built-ins and options are offered, and nothing is ever reported.
fn complete(args: &[String]) -> Result<u8, Failure> {
    let config = dispatch::project().map(|p| p.config).unwrap_or_default();
    output::out(&completion::candidates(&config, args))
}

/// The built-in commands, for the end of `--help`, in the layout of the options.
pub fn summary() -> String {
    let mut text = "\nBuilt-in commands (each has --help):\n".to_string();
    for builtin in builtins::ALL {
        let mut line = format!("  {:21}", builtin.name);
        if line.len() > COLUMN {
            text.push_str(&line);
            text.push('\n');
            line = " ".repeat(COLUMN - 1);
        }
        for word in builtin.describe().split(' ') {
            if line.len() + 1 + word.len() > WIDTH {
                text.push_str(&line);
                text.push('\n');
                line = " ".repeat(COLUMN - 1);
            }
            line.push(' ');
            line.push_str(word);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn clean(line: &str) -> Result<Actions, Failure> {
        let builtin = BuiltIn::find("_clean").unwrap();
        let args: Vec<String> = line
            .split(' ')
            .filter(|w| !w.is_empty())
            .map(|w| w.replace('~', " "))
            .collect();
        match parse(builtin, &args) {
            Outcome::Right(parsed) => clean_actions(builtin, &parsed),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn clean_actions_keep_their_order() {
        let a = clean("--volumes --tmp-folders --unused --at-least 2h~30m -n --global --tmp").unwrap();
        assert_eq!(a.actions, [Action::Volumes, Action::Tmp, Action::Unused]);
        assert_eq!(a.at_least, Some(Duration::from_secs(9000)));
        assert!(a.global && a.dry_run);
    }

    #[test]
    fn bad_clean_lines_are_usage_errors() {
        for (line, part) in [
            ("", "One of the options"),
            ("-n", "is required"),
            ("--unused --at-least 5parsecs", "Bad value"),
        ] {
            let e = clean(line).unwrap_err();
            assert_eq!(e.exit, 122);
            assert!(e.message.contains(part), "{e}");
        }
    }

    #[test]
    fn every_builtin_has_help_and_a_line_in_the_summary() {
        let all = summary();
        for b in builtins::ALL {
            assert!(all.contains(b.name));
            if !b.lenient {
                assert!(
                    matches!(parse(b, &["--help".to_string()]), Outcome::Help(_)),
                    "{}",
                    b.name
                );
            }
        }
        assert!(all.contains("\n  _pack_image           Pack the image of a container into an archive\n"));
        assert!(all.lines().all(|l| l.len() <= WIDTH), "{all}");
    }
}
