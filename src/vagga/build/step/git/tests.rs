//! Clones and exports of repositories made in a temporary directory.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

static DIRS: AtomicUsize = AtomicUsize::new(0);

struct Temp(PathBuf);

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Temp {
    /// A directory with the repository `r` that has one commit, a cache and a place to write to.
    fn new() -> Temp {
        let n = DIRS.fetch_add(1, Ordering::Relaxed);
        let temp = Temp(std::env::temp_dir().join(format!("vagga-git-{}-{n}", std::process::id())));
        for dir in ["r/tests", "cache", "out"] {
            fs::create_dir_all(temp.0.join(dir)).unwrap();
        }
        temp.git("r", &["init", "-q", "-b", "main"]);
        fs::write(temp.0.join("r/tests/a"), "1").unwrap();
        fs::write(temp.0.join("r/ver"), "$Format:%H$").unwrap();
        fs::write(
            temp.0.join("r/.gitattributes"),
            "tests export-ignore\nver export-subst\n",
        )
        .unwrap();
        temp.commit("r");
        temp
    }

    fn git(&self, dir: &str, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.0.join(dir))
            .args([
                "-c",
                "user.name=n",
                "-c",
                "user.email=e@x",
                "-c",
                "protocol.file.allow=always",
            ])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, dir: &str) -> String {
        self.git(dir, &["add", "-A"]);
        self.git(dir, &["commit", "-q", "-m", "x"]);
        self.git(dir, &["rev-parse", "HEAD"])
    }

    fn source(&self) -> Source {
        let url = format!("file://{}", self.0.join("r").display());
        Source::of_step(&url, Path::new("/nonexistent"), &Default::default()).unwrap()
    }

    /// Checks out into a fresh directory and returns it.
    fn export(&self, revision: Option<&str>, branch: Option<&str>) -> Result<PathBuf, StepError> {
        let wanted = Wanted {
            source: self.source(),
            revision,
            branch,
        };
        let program = Program::new(&wanted.source, true);
        let commit = clone::updated(&program, &self.0.join("cache"), &wanted)?;
        let out = self
            .0
            .join(format!("out/{}", DIRS.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&out).unwrap();
        export(&program, &commit, &Root::open(&out).unwrap())?;
        Ok(out)
    }
}

#[test]
fn an_export_is_a_checkout_without_git() {
    let temp = Temp::new();
    let out = temp.export(None, None).unwrap();
    assert_eq!(fs::read(out.join("tests/a")).unwrap(), b"1");
    assert_eq!(fs::read(out.join("ver")).unwrap(), b"$Format:%H$");
    assert!(!out.join(".git").exists());
}

#[test]
fn branches_advance_and_the_head_is_followed() {
    let temp = Temp::new();
    let first = temp.git("r", &["rev-parse", "HEAD"]);
    temp.export(None, Some("main")).unwrap();
    fs::write(temp.0.join("r/tests/a"), "2").unwrap();
    temp.commit("r");
    let read = |out: PathBuf| fs::read_to_string(out.join("tests/a")).unwrap();
    assert_eq!(read(temp.export(None, Some("main")).unwrap()), "2");
    assert_eq!(read(temp.export(Some(&first), None).unwrap()), "1");
    temp.git("r", &["checkout", "-q", "-b", "other"]);
    fs::write(temp.0.join("r/tests/a"), "3").unwrap();
    temp.commit("r");
    temp.git("r", &["branch", "-q", "-D", "main"]);
    assert_eq!(read(temp.export(None, None).unwrap()), "3");
    let error = temp.export(None, Some("main")).unwrap_err();
    assert!(error.message.contains("there is no refs/heads/main"), "{error}");
}

#[test]
fn a_known_commit_needs_no_repository() {
    let temp = Temp::new();
    let first = temp.git("r", &["rev-parse", "HEAD"]);
    temp.export(None, None).unwrap();
    fs::rename(temp.0.join("r"), temp.0.join("gone")).unwrap();
    temp.export(Some(&first), None).unwrap();
    assert!(temp.export(None, None).is_err());
    fs::rename(temp.0.join("gone"), temp.0.join("r")).unwrap();
}

#[test]
fn a_commit_off_all_branches_is_asked_for() {
    let temp = Temp::new();
    temp.export(None, None).unwrap();
    temp.git("r", &["checkout", "-q", "--detach"]);
    fs::write(temp.0.join("r/tests/a"), "loose").unwrap();
    let loose = temp.commit("r");
    temp.git("r", &["checkout", "-q", "main"]);
    temp.git("r", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let out = temp.export(Some(&loose), None).unwrap();
    assert_eq!(fs::read(out.join("tests/a")).unwrap(), b"loose");
    let error = temp.export(Some("nosuch"), None).unwrap_err();
    assert!(error.message.contains("there is no nosuch"), "{error}");
}

#[test]
fn submodules_are_found() {
    let temp = Temp::new();
    let id = temp.git("r", &["rev-parse", "HEAD"]);
    temp.git("", &["init", "-q", "-b", "main", "outer"]);
    temp.git("outer", &["submodule", "--quiet", "add", "../r", "lib/inner"]);
    temp.commit("outer");
    let url = format!("file://{}", temp.0.join("outer").display());
    let source = Source::of_step(&url, Path::new("/nonexistent"), &Default::default()).unwrap();
    let wanted = Wanted {
        source: source.clone(),
        revision: None,
        branch: None,
    };
    let program = Program::new(&source, true);
    let commit = clone::updated(&program, &temp.0.join("cache"), &wanted).unwrap();
    let modules = submodules::list(&program, &commit).unwrap();
    let expected = submodules::Module {
        path: "lib/inner".into(),
        commit: id,
        url: Some("../r".into()),
    };
    assert_eq!(modules, [expected]);
    let inner = source.submodule("../r", Path::new("/nonexistent")).unwrap();
    assert_eq!(inner.address, temp.source().address);
}
