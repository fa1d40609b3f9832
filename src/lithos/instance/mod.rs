//! One container of a process entry: its name, the JSON that identifies it, and what variables make of its file.

mod effective;
mod name;
mod substitute;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_derive::{Deserialize, Serialize};

use crate::lithos::config::{ProcessEntry, ProcessKind};

pub use effective::{activated, Effective, Listener};
pub use name::{is_component, InstanceName, Place};
pub use substitute::Variables;

/// The configuration of one instance. Its [`Instance::to_json`] is on the command line of the knot and is the
/// identity of the running container: equal bytes mean "leave alone".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    instances: u32,
    /// Directory below `image-dir`.
    pub image: String,
    /// Container file, a path in the image.
    pub config: String,
    /// Values of variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Namespaces of secrets besides those of the sandbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_secrets_namespaces: Vec<String>,
    /// Address in a bridged sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<IpAddr>,
    /// Supervised or not.
    pub kind: ProcessKind,
}

impl Instance {
    /// Instance `index` of an entry; a command is always the first.
    pub fn of(entry: &ProcessEntry, index: u32) -> Instance {
        let index = match entry.kind {
            ProcessKind::Daemon => index as usize,
            ProcessKind::Command => 0,
        };
        Instance {
            instances: 1,
            image: entry.image.clone(),
            config: entry.config.clone(),
            variables: entry.variables.clone(),
            extra_secrets_namespaces: entry.extra_secrets_namespaces.clone(),
            ip_address: entry.ip_addresses.get(index).copied(),
            kind: entry.kind,
        }
    }

    /// Compact JSON, keys in a fixed order, absent parts left out.
    pub fn to_json(&self) -> String {
        // Strings, numbers and maps with text keys cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Instance::to_json`] wrote, or an older version of it.
    ///
    /// Errors: what is wrong, with its place in the text.
    pub fn parse(json: &str) -> Result<Instance, String> {
        serde_json::from_str(json).map_err(|e| format!("instance configuration: {e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lithos::config::{parse, Processes};
    use proptest::prelude::*;

    fn entry(text: &str) -> ProcessEntry {
        let text = format!("web: {{image: img.v1, config: /config/web.yaml, {text}}}");
        parse::<Processes>("p", text.as_bytes()).unwrap()["web"].clone()
    }

    #[test]
    fn the_identity_of_the_contract() {
        assert_eq!(
            Instance::of(&entry("instances: 2"), 1).to_json(),
            r#"{"instances":1,"image":"img.v1","config":"/config/web.yaml","kind":"Daemon"}"#
        );
        let full = entry(
            "variables: {b: 2, a: é}, extra-secrets-namespaces: [x], ip-addresses: [10.0.0.1, 10.0.0.2]",
        );
        assert_eq!(
            Instance::of(&full, 1).to_json(),
            r#"{"instances":1,"image":"img.v1","config":"/config/web.yaml","variables":{"a":"é","b":"2"},"extra_secrets_namespaces":["x"],"ip_address":"10.0.0.2","kind":"Daemon"}"#
        );
        let command = entry("kind: Command, ip-addresses: [10.0.0.1]");
        assert_eq!(
            Instance::of(&command, 7).ip_address,
            Some("10.0.0.1".parse().unwrap())
        );
    }

    #[test]
    fn hostile_json_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"instances":-1,"image":"a","config":"/c","kind":"Daemon"}"#,
            r#"{"instances":1,"image":"a","config":"/c","kind":"CommandOrDaemon"}"#,
            r#"{"instances":1,"image":"a","config":"/c","kind":"Daemon","x":1}"#,
        ] {
            assert!(Instance::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(image in "\\PC*", variables in proptest::collection::btree_map("\\PC*", "\\PC*", 0..4)) {
            let instance = Instance { image, variables, ..Instance::of(&entry("instances: 1"), 0) };
            let json = instance.to_json();
            let read = Instance::parse(&json).unwrap();
            prop_assert_eq!(read.to_json(), json);
            prop_assert_eq!(read, instance);
        }
    }
}
