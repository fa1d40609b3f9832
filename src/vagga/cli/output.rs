//! Printing. A reader that went away is not an error, and nothing here panics.

use crate::cli::output;
use crate::vagga::failure::{exit, Failure};

/// Prints on stdout; the exit code is 0. Errors: exit 121 when stdout is full or broken, but not when its reader has
/// closed it.
pub fn out(text: &str) -> Result<u8, Failure> {
    let fail = |e| Failure::new(exit::LAUNCHER, format!("Can't write to stdout: {e}"));
    output::print(text).map(|()| 0).map_err(fail)
}

/// Prints on stderr in one write.
pub use output::complain as err;

/// Prints a failure: problems of the configuration and usage errors as they are, everything else as `vagga: …`.
pub fn failure(failure: &Failure) {
    err(&failure_text(failure));
}

fn failure_text(failure: &Failure) -> String {
    let verbatim = failure.exit == exit::CONFIG || failure.message.starts_with("Usage:");
    let prefix = if verbatim { "" } else { "vagga: " };
    format!("{prefix}{failure}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_failures() {
        let f = Failure::new(exit::LAUNCHER, "no").with_hint("yes");
        assert_eq!(failure_text(&f), "vagga: no\nhint: yes\n");
        let f = Failure::new(exit::CONFIG, "vagga.yaml:1:1: Parse Error: x\n");
        assert_eq!(failure_text(&f), "vagga.yaml:1:1: Parse Error: x\n\n");
        let f = Failure::new(exit::USAGE, "Usage:\n  vagga\nvagga: Unknown option --x");
        assert!(failure_text(&f).starts_with("Usage:"));
    }
}
