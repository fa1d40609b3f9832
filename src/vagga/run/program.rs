//! Finding and executing the program of a command inside the container.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::environ::Variables;
use crate::sys::process;
use crate::vagga::config::Run;
use crate::vagga::failure::{exit, Failure};

/// `default-shell` of containers that set none; `$cmdline` stands for the text of `run`.
const DEFAULT_SHELL: [&str; 4] = ["/bin/sh", "-c", CMDLINE, "--"];
/// Element of `default-shell` that is replaced.
const CMDLINE: &str = "$cmdline";

/// What is executed. The first word is the program: searched in `PATH` only if `search`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// All words.
    pub argv: Vec<OsString>,
    /// Look the program up in `PATH`.
    pub search: bool,
}

impl Program {
    /// The words of `run` with the arguments of the command line. `shell` is `default-shell`.
    pub fn new(run: &Run, shell: &[String], arguments: &[String]) -> Program {
        let (mut argv, search): (Vec<OsString>, bool) = match run {
            Run::Command(words) => {
                let search = words.first().is_some_and(|w| !w.contains('/'));
                (words.iter().map(OsString::from).collect(), search)
            }
            Run::Shell(text) if shell.is_empty() => (in_shell(&DEFAULT_SHELL, text), false),
            Run::Shell(text) => (in_shell(shell, text), false),
        };
        argv.extend(arguments.iter().map(OsString::from));
        Program { argv, search }
    }

    /// Becomes the program. Returns only on failure: exit 124 with the reason.
    pub fn exec(&self, environ: &Variables) -> Failure {
        let Some(name) = self.argv.first() else {
            return Failure::new(exit::SETUP, "Command is empty");
        };
        let variables: Vec<_> = environ.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        if !self.search {
            let path = Path::new(name);
            return explain(path, &process::exec(path, &self.argv, &variables));
        }
        let path = environ
            .get(OsStr::new("PATH"))
            .map_or("".as_ref(), OsString::as_os_str);
        let (dirs, skipped) = search_path(path);
        for dir in skipped {
            log::warn!("relative path {dir:?} in PATH is skipped");
        }
        let mut failed = Vec::new();
        for dir in dirs {
            let candidate = dir.join(name);
            let e = process::exec(&candidate, &self.argv, &variables);
            match e.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES) => failed.push((candidate, e)),
                _ => return explain(&candidate, &e),
            }
        }
        // A file that is there and still "not found" lacks its interpreter.
        match failed.iter().find(|(candidate, _)| candidate.exists()) {
            Some((candidate, e)) => explain(candidate, e),
            None => Failure::new(exit::SETUP, format!("Command {name:?} not found in {path:?}")),
        }
    }
}

fn in_shell<S: AsRef<str>>(shell: &[S], text: &str) -> Vec<OsString> {
    shell
        .iter()
        .map(|word| match word.as_ref() {
            CMDLINE => text.into(),
            other => other.into(),
        })
        .collect()
}

/// Absolute directories of `PATH`, and the relative ones, which would depend on the working directory.
fn search_path(path: &OsStr) -> (Vec<PathBuf>, Vec<PathBuf>) {
    path.as_bytes()
        .split(|&c| c == b':')
        .map(|dir| PathBuf::from(OsStr::from_bytes(dir)))
        .partition(|dir| dir.is_absolute())
}

/// Why execve(2) failed, in words.
fn explain(path: &Path, e: &io::Error) -> Failure {
    let failure = Failure::new(exit::SETUP, format!("Can't execute {path:?}: {e}"));
    match e.raw_os_error() {
        Some(libc::ENOENT) if path.exists() => failure
            .with_hint("the program exists, but its interpreter (`#!` line or dynamic loader) does not"),
        Some(libc::ENOENT) => Failure::new(
            exit::SETUP,
            format!("Command {path:?} not found in the container"),
        ),
        Some(libc::ENOEXEC) => {
            failure.with_hint("it is no program of this architecture, and a script must begin with `#!`")
        }
        Some(libc::EACCES) if is_noexec(path) => failure.with_hint(
            "its file system is mounted noexec: move the project, or set storage-dir in your settings",
        ),
        _ => failure,
    }
}

/// True when programs cannot be started from the file system of `path`.
fn is_noexec(path: &Path) -> bool {
    nix::sys::statvfs::statvfs(path)
        .is_ok_and(|fs| fs.flags().contains(nix::sys::statvfs::FsFlags::ST_NOEXEC))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(p: &Program) -> Vec<&str> {
        p.argv.iter().map(|w| w.to_str().unwrap()).collect()
    }

    #[test]
    fn lists_are_programs_and_strings_are_for_the_shell() {
        let run = Run::Command(vec!["echo".into(), "-n".into()]);
        let p = Program::new(&run, &[], &["x".into()]);
        assert_eq!(words(&p), ["echo", "-n", "x"]);
        assert!(p.search);
        let p = Program::new(&Run::Command(vec!["./x".into()]), &[], &[]);
        assert!(!p.search);
        let p = Program::new(&Run::Shell("echo $1".into()), &[], &["a".into()]);
        assert_eq!(words(&p), ["/bin/sh", "-c", "echo $1", "--", "a"]);
        assert!(!p.search);
        let shell = ["/bin/bash", "-ec", "$cmdline", "me"].map(String::from);
        let p = Program::new(&Run::Shell("x".into()), &shell, &["a".into()]);
        assert_eq!(words(&p), ["/bin/bash", "-ec", "x", "me", "a"]);
    }

    #[test]
    fn relative_directories_are_not_searched() {
        let (dirs, skipped) = search_path("/a::b:/c".as_ref());
        assert_eq!(dirs, [Path::new("/a"), Path::new("/c")]);
        assert_eq!(skipped, [Path::new(""), Path::new("b")]);
    }

    #[test]
    fn missing_program_is_a_set_up_error() {
        let p = Program::new(&Run::Command(vec!["no-such-program".into()]), &[], &[]);
        let environ = Variables::from([("PATH".into(), "/nowhere:/nosuch".into())]);
        let e = p.exec(&environ);
        assert_eq!(e.exit, exit::SETUP);
        assert!(e.message.contains("\"no-such-program\" not found in"), "{e}");
    }
}
