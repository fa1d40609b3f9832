//! The tables of keys of `vagga.yaml` and of the settings: names, kinds, defaults, one line of documentation.
//!
//! Checking, defaults, the suggestion for a misspelt key and the JSON schema come from these tables. They have to
//! agree with the types of the room above; a test decodes a document that holds only defaults.

pub mod command;
pub mod container;
pub mod settings;
pub mod step;
pub mod step_keys;
pub mod volume;

use crate::config::schema::{optional, with, Default, Key, KeyRule, Kind, PathRule, Structure};

pub use settings::{PROJECT_SETTINGS, SITE_SETTINGS, USER_SETTINGS};

/// A whole configuration file.
pub const CONFIG: Kind = Kind::Structure(&Structure {
    keys: &[CONFIG_KEYS],
    scalar: None,
});

const CONFIG_KEYS: &[Key] = &[
    optional(
        "minimum_vagga",
        Kind::Text,
        "Version of vagga that the file demands.",
    ),
    with(
        "mixins",
        Kind::List(&Kind::Path(PathRule::Any)),
        Default::List,
        "Further files whose commands and containers are taken over; later ones win.",
    ),
    with(
        "commands",
        Kind::Map(KeyRule::Any, &command::MAIN),
        Default::Map,
        "Commands by name.",
    ),
    with(
        "containers",
        Kind::Map(KeyRule::Any, &container::CONTAINER),
        Default::Map,
        "Containers by name.",
    ),
];

/// Largest id that fits the kernel's type.
const MAX_ID: i64 = u32::MAX as i64;

/// A user or group id.
const ID: Kind = Kind::Number { min: 0, max: MAX_ID };
/// Bytes.
const SIZE: Kind = Kind::Number {
    min: 0,
    max: i64::MAX,
};
/// Permission bits with set-id and sticky bits.
const MODE: Kind = Kind::Number { min: 0, max: 0o1777 };
const ABSOLUTE: Kind = Kind::Path(PathRule::Absolute);
const RELATIVE: Kind = Kind::Path(PathRule::Relative);
const PATH: Kind = Kind::Path(PathRule::Any);
const ENVIRON: Kind = Kind::Map(KeyRule::Any, &Kind::Text);
const STRINGS: Kind = Kind::List(&Kind::Text);
const RANGES: Kind = Kind::List(&Kind::IdRange);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::{Default, Variant};
    use crate::config::{load_text, Document};
    use crate::vagga::config::{Config, Settings};

    /// YAML of a value of this kind; with `full` every key of a structure, else only those that are required.
    fn sample(kind: &Kind, full: bool) -> String {
        match kind {
            Kind::Text | Kind::ShellOrCommand => "text".into(),
            Kind::Bool => "true".into(),
            Kind::Number { max, .. } | Kind::Integer { max, .. } => max.to_string(),
            Kind::IpAddress | Kind::IpNetwork => "10.0.0.1".into(),
            Kind::Digits => u64::MAX.to_string(),
            Kind::Duration { max, .. } => format!("{max}ms"),
            Kind::Path(PathRule::Relative) => "a/b".into(),
            Kind::Path(_) | Kind::PathDefault(_) => "/a/b".into(),
            Kind::IdRange => "0-4294967294".into(),
            Kind::Choice(words) => words.last().map(|w| w.replace('_', "-")).unwrap_or_default(),
            Kind::List(kind) | Kind::FilledList(kind) => format!("[{}]", sample(kind, full)),
            Kind::Map(KeyRule::Port, kind) => format!("{{80: {}}}", sample(kind, full)),
            Kind::Map(KeyRule::Path(PathRule::Relative), kind) => format!("{{a: {}}}", sample(kind, full)),
            Kind::Map(_, kind) => format!("{{/a: {}}}", sample(kind, full)),
            Kind::Nullable(kind) => sample(kind, full),
            Kind::Structure(structure) => {
                let wanted = |key: &&Key| full || key.default == Default::Required;
                let keys = structure.iter().filter(wanted);
                let entry =
                    |key: &Key| format!("{}: {}", key.name.replace('_', "-"), sample(&key.kind, full));
                format!("{{{}}}", keys.map(entry).collect::<Vec<_>>().join(", "))
            }
            Kind::Tagged { variants, .. } => variants.first().map(|v| tagged(v, full)).unwrap_or_default(),
            Kind::Nothing | Kind::Anything => "~".into(),
        }
    }

    fn tagged(variant: &Variant, full: bool) -> String {
        format!("!{} {}", variant.tag, sample(&variant.kind, full))
    }

    fn variants(kind: &Kind) -> &'static [Variant] {
        match kind {
            Kind::Tagged { variants, .. } => variants,
            Kind::Map(_, kind) => variants(kind),
            _ => &[],
        }
    }

    /// Every tag with every key, and with none but the required ones, fits its type.
    #[test]
    fn tables_and_types_agree() {
        let mut number = 0;
        for full in [false, true] {
            let mut texts = vec![
                format!("containers: {{c: {}}}", sample(&container::CONTAINER, full)),
                sample(&CONFIG, full),
            ];
            let steps = variants(&step::STEP)
                .iter()
                .map(|v| format!("containers: {{c: {{setup: [{}]}}}}", tagged(v, full)));
            texts.extend(steps);
            let volumes = variants(&volume::VOLUMES).iter();
            texts.extend(
                volumes.map(|v| format!("containers: {{c: {{volumes: {{/v: {}}}}}}}", tagged(v, full))),
            );
            texts.extend(
                variants(&command::MAIN)
                    .iter()
                    .map(|v| format!("commands: {{c: {}}}", tagged(v, full))),
            );
            for text in texts {
                let config = load_text::<Config>("table.yaml", &text, &CONFIG);
                let config = config.unwrap_or_else(|problems| panic!("{text}: {problems}"));
                let json = serde_json::to_string(&config).unwrap();
                assert!(json.contains("minimum_vagga"));
                number += 1;
            }
        }
        assert!(number > 120, "{number}");
    }

    /// Both children of `!Supervise`, which are not the first variant.
    #[test]
    fn children_fit_their_types() {
        let text =
            "commands: {s: !Supervise {children: {a: !BridgeCommand {container: c, run: [x]}, b: !Command \
                    {container: c, run: x, network: {ip: 1, ports: {80: 0x50}}}}}}";
        let config: Config = load_text("t", text, &CONFIG).unwrap();
        let json = serde_json::to_value(&config).unwrap();
        let children = &json["commands"]["s"]["Supervise"]["children"];
        assert_eq!(children["b"]["Command"]["network"]["ports"]["80"], 80);
        assert_eq!(children["a"]["BridgeCommand"]["run"]["Command"][0], "x");
        assert_eq!(json["commands"]["s"]["Supervise"]["kill_unresponsive_after"], 2);
    }

    #[test]
    fn settings_fit_their_type() {
        for kind in [USER_SETTINGS, SITE_SETTINGS, PROJECT_SETTINGS] {
            let Kind::Structure(structure) = kind else {
                panic!()
            };
            for key in structure
                .iter()
                .filter(|k| !["site_settings", "shared_cache"].contains(&k.name))
            {
                let text = format!("{}: {}", key.name, sample(&key.kind, true));
                let value = Document::parse("t", &text).check(&kind).unwrap();
                let decoded = value.decode::<Settings>();
                assert!(decoded.is_ok(), "{text}: {decoded:?}");
            }
        }
    }
}
