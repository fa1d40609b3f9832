//! What is known on disk about running containers: `RUNTIME/knots/SB/PROC.N.json`, by which a tree that did not start
//! them finds them. A record is a claim, checked against the process it names before anything is done with it.

use std::io;
use std::path::{Path, PathBuf};

use serde_derive::{Deserialize, Serialize};

use super::machine::split_name;
use crate::lithos::origin::Origin;
use crate::sys::fs::replace;

/// One running container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `SB/PROC.N`.
    pub name: String,
    /// Instance configuration, as on the command line of the knot.
    pub instance: String,
    /// Master file of its tree.
    pub master: PathBuf,
    /// Init of the container.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`.
    pub start_time: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Name of its control group; empty: none.
    pub cgroup: String,
    /// Milliseconds of the monotonic clock.
    pub started_at: u64,
    /// State of its restarts.
    pub throttle: Throttle,
    /// Files that it was started from; `None` = nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// What decides about the next start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Throttle {
    /// Ends in quick succession before this start.
    pub ends: u32,
}

/// The directory of records.
#[derive(Debug, Clone)]
pub struct Records(PathBuf);

impl Records {
    /// Below the runtime directory.
    pub fn new(runtime: &Path) -> Records {
        Records(runtime.join("knots"))
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    fn path(&self, name: &str, end: &str) -> io::Result<PathBuf> {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['/', '\0']);
        match name.split_once('/') {
            Some((sandbox, rest)) if plain(sandbox) && plain(rest) => {
                Ok(self.0.join(sandbox).join(format!("{rest}.{end}")))
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Makes the directory for the records of a container, which its knot needs too.
    pub fn prepare(&self, name: &str) -> io::Result<()> {
        match self.path(name, "json")?.parent() {
            Some(dir) => std::fs::create_dir_all(dir),
            None => Ok(()),
        }
    }

    /// Writes a record, whole or not at all.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        let text = serde_json::to_string(record)? + "\n";
        replace(&self.path(&record.name, "json")?, text.as_bytes(), 0o600)
    }

    /// Removes the record of a container and what its knot left about its end.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        for end in ["json", "exit"] {
            match std::fs::remove_file(self.path(name, end)?) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// The file in which the knot of one container writes about the end of its process becomes that of another.
    pub fn rename_exit(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from, "exit")?, self.path(to, "exit")?)
    }

    /// What the knot wrote about the end of its process.
    pub fn exit_text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name, "exit").ok()?).ok()
    }

    /// All records that can be read, and what is wrong with the others.
    pub fn read_all(&self) -> (Vec<Record>, Vec<String>) {
        let (mut records, mut wrong) = (Vec::new(), Vec::new());
        for dir in entries(&self.0) {
            for path in entries(&dir) {
                if path.extension().is_none_or(|end| end != "json") {
                    continue;
                }
                match read(&path) {
                    Ok(record) => records.push(record),
                    Err(e) => wrong.push(format!("record {}: {e}", path.display())),
                }
            }
        }
        (records, wrong)
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> io::Result<Record> {
    let record: Record = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    match split_name(&record.name) {
        Some(_) if record.pid > 1 => Ok(record),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "no container's name and pid",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_written_read_and_removed() {
        let t = crate::sys::fs::tests::Temp::new();
        let records = Records::new(&t.0);
        let record = Record {
            name: "app/web.0".into(),
            instance: "{}".into(),
            master: "/m".into(),
            pid: 77,
            start_time: 5,
            boot_id: "b".into(),
            cgroup: String::new(),
            started_at: 9,
            throttle: Throttle { ends: 2 },
            origin: None,
        };
        records.prepare("app/web.0").unwrap();
        records.write(&record).unwrap();
        std::fs::write(t.0.join("knots/app/x.1.json"), "{").unwrap();
        let (all, wrong) = records.read_all();
        assert_eq!((all, wrong.len()), (vec![record], 1));
        records.remove("app/web.0").unwrap();
        records.remove("app/web.0").unwrap();
        assert!(records.read_all().0.is_empty());
        for bad in ["../x.0", "app/..", "app", "/x.0"] {
            assert!(records.prepare(bad).is_err(), "{bad}");
        }
    }
}
