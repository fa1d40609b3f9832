//! `vagga _doctor`: can vagga work here, and if not, what exactly has to be done?
//!
//! Whatever can be tried is tried (a user namespace with its maps, mounts, an overlay); the rest is read. From the
//! facts the findings follow by pure functions. The same remedies appear when a run or a build fails: [`hint_for`].

mod explain;
mod facts;
mod findings;
mod networks;
mod probe;

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;

use super::failure::{exit, Failure};

pub use explain::Stage;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing to do.
    Ok,
    /// vagga works, but not everything or not well.
    Warn,
    /// vagga cannot work.
    Fail,
}

/// The result of one check: one line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it went.
    pub level: Level,
    /// What was checked, two or three words.
    pub check: &'static str,
    /// What was found.
    pub what: String,
    /// The command to type, or what to ask the administrator for.
    pub remedy: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        write!(f, "{level:<5} {}: {}", self.check, self.what)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; remedy: {remedy}"),
            None => Ok(()),
        }
    }
}

/// Checks the host and prints a line per check on stdout. `storage` is where images are (or would be) kept.
/// Returns the exit code: 0 = vagga can work, 1 = it cannot.
pub fn run(storage: &Path) -> u8 {
    let findings = findings::judge(&facts::Facts::collect(storage));
    let mut worst = Level::Ok;
    let mut out = io::stdout().lock();
    for finding in &findings {
        // A reader that has seen enough (`| head`) is no reason to fail.
        let _ = writeln!(out, "{finding}");
        worst = worst.max(finding.level);
    }
    match worst {
        Level::Fail => 1,
        Level::Ok | Level::Warn => 0,
    }
}

/// Whether an overlay can be mounted and used in a container. Errors: exit 122 when no container can be made at all.
pub fn overlay_support() -> Result<bool, Failure> {
    let setup = |why: String| Failure::new(exit::USAGE, format!("Can't set up a container: {why}"));
    let trial = probe::attempt(&super::ids::maximal().map_err(|f| setup(f.message))?);
    if let Err(errno) = trial.clone {
        return Err(setup(io::Error::from_raw_os_error(errno).to_string()));
    }
    trial.maps.map_err(setup)?;
    let errno = |wanted| {
        trial
            .inside
            .iter()
            .find(|(s, _)| *s == wanted)
            .map(|(_, errno)| *errno)
    };
    match errno(Stage::Overlay) {
        Some(errno) => Ok(errno == 0),
        None => Err(setup("mounts are forbidden (see `vagga _doctor`)".into())),
    }
}

/// `WHAT: ERROR` with the remedy for a failed clone(2), or the advice to ask the doctor. Exit 121.
pub fn namespaces_refused(what: &str, error: &io::Error) -> Failure {
    let hint = hint_for(Stage::Clone, error);
    Failure::new(exit::LAUNCHER, format!("{what}: {error}"))
        .with_hint(hint.unwrap_or_else(|| "`vagga _doctor` checks what containers need".to_string()))
}

/// The remedy when setting up a container fails at `stage` with this error; `None` when nothing is known about it.
pub fn hint_for(stage: Stage, error: &io::Error) -> Option<String> {
    let errno = error.raw_os_error()?;
    explain::remedy(stage, errno, &facts::Surroundings::read())
}
