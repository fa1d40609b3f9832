//! The history of processes files: what the tree was told to run, and since when. One line for each sandbox at every
//! start of the tree, `RFC3339 JSON`, in `CONFIG_LOG_DIR/SB.log`; older lines move to `SB.log.1` … `SB.log.100`.
//!
//! The tree writes, `lithos_clean` reads. Nothing here decides what is kept, see `lithos::clean`.

mod read;
mod write;

use std::collections::BTreeMap;

use serde_derive::{Deserialize, Serialize};

use super::config::{ProcessEntry, ProcessKind, Processes};
use crate::sys::calendar::Date;

pub use read::{read, Found, History, Record};
pub use write::append;

/// A file larger than this is moved aside before the next line, bytes.
pub const LARGEST: u64 = 10 << 20;
/// Files that were moved aside and are kept.
pub const KEPT: u32 = 100;

/// An entry of a processes file, commands too, in the order of its keys in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Number of containers.
    pub instances: u32,
    /// Directory below `image-dir`.
    pub image: String,
    /// Path of the container file in the image.
    pub config: String,
    /// Values of variables; left out when empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Namespaces of secrets; left out when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_secrets_namespaces: Vec<String>,
    /// Addresses of instances; left out when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// Supervised or not.
    pub kind: ProcessKind,
}

impl Entry {
    fn new(entry: &ProcessEntry) -> Entry {
        Entry {
            instances: entry.instances,
            image: entry.image.clone(),
            config: entry.config.clone(),
            variables: entry.variables.clone(),
            extra_secrets_namespaces: entry.extra_secrets_namespaces.clone(),
            ip_addresses: entry.ip_addresses.iter().map(ToString::to_string).collect(),
            kind: entry.kind,
        }
    }
}

/// All entries by name.
pub type Configuration = BTreeMap<String, Entry>;

/// The line for a processes file, with its line end.
pub fn line(now: Date, processes: &Processes) -> String {
    let entries: Configuration = processes
        .iter()
        .map(|(n, e)| (n.clone(), Entry::new(e)))
        .collect();
    // Strings, numbers and maps by strings always have a JSON form.
    let json = serde_json::to_string(&entries).unwrap_or_default();
    format!("{now} {json}\n")
}

/// Moment and entries of a line without its line end; none when it is damaged.
pub fn parse(line: &str) -> Option<(Date, Configuration)> {
    let (date, json) = line.split_once(' ')?;
    Some((Date::parse(date)?, serde_json::from_str(json).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lithos::config;
    use proptest::prelude::*;

    #[test]
    fn a_line_as_documented() {
        let text = "web: {image: i.1, config: /c.yaml, instances: 2, variables: {b: x, a: y}, \
                    ip-addresses: [10.0.0.1], extra-secrets-namespaces: [n]}\n\
                    cmd: {image: i.1, config: /d.yaml, kind: Command}\n";
        let processes: Processes = config::parse("x", text.as_bytes()).unwrap();
        let line = line(Date::from_seconds(0), &processes);
        assert_eq!(
            line,
            "1970-01-01T00:00:00Z {\"cmd\":{\"instances\":1,\"image\":\"i.1\",\"config\":\"/d.yaml\",\
             \"kind\":\"Command\"},\"web\":{\"instances\":2,\"image\":\"i.1\",\"config\":\"/c.yaml\",\
             \"variables\":{\"a\":\"y\",\"b\":\"x\"},\"extra_secrets_namespaces\":[\"n\"],\
             \"ip_addresses\":[\"10.0.0.1\"],\"kind\":\"Daemon\"}}\n"
        );
        let (date, entries) = parse(line.trim_end()).unwrap();
        assert_eq!(date, Date::from_seconds(0));
        assert_eq!(entries["web"].image, "i.1");
        assert_eq!(parse("1970-01-01T00:00:00Z {}").unwrap().1.len(), 0);
    }

    #[test]
    fn damaged_lines_are_seen() {
        for line in [
            "",
            "x {}",
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z {\"a\":{}}",
            "1970-01-01T00:00:00Z {",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(line: String) {
            let _ = parse(&line);
        }
    }
}
