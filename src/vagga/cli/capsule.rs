//! `vagga _capsule`: what a capsule command may do with containers and downloads.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use super::dispatch;
use super::globals::{BuildMode, Globals};
use super::names;
use super::output;
use super::run;
use crate::vagga::build;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::fetch::{self, Client, Proxies, Request};
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;

/// Options before the first word that is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Options {
    force: bool,
    print_version: bool,
    refresh: bool,
    sha256: Option<String>,
}

/// Runs a subcommand. Errors: exit 127 for unknown ones, 122 for a wrong line.
pub fn command(globals: &Globals, args: &[String]) -> Result<u8, Failure> {
    let Some((subcommand, rest)) = args.split_first() else {
        return Err(usage("a subcommand is required"));
    };
    match subcommand.as_str() {
        "build" | "version" => build(globals, rest),
        "run" => run(globals, rest),
        "download" => download(globals, rest),
        "script" => script(globals, rest),
        other => Err(
            Failure::new(exit::NO_COMMAND, format!("Unknown command {other:?}"))
                .with_hint("vagga _capsule knows build, run, download and script"),
        ),
    }
}

fn usage(what: &str) -> Failure {
    let text = format!(
        "Usage:\n  vagga _capsule build [--force] [--print-version] CONTAINER\n  vagga _capsule run CONTAINER COMMAND [ARG...]\n  \
         vagga _capsule download [--sha256 HASH] [--refresh] URL\n  \
         vagga _capsule script [--sha256 HASH] [--refresh] URL [ARG...]\n\nvagga _capsule: {what}"
    );
    Failure::new(exit::USAGE, text)
}

/// Splits the options of `known` from the words that follow.
fn options<'a>(args: &'a [String], known: &[&str]) -> Result<(Options, &'a [String]), Failure> {
    let mut options = Options::default();
    let mut rest = args;
    while let Some((word, after)) = rest.split_first().filter(|(word, _)| word.starts_with("--")) {
        if !known.contains(&word.as_str()) {
            return Err(usage(&format!("Unknown option {word}")));
        }
        rest = after;
        match word.as_str() {
            "--force" => options.force = true,
            "--print-version" => options.print_version = true,
            "--refresh" => options.refresh = true,
            _ => {
                let (value, after) = rest
                    .split_first()
                    .ok_or_else(|| usage("--sha256 requires an argument"))?;
                options.sha256 = Some(value.clone());
                rest = after;
            }
        }
    }
    Ok((options, rest))
}

fn build(globals: &Globals, args: &[String]) -> Result<u8, Failure> {
    let (options, rest) = options(args, &["--force", "--print-version"])?;
    let [container] = rest else {
        return Err(usage("one CONTAINER is expected"));
    };
    let project = dispatch::checked_project(globals)?;
    names::check_container(&project.config, container)?;
    let storage = Storage::open(&project)?;
    let image = build::ensure(&project, &storage, container, BuildMode::Normal, options.force)?;
    match options.print_version {
        true => output::out(&format!(
            "{}\n",
            image.dir.file_name().unwrap_or_default().to_string_lossy()
        )),
        false => Ok(0),
    }
}

fn run(globals: &Globals, args: &[String]) -> Result<u8, Failure> {
    let Some((container, argv)) = args.split_first().filter(|(_, argv)| !argv.is_empty()) else {
        return Err(usage("CONTAINER and COMMAND are expected"));
    };
    let project = dispatch::checked_project(globals)?;
    run::in_container(&project, globals, container, false, argv, None)
}

fn download(globals: &Globals, args: &[String]) -> Result<u8, Failure> {
    let (options, rest) = options(args, &["--sha256", "--refresh"])?;
    let [url] = rest else {
        return Err(usage("one URL is expected"));
    };
    let project = dispatch::checked_project(globals)?;
    let path = fetched(&project, url, &options)?;
    output::out(&format!("{}\n", path.display()))
}

fn script(globals: &Globals, args: &[String]) -> Result<u8, Failure> {
    let (options, rest) = options(args, &["--sha256", "--refresh"])?;
    let (url, arguments) = rest.split_first().ok_or_else(|| usage("a URL is expected"))?;
    let project = dispatch::checked_project(globals)?;
    let path = fetched(&project, url, &options)?;
    let failed = |e: io::Error| Failure::new(exit::LAUNCHER, format!("Can't run {}: {e}", path.display()));
    let mode = fs::metadata(&path).map_err(failed)?.permissions().mode();
    if mode & 0o111 != 0o111 {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o755)).map_err(failed)?;
    }
    Err(failed(Command::new(&path).args(arguments).exec()))
}

/// The file of an address, fetched once.
fn fetched(project: &Project, url: &str, options: &Options) -> Result<PathBuf, Failure> {
    let storage = Storage::open(project)?;
    let fail = |e: fetch::FetchError| Failure::new(exit::LAUNCHER, e.to_string());
    let urls = [url.to_string()];
    let request = Request {
        urls: &urls,
        sha256: options.sha256.as_deref(),
        cache: &storage.cache,
        project: &project.root,
        external_volumes: &project.settings.external_volumes,
    };
    let proxies = Proxies::by_setting(project.settings.proxy_env_vars);
    let client = || Client::new(&proxies);
    let fetched = match options.refresh {
        true => fetch::refresh(&mut None, &request, client, &mut |_, _| ()),
        false => fetch::fetch(&mut None, &request, client, &mut |_, _| ()),
    };
    fetched.map_err(fail)
}
