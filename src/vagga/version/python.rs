//! `!Py2Requirements`, `!Py3Requirements`: the effective lines of a requirements file.

use std::path::{Path, PathBuf};

use super::{Encoder, VersionError};

/// Every significant line as `F(line)`, with the lines of included files in place of the inclusion.
pub fn requirements(e: &mut Encoder, file: &Path) -> Result<(), VersionError> {
    include(e, file, &mut Vec::new())
}

/// `open` holds the files being read, from the outermost: only a file that includes itself is cyclic, the same file
/// included twice is not.
fn include(e: &mut Encoder, file: &Path, open: &mut Vec<PathBuf>) -> Result<(), VersionError> {
    if open.iter().any(|f| f == file) {
        return Err(VersionError::failed(format!("Cyclic requirement: {file:?}")));
    }
    let text = e.read_text(file)?;
    open.push(file.to_path_buf());
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match included(line) {
            Some(name) => {
                let path = normal(&file.parent().unwrap_or(Path::new("")).join(name));
                include(e, &path, open)?;
            }
            None => e.field("line", line),
        }
    }
    open.pop();
    Ok(())
}

/// The file named by an inclusion line.
fn included(line: &str) -> Option<&str> {
    let long = ["--requirement", "--constraint"]
        .iter()
        .find_map(|option| line.strip_prefix(option))
        .and_then(|rest| rest.strip_prefix([' ', '=', '\t']));
    let short = || line.strip_prefix("-r").or_else(|| line.strip_prefix("-c"));
    long.or_else(short).map(str::trim)
}

/// Removes `.` and `name/..`, so that a cycle is seen whatever the spelling.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some_and(|n| n != "..") => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inclusion_lines() {
        assert_eq!(included("-r a.txt"), Some("a.txt"));
        assert_eq!(included("-ra.txt"), Some("a.txt"));
        assert_eq!(included("--requirement=a.txt"), Some("a.txt"));
        assert_eq!(included("--constraint b/c.txt"), Some("b/c.txt"));
        assert_eq!(included("-c c.txt"), Some("c.txt"));
        assert_eq!(included("--pre"), None);
        assert_eq!(included("requests"), None);
    }

    #[test]
    fn spelling_of_a_path_does_not_matter() {
        assert_eq!(normal(Path::new("a/../b/./c")), Path::new("b/c"));
        assert_eq!(normal(Path::new("../../b")), Path::new("../../b"));
    }
}
