//! One image directory with what is known about it. Pure.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// An image directory; several sandboxes may share it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Area {
    /// The directory, without symbolic links.
    pub dir: PathBuf,
    /// Components of the name of an image.
    pub levels: usize,
    /// What its sandboxes say about cleaning.
    pub auto_clean: BTreeSet<bool>,
    /// Numbers of components that its sandboxes say.
    pub all_levels: BTreeSet<usize>,
    /// Images in use, by their name below the directory.
    pub used: BTreeSet<PathBuf>,
    /// Why one cannot be sure what is in use.
    pub trouble: Vec<String>,
    /// Files of the history without a version that is kept.
    pub unneeded_logs: Vec<PathBuf>,
}

impl Area {
    /// True when it is to be looked at, false when nobody wants it.
    ///
    /// Errors: why it must be left alone.
    pub fn usable(&self) -> Result<bool, String> {
        if self.auto_clean.len() > 1 {
            Err("sandboxes that share it disagree on auto-clean".to_string())
        } else if self.auto_clean.contains(&false) {
            Ok(false)
        } else if self.all_levels.len() > 1 {
            Err("sandboxes that share it disagree on image-dir-levels".to_string())
        } else if !self.trouble.is_empty() {
            Err(self.trouble.join("; "))
        } else {
            Ok(true)
        }
    }

    /// Adds an image by the name that a file or a process has for it.
    pub fn add(&mut self, image: &str) {
        self.used.insert(normal(Path::new(image)));
    }

    /// True when the directory holds a used image, is one, or is part of one.
    pub fn uses(&self, dir: &Path) -> bool {
        self.used
            .iter()
            .any(|used| used.starts_with(dir) || dir.starts_with(used))
    }
}

/// Only the components that are names.
pub fn normal(path: &Path) -> PathBuf {
    path.components()
        .filter(|c| matches!(c, Component::Normal(_)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_component() {
        let mut area = Area::default();
        area.add("./a//b/");
        area.add("img.v1");
        for (dir, used) in [
            ("a/b", true),
            ("a", true),
            ("a/b/c", true),
            ("img.v1", true),
            ("img.v10", false),
            ("b", false),
        ] {
            assert_eq!(area.uses(Path::new(dir)), used, "{dir}");
        }
    }

    #[test]
    fn disagreement_protects() {
        let area = |clean: &[bool], levels: &[usize]| Area {
            auto_clean: clean.iter().copied().collect(),
            all_levels: levels.iter().copied().collect(),
            ..Area::default()
        };
        assert_eq!(area(&[true], &[1]).usable(), Ok(true));
        assert_eq!(area(&[false], &[1]).usable(), Ok(false));
        assert!(area(&[true, false], &[1]).usable().is_err());
        assert!(area(&[true], &[1, 2]).usable().is_err());
        let doubt = Area {
            trouble: vec!["x".to_string()],
            ..area(&[true], &[1])
        };
        assert_eq!(doubt.usable(), Err("x".to_string()));
    }
}
