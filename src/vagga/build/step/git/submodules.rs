//! Sub-modules of a commit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::program::Program;
use super::Commit;
use crate::vagga::build::error::StepError;

/// A place in a tree where another repository belongs.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// Relative to the root of the repository.
    pub path: PathBuf,
    /// The commit recorded there.
    pub commit: String,
    /// What `.gitmodules` says, if it does.
    pub url: Option<String>,
}

/// Sub-modules of a commit, in the order of their paths.
pub fn list(program: &Program, commit: &Commit) -> Result<Vec<Module>, StepError> {
    let blob = format!("{}:.gitmodules", commit.id);
    let pattern = r"^submodule\..*\.(path|url)$";
    let arguments = ["config", "--blob", &blob, "-z", "--get-regexp", pattern];
    let Some(settings) = program.answer(&commit.clone, &arguments)? else {
        // No such file, or nothing in it.
        return Ok(Vec::new());
    };
    let tree = program.output(&commit.clone, &["ls-tree", "-r", "-z", &commit.id])?;
    let urls = urls(&settings);
    let links = String::from_utf8_lossy(&tree);
    let links = links.split('\0').filter_map(link);
    Ok(links
        .map(|(commit, path)| Module {
            path: path.into(),
            commit: commit.into(),
            url: urls.get(path).cloned(),
        })
        .collect())
}

/// `160000 commit ID\tPATH` → id and path.
fn link(line: &str) -> Option<(&str, &str)> {
    let (head, path) = line.split_once('\t')?;
    let id = head.strip_prefix("160000 commit ")?;
    Some((id, path))
}

/// Addresses by path, from records `submodule.NAME.KEY\nVALUE\0`.
fn urls(settings: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(settings);
    let mut modules: BTreeMap<&str, (Option<&str>, Option<&str>)> = BTreeMap::new();
    for record in text.split('\0') {
        let Some((key, value)) = record.split_once('\n') else {
            continue;
        };
        if let Some((name, key)) = key.rsplit_once('.') {
            let module = modules.entry(name).or_default();
            match key {
                "path" => module.0 = Some(value.trim_end_matches('/')),
                _ => module.1 = Some(value),
            }
        }
    }
    let known = modules
        .into_values()
        .filter_map(|(path, url)| Some((path?, url?)));
    known
        .map(|(path, url)| (path.to_owned(), url.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_modules() {
        let text = b"submodule.a.b.path\nlib/x/\0submodule.a.b.url\n../x.git\0submodule.c.path\ny\0";
        let urls = urls(text);
        assert_eq!(urls.get("lib/x").map(String::as_str), Some("../x.git"));
        assert_eq!(urls.len(), 1);
        assert_eq!(link("160000 commit abc\tlib/a b"), Some(("abc", "lib/a b")));
        assert_eq!(link("100644 blob abc\tfile"), None);
    }
}
