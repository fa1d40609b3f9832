//! `lithos_clean`: lists and deletes images that no configuration mentions. When in doubt about an image directory it
//! says so and leaves the whole directory alone; images of running containers are always in use.

mod area;
mod candidates;
mod flags;
mod gather;
mod retention;

use std::path::Path;
use std::time::{Duration, SystemTime};

use self::area::Area;
use self::flags::{Key, TOOL};
use self::retention::Rules;
use crate::cli::output::{complain, print};
use crate::cli::Parsed;
use crate::config::duration;
use crate::lithos::config::master;
use crate::sys::calendar::Date;
use crate::sys::path::Root;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Used,
    Unused,
    Delete,
}

/// What the command line says.
struct Options {
    master: String,
    action: Action,
    rules: Rules,
    /// Directories that are newer than this are spared.
    recent: Option<Duration>,
    logs: bool,
    verbose: bool,
}

/// Entry point of the executable; returns the exit code.
pub fn main() -> i32 {
    TOOL.run(|parsed| match options(&parsed) {
        Ok(options) => run(&options),
        Err(message) => Ok(TOOL.wrong(&message)),
    })
}

fn options(parsed: &Parsed<Key>) -> Result<Options, String> {
    let actions = [
        (Key::Used, Action::Used),
        (Key::Unused, Action::Unused),
        (Key::Delete, Action::Delete),
    ];
    let mut given = actions.into_iter().filter(|(key, _)| parsed.has(*key));
    let action = given.next().map_or(Action::Used, |(_, action)| action);
    if given.next().is_some() {
        return Err("Only one of --used, --unused, --delete-unused can be done".to_string());
    }
    let recent = parsed.last(Key::Recent).map(duration::parse).transpose()?;
    Ok(Options {
        master: parsed
            .last(Key::Master)
            .unwrap_or(master::DEFAULT_PATH)
            .to_string(),
        action,
        rules: Rules {
            days: number(parsed, Key::Days)?,
            min: number(parsed, Key::Min)?.unwrap_or(0),
            max: number(parsed, Key::Max)?.unwrap_or(1000),
        },
        recent,
        logs: parsed.has(Key::Logs),
        verbose: parsed.has(Key::Verbose),
    })
}

fn number(parsed: &Parsed<Key>, key: Key) -> Result<Option<u32>, String> {
    let parse = |text: &str| text.parse().map_err(|_| format!("Bad number {text:?}"));
    parsed.last(key).map(parse).transpose()
}

/// Exit codes: 0; 1 when a directory was left alone because of an error; 2 when one could not be listed or cleaned.
fn run(options: &Options) -> Result<i32, String> {
    let areas = gather::areas(Path::new(&options.master), &options.rules)?;
    let mut exit = 0;
    for area in &areas {
        exit = exit.max(match area.usable() {
            Ok(true) => clean(options, area),
            Ok(false) => 0,
            Err(why) => {
                complain(&format!("{:?} is left alone: {why}\n", area.dir));
                1
            }
        });
    }
    Ok(exit)
}

fn clean(options: &Options, area: &Area) -> i32 {
    let done = match options.action {
        Action::Used => area.used.iter().try_for_each(|image| show(&area.dir.join(image))),
        Action::Unused | Action::Delete => unused(options, area),
    };
    match done.and_then(|()| logs(options, area)) {
        Ok(()) => 0,
        Err(e) => {
            complain(&format!("{:?}: {e}\n", area.dir));
            2
        }
    }
}

fn unused(options: &Options, area: &Area) -> Result<(), String> {
    let root = Root::open(&area.dir).map_err(|e| format!("can't open it: {e}"))?;
    let since = options.recent.and_then(|age| SystemTime::now().checked_sub(age));
    let found = candidates::list(&root, area.levels, since).map_err(|e| format!("can't list it: {e}"))?;
    for image in found.iter().filter(|image| !area.uses(image)) {
        match options.action {
            Action::Delete => {
                root.remove_all(image)
                    .map_err(|e| format!("can't delete {image:?}: {e}"))?;
                said(options, &area.dir.join(image))?;
            }
            _ => show(&area.dir.join(image))?,
        }
    }
    Ok(())
}

/// History files without a version that is kept.
fn logs(options: &Options, area: &Area) -> Result<(), String> {
    if !options.logs || options.action == Action::Used {
        return Ok(());
    }
    for log in &area.unneeded_logs {
        match options.action {
            Action::Delete => {
                std::fs::remove_file(log).map_err(|e| format!("can't delete {log:?}: {e}"))?;
                said(options, log)?;
            }
            _ => show(log)?,
        }
    }
    Ok(())
}

fn said(options: &Options, path: &Path) -> Result<(), String> {
    match options.verbose {
        true => line(&format!("{} Deleted {path:?}\n", Date::now())),
        false => Ok(()),
    }
}

fn show(path: &Path) -> Result<(), String> {
    line(&format!("{path:?}\n"))
}

fn line(text: &str) -> Result<(), String> {
    print(text).map_err(|e| format!("can't write to stdout: {e}"))
}
