//! Errors of build steps: what, where, why, and what to do.

use std::fmt;
use std::io;
use std::path::Path;

/// Why a build step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    /// One line: what went wrong with what.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl StepError {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> StepError {
        StepError {
            message: message.into(),
            hint: None,
        }
    }

    /// An operation on a path failed: `can't VERB "PATH": why`.
    pub fn io(verb: &str, path: impl AsRef<Path>, error: &io::Error) -> StepError {
        StepError {
            hint: hint_for(error),
            ..StepError::new(format!("can't {verb} {:?}: {error}", path.as_ref()))
        }
    }

    /// The same error with a remedy.
    pub fn with_hint(mut self, hint: impl Into<String>) -> StepError {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with a remedy, unless it has a better one.
    pub fn or_hint(self, hint: &str) -> StepError {
        match self.hint {
            Some(_) => self,
            None => self.with_hint(hint),
        }
    }
}

impl From<io::Error> for StepError {
    fn from(error: io::Error) -> StepError {
        StepError {
            hint: hint_for(&error),
            ..StepError::new(error.to_string())
        }
    }
}

/// Remedies for errors of the system that have one.
fn hint_for(error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space: `vagga _clean --unused --tmp` removes images that are not needed".into())
        }
        _ => None,
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StepError {}

/// Adds to an I/O result what was being done to which path.
pub trait IoContext<T> {
    /// `can't VERB "PATH": why`
    fn at(self, verb: &str, path: impl AsRef<Path>) -> Result<T, StepError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, verb: &str, path: impl AsRef<Path>) -> Result<T, StepError> {
        self.map_err(|e| StepError::io(verb, path, &e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_verb_path_and_reason() {
        let e = Err::<(), _>(io::Error::from_raw_os_error(28))
            .at("write", "/a b")
            .unwrap_err();
        assert!(
            e.message.starts_with("can't write \"/a b\": No space left"),
            "{e}"
        );
        assert!(e.hint.is_some_and(|h| h.contains("_clean")));
    }
}
