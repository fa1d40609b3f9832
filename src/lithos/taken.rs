//! What the tree says about the configuration it read last, `RUNTIME/taken.json`: `lithos_switch` waits for it, so that
//! its exit code tells whether the new file is in force. The file is only news: nothing is decided by it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_derive::{Deserialize, Serialize};

use crate::sys::fs::replace;

/// Largest file that is read, bytes.
const LARGEST: u64 = 1 << 20;

/// One reading of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// When reading began: milliseconds of the monotonic clock, which all processes of the machine share.
    pub begun: u64,
    /// What was refused, by sandbox. Under the empty name: what concerns all.
    pub problems: BTreeMap<String, Vec<String>>,
}

impl Taken {
    /// What was refused of this sandbox.
    pub fn of(&self, sandbox: &str) -> Vec<String> {
        let both = [self.problems.get(""), self.problems.get(sandbox)];
        both.into_iter().flatten().flatten().cloned().collect()
    }
}

fn path(runtime: &Path) -> PathBuf {
    runtime.join("taken.json")
}

/// Replaces the file.
pub fn write(runtime: &Path, taken: &Taken) -> io::Result<()> {
    replace(&path(runtime), &serde_json::to_vec(taken)?, 0o644)
}

/// `None` where there is none that can be read: a tree that never said so has not confirmed.
pub fn read(runtime: &Path) -> Option<Taken> {
    let path = path(runtime);
    let about = std::fs::symlink_metadata(&path).ok()?;
    if !about.is_file() || about.len() > LARGEST {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_has_its_problems_and_those_of_all() {
        let problems = [("", "x"), ("app", "y"), ("other", "z")];
        let problems = problems.map(|(name, text)| (name.to_string(), vec![text.to_string()]));
        let taken = Taken {
            begun: 1,
            problems: problems.into(),
        };
        assert_eq!(taken.of("app"), ["x", "y"]);
        assert_eq!(taken.of("none"), ["x"]);
    }
}
