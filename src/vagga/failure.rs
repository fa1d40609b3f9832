//! Errors of vagga as values: a message for the user and the documented exit code.

use std::fmt;

/// Exit codes that vagga itself produces (the program's own status is passed through).
pub mod exit {
    /// The version hash cannot be known before the build, or the container is outdated with `--no-build`.
    pub const NOT_READY: u8 = 29;
    /// `_network` failed.
    pub const NETWORK: u8 = 1;
    /// `_network` does not understand its command line.
    pub const NETWORK_USAGE: u8 = 2;
    /// Launcher error: unknown command or container, failed build, id maps, sockets, docopt mismatch.
    pub const LAUNCHER: u8 = 121;
    /// The command line could not be parsed; root on somebody else's project.
    pub const USAGE: u8 = 122;
    /// Set-up of the container failed: mounts, volumes, working directory, program not found, user ids.
    pub const SETUP: u8 = 124;
    /// No configuration, or an invalid one; bad `-e`.
    pub const CONFIG: u8 = 126;
    /// Bare `vagga`; unknown symlink name; supervise group without children.
    pub const NO_COMMAND: u8 = 127;
}

/// A failure that ends vagga: what to print on stderr and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Exit code, see [`exit`].
    pub exit: u8,
    /// One line `what: why` (several only where the format is documented so); no trailing newline.
    pub message: String,
    /// What to do about it, printed as `hint: …` on a line of its own.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: u8, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            message: message.into(),
            hint: None,
        }
    }

    /// The same failure with a remedy for the user.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
