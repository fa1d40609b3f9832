//! Which sandboxes there are: the files of the sandboxes directory, by the rules for names of the configuration.

use std::io;
use std::path::{Path, PathBuf};

/// A sandbox by its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SandboxFile {
    /// Name of the sandbox: that of the file without `.yaml`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// All sandboxes of a directory, by name. Names that are not UTF-8 are left out: nothing could be called so.
///
/// Errors: the directory cannot be read.
pub fn list(dir: &Path) -> io::Result<Vec<SandboxFile>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let file = entry?.file_name();
        let name = file.to_str().filter(|n| !is_hidden_or_backup(n));
        if let Some(name) = name.and_then(|n| n.strip_suffix(".yaml")) {
            found.push(SandboxFile {
                name: name.to_string(),
                path: dir.join(&file),
            });
        }
    }
    found.sort();
    Ok(found)
}

/// Names that people and editors use for what is not meant: `.x`, `x~`, `x.bak`, `#x#`.
pub fn is_hidden_or_backup(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with('~')
        || name.ends_with(".bak")
        || name.starts_with('#') && name.ends_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_meant() {
        for name in [".shop.yaml", "shop.yaml~", "shop.yaml.bak", "#shop.yaml#", "."] {
            assert!(is_hidden_or_backup(name), "{name}");
        }
        for name in ["shop.yaml", "#shop.yaml", "bak"] {
            assert!(!is_hidden_or_backup(name), "{name}");
        }
    }

    #[test]
    fn a_directory() {
        let dir = std::env::temp_dir().join(format!("lithos-sandboxes-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        for name in ["b.yaml", "a.yaml", ".c.yaml", "d.yml", "e.yaml~"] {
            std::fs::write(dir.join(name), "").unwrap();
        }
        let names: Vec<String> = list(&dir).unwrap().into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["a", "b"]);
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(list(&dir).is_err());
    }
}
