//! Reading `/proc` (proc(5)): every process with its parent, name and times; memory and command line only where lithos
//! is concerned.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Kernel names of the programs.
pub const TREE: &str = "lithos_tree";
/// Name of a knot.
pub const KNOT: &str = "lithos_knot";
/// Name of the first process of a container that waits for its turn.
pub const STANDBY: &str = "lithos_standby";
/// Files of `/proc` are read up to this size, bytes. Command lines may be long.
const LARGEST: u64 = 1 << 20;

/// A process that has not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// PID of its parent.
    pub parent: u32,
    /// Name the kernel has for it, at most 15 bytes.
    pub name: String,
    /// Number of threads.
    pub threads: u64,
    /// When it started: clock ticks since boot.
    pub start: u64,
    /// Clock ticks spent: in programs, in the kernel, and both by children that it has waited for.
    pub times: [u64; 4],
    /// Resident memory, bytes; 0 outside of containers.
    pub rss: u64,
    /// Memory on swap, bytes; 0 outside of containers.
    pub swap: u64,
    /// Words of the command line; empty but for trees and knots.
    pub words: Vec<String>,
}

/// Everything that runs at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Processes by PID.
    pub processes: BTreeMap<u32, Process>,
    /// When the machine booted, Unix seconds.
    pub boot: u64,
    /// Seconds since then, in clock ticks.
    pub uptime: u64,
}

/// Reads a `/proc`.
///
/// Errors: it cannot be listed, or the time of boot is missing from it.
pub fn scan(proc: &Path) -> io::Result<Snapshot> {
    let boot = number_after(&text(&proc.join("stat"))?, "btime ").unwrap_or_default();
    let mut snapshot = Snapshot {
        boot,
        uptime: uptime(&text(&proc.join("uptime"))?),
        ..Snapshot::default()
    };
    for entry in fs::read_dir(proc)? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|n| n.parse::<u32>().ok());
        let stat = pid.and_then(|pid| Some((pid, text(&proc.join(&name).join("stat")).ok()?)));
        if let Some((pid, process)) = stat.and_then(|(pid, stat)| Some((pid, parse_stat(&stat)?))) {
            snapshot.processes.insert(pid, process);
        }
    }
    details(proc, &mut snapshot.processes);
    Ok(snapshot)
}

/// Reads what costs more, only where it is shown.
fn details(proc: &Path, processes: &mut BTreeMap<u32, Process>) {
    let inside = below_knots(processes);
    for (pid, process) in processes.iter_mut() {
        let dir = proc.join(pid.to_string());
        if [TREE, KNOT, STANDBY].contains(&process.name.as_str()) {
            let line = text(&dir.join("cmdline")).unwrap_or_default();
            process.words = line.split_terminator('\0').map(String::from).collect();
        }
        if inside.contains(pid) {
            let status = text(&dir.join("status")).unwrap_or_default();
            process.rss = kilobytes(&status, "VmRSS:");
            process.swap = kilobytes(&status, "VmSwap:");
        }
    }
}

fn below_knots(processes: &BTreeMap<u32, Process>) -> BTreeSet<u32> {
    let is_knot = |pid: &u32| processes.get(pid).is_some_and(|p| p.name == KNOT);
    let inside = |pid: &&u32| ancestors(processes, **pid).iter().any(is_knot);
    processes.keys().filter(inside).copied().collect()
}

/// Parents of a process up to the first, nearest first. Ends where PIDs that were used again make a circle.
fn ancestors(processes: &BTreeMap<u32, Process>, pid: u32) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    let mut at = pid;
    while let Some(parent) = processes.get(&at).map(|p| p.parent) {
        if parent == 0 || parent == pid || found.contains(&parent) {
            break;
        }
        found.push(parent);
        at = parent;
    }
    found
}

/// The name stands in parentheses and may hold any bytes, parentheses too; the other fields follow the last one.
fn parse_stat(stat: &str) -> Option<Process> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    if matches!(fields.first(), None | Some(&("Z" | "X"))) {
        return None;
    }
    // Times of children are signed.
    let signed = |at: usize| {
        fields
            .get(at)?
            .parse::<i64>()
            .ok()
            .map(|n| u64::try_from(n).unwrap_or(0))
    };
    Some(Process {
        parent: u32::try_from(number(1)?).ok()?,
        name: name.to_string(),
        threads: number(17)?,
        start: number(19)?,
        times: [number(11)?, number(12)?, signed(13)?, signed(14)?],
        ..Process::default()
    })
}

fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// `VmRSS:     1234 kB`; missing for kernel threads: 0.
fn kilobytes(status: &str, key: &str) -> u64 {
    number_after(status, key).unwrap_or(0).saturating_mul(1024)
}

/// `12345.67 …` seconds in clock ticks.
fn uptime(text: &str) -> u64 {
    let seconds: f64 = text.split(' ').next().and_then(|t| t.parse().ok()).unwrap_or(0.0);
    (seconds * super::TICKS as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat() {
        let text = "7 (a) b (c) S 3 7 7 0 -1 4 1 2 3 4 11 12 13 14 20 0 5 0 900 1 2 3";
        let process = parse_stat(text).unwrap();
        assert_eq!((process.parent, process.threads, process.start), (3, 5, 900));
        assert_eq!(process.name, "a) b (c");
        assert_eq!(process.times, [11, 12, 13, 14]);
        assert_eq!(parse_stat(&text.replace(" S ", " Z ")), None);
        for bad in ["", "7 (a", "7 (a)", "7 (a) S", "7 (a) S x 7 7 0 -1 4"] {
            assert_eq!(parse_stat(bad), None, "{bad}");
        }
    }

    #[test]
    fn figures_of_files() {
        assert_eq!(kilobytes("VmPeak:\t9 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), 12288);
        assert_eq!(kilobytes("", "VmRSS:"), 0);
        assert_eq!(uptime("12.34 5.6\n"), 1234);
        assert_eq!(number_after("cpu 1\nbtime 17\n", "btime "), Some(17));
    }

    #[test]
    fn circles_end() {
        let process = |parent| Process {
            parent,
            ..Process::default()
        };
        let processes = BTreeMap::from([(1, process(2)), (2, process(3)), (3, process(2))]);
        assert_eq!(ancestors(&processes, 1), [2, 3]);
    }

    #[test]
    fn our_own_machine_can_be_read() {
        let snapshot = scan(Path::new("/proc")).unwrap();
        assert!(snapshot.processes.contains_key(&std::process::id()));
        assert!(snapshot.boot > 0 && snapshot.uptime > 0);
    }
}
