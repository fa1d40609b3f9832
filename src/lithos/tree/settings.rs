//! Command line and master file of the tree, and the directories it needs.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::{Flag, Manual, Tool};
use crate::config::document::read_limited;
use crate::lithos::config::{self, Level, Master};
use crate::lithos::options;

/// Options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Master file.
    Config,
    /// Log to standard error too.
    LogStderr,
    /// Level of the log.
    LogLevel,
    /// Containers end with the tree.
    DieWithTree,
    /// Only print what a reload would do.
    DryRun,
}

/// The command line.
pub const TOOL: Tool<Key> = Tool {
    flags: &[
        options::config(Key::Config),
        options::log_stderr(Key::LogStderr),
        options::log_level(Key::LogLevel),
        Flag::new(
            Key::DieWithTree,
            &["--die-with-tree"],
            "End all containers when this process dies, instead of leaving them to the next one",
        ),
        Flag::new(
            Key::DryRun,
            &["--dry-run"],
            "Print what a reload would start, stop, replace and keep, and exit",
        ),
    ],
    values: options::VALUES,
    manual: Manual {
        section: 8,
        description: &[
            "lithos_tree keeps running what the files of the sandboxes describe. It stays in the foreground and is \
             meant to be started by an init system, or to be the first process itself.",
            "A reload replaces the program by a fresh copy of itself with the same process id; containers and \
             listening sockets are not touched by it. Even if the process is killed the containers go on, and the \
             next lithos_tree takes them over.",
            "Whatever cannot be read stays as it was read last without error: only what is removed from the files \
             is stopped.",
        ],
        lists: &[
            (
                "SIGNALS",
                &[
                    ("HUP, QUIT, USR1, USR2", "Reload."),
                    ("TERM, INT", "Stop all containers, then exit. Nothing takes this back."),
                ],
            ),
            (
                "EXIT STATUS",
                &[
                    ("0", "Stopped by a signal, after all containers."),
                    ("1", "It cannot start: no privileges, an unreadable master file, another tree."),
                    ("2", "Wrong command line."),
                    ("127", "A program that belongs to it is missing next to it."),
                ],
            ),
            (
                "FILES",
                &[
                    ("/etc/lithos/master.yaml", "The master file."),
                    ("/run/lithos/master.pid", "Process id of the tree."),
                    ("/run/lithos/knots", "Records of running containers."),
                    ("/run/lithos/last-good", "Configuration that was read last without error."),
                ],
            ),
        ],
        see_also: &["lithos_check(8)", "lithos_switch(8)", "lithos_ps(8)"],
    },
    ..Tool::new("lithos_tree", "supervises the containers of this machine")
};

/// Where the master file is, absolute: the working directory may be gone one day.
pub fn absolute(path: &str) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Reads the master file. Errors: a text with all problems.
pub fn read_master(path: &Path) -> Result<(Master, String), String> {
    let fail = |why: String| format!("{}: {why}", path.display());
    let bytes = read_limited(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => fail(format!("Error reading file: {e}{}", Master::IF_MISSING)),
        _ => fail(format!("Error reading file: {e}")),
    })?;
    let text = String::from_utf8(bytes).map_err(|e| fail(e.to_string()))?;
    Ok((parse_master(path, &text)?, text))
}

/// The same for a text read before.
pub fn parse_master(path: &Path, text: &str) -> Result<Master, String> {
    let name = path.display().to_string();
    config::parse(&name, text.as_bytes()).map_err(|problems| problems.to_string())
}

/// Makes the directories of the master file that are missing, one level only.
///
/// Errors: one line naming the directory.
pub fn make_directories(master: &Master) -> Result<(), String> {
    let own = ["knots", "last-good"].map(|name| (master.runtime_dir.join(name), 0o700));
    let visible = [
        Some(master.runtime_dir.clone()),
        Some(master.state_dir()),
        Some(master.mount_dir()),
        Some(master.default_log_dir.clone()),
        master.config_log_dir.clone(),
        Some(master.stdio_log_dir.clone()),
    ];
    let visible = visible.into_iter().flatten().map(|dir| (dir, 0o755));
    for (dir, mode) in visible.chain(own) {
        make_directory(&dir, mode).map_err(|e| format!("directory {}: {e}", dir.display()))?;
    }
    Ok(())
}

fn make_directory(dir: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match std::fs::DirBuilder::new().mode(mode).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_made_one_level_deep() {
        let t = crate::sys::fs::tests::Temp::new();
        let base = t.0.display();
        let text = format!(
            "runtime-dir: {base}/run\ndefault-log-dir: {base}/log\nconfig-log-dir: {base}/log/config\nstdio-log-dir: {base}/log/stderr\n"
        );
        let master = parse_master(Path::new("m"), &text).unwrap();
        make_directories(&master).unwrap();
        make_directories(&master).unwrap();
        assert!(t.0.join("run/knots").is_dir() && t.0.join("log/stderr").is_dir());
        std::fs::remove_dir_all(t.0.join("log")).unwrap();
        std::fs::write(t.0.join("log"), "").unwrap();
        assert!(make_directories(&master).unwrap_err().contains("/log: "));
    }
}
