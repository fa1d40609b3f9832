//! What `/proc` says about processes: identity, command line, sockets. Reads only.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use crate::lithos::knot::message::STANDBY_NAME;

/// Start time of a process in ticks since the boot, field 22 of `/proc/PID/stat` (proc_pid_stat(5)).
pub fn start_time(pid: i32) -> Option<u64> {
    // In one read, since each start of a container asks: the file has no size that a buffer could be made by.
    let mut stat = [0; 1024];
    let mut file = fs::File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut stat).ok()?;
    // The second field is the name in parentheses, which may contain anything.
    let text = String::from_utf8_lossy(stat.get(..length)?);
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// True for a process that runs: neither gone nor a zombie.
pub fn is_alive(pid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = text
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_ascii_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

/// Identity of this boot of the kernel.
pub fn boot_id() -> String {
    // Read once: each start of a container asks.
    static KNOWN: OnceLock<String> = OnceLock::new();
    if let Some(id) = KNOWN.get() {
        return id.clone();
    }
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    match text.trim() {
        "" => String::new(),
        id => KNOWN.get_or_init(|| id.to_string()).clone(),
    }
}

/// Whether a process is in a control group of this name, in any hierarchy.
pub fn is_in_group(pid: i32, name: &str) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    text.lines().any(|line| line.split('/').any(|part| part == name))
}

/// Kernel name of a process.
pub fn comm(pid: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(text.trim_end().to_string())
}

/// All process ids.
pub fn pids() -> Vec<i32> {
    let found = fs::read_dir("/proc").into_iter().flatten().flatten();
    found
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// A process whose command line is that of a knot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnotLike {
    /// Process id.
    pub pid: i32,
    /// `--name`.
    pub name: String,
    /// `--config`.
    pub json: String,
    /// What it is, going by its PID namespace.
    pub role: Role,
}

/// What a knot does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sets a container up: it is in our PID namespace.
    Setup,
    /// The first process of a PID namespace directly below ours.
    Init,
    /// The first process of a container that waits for its turn.
    Standby,
    /// None that a tree has started.
    Other,
}

/// A process that has the command line of a knot of this master file, and runs the knot's program; or may be about to
/// have it, without a name.
pub fn knot_like(pid: i32, master: &Path, program: &Path) -> Option<KnotLike> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    // For a moment of execve(2) there is the program, but no command line: whose knot this is comes out later.
    let is_new = line.is_empty();
    let (name, json) = match is_new {
        true => (String::new(), String::new()),
        false => parse_command_line(&line, master)?,
    };
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let exe = exe.to_str()?.trim_end_matches(" (deleted)");
    (Path::new(exe) == program).then_some(())?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let ids: Vec<&str> = ids.split_ascii_whitespace().collect();
    let waits = comm(pid).is_some_and(|name| STANDBY_NAME.to_str() == Ok(&name));
    let role = match ids.as_slice() {
        [_] => Role::Setup,
        [_, "1"] if waits => Role::Standby,
        [_, "1"] => Role::Init,
        _ => Role::Other,
    };
    let like = KnotLike {
        pid,
        name,
        json,
        role,
    };
    (!is_new || role == Role::Setup).then_some(like)
}

/// `PROGRAM --name NAME --master MASTER --config JSON …`: name and JSON.
fn parse_command_line(line: &[u8], master: &Path) -> Option<(String, String)> {
    let words: Vec<&str> = line
        .split(|b| *b == 0)
        .map(std::str::from_utf8)
        .collect::<Result<_, _>>()
        .ok()?;
    match words.as_slice() {
        [program, "--name", name, "--master", path, "--config", json, ..]
            if Path::new(program).file_name()? == "lithos_knot" && Path::new(path) == master =>
        {
            Some((name.to_string(), json.to_string()))
        }
        _ => None,
    }
}

/// The numbers of the sockets that a process has open.
pub fn sockets(pid: i32) -> Vec<i32> {
    let found = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let is_socket = |entry: &fs::DirEntry| {
        let link = fs::read_link(entry.path()).unwrap_or_default();
        link.to_string_lossy().starts_with("socket:")
    };
    let numbers = found
        .filter(is_socket)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.collect()
}

/// Direct children of a process (proc_pid_task_children(5)).
pub fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_seen() {
        let me = std::process::id() as i32;
        assert!(start_time(me).unwrap() > 0 && is_alive(me) && pids().contains(&me));
        assert!(!boot_id().is_empty() && !is_in_group(me, "no-such-group"));
        assert_eq!(knot_like(me, Path::new("/m"), Path::new("/x")), None);
        assert_eq!((start_time(-1), is_alive(-1)), (None, false));
    }

    #[test]
    fn command_lines_of_knots_are_recognised() {
        let line = b"/usr/bin/lithos_knot\0--name\0app/web.0\0--master\0/m\0--config\0{}\0--log-stderr\0";
        let found = parse_command_line(line, Path::new("/m"));
        assert_eq!(found, Some(("app/web.0".into(), "{}".into())));
        for bad in [
            &b"/usr/bin/lithos_knot\0--name\0app/web.0\0--master\0/other\0--config\0{}\0"[..],
            b"/usr/bin/lithos_cmd\0--name\0app/web.0\0--master\0/m\0--config\0{}\0",
            b"lithos_knot\0--name\0x\0",
            b"",
            b"\xff\0",
        ] {
            assert_eq!(parse_command_line(bad, Path::new("/m")), None);
        }
    }
}
