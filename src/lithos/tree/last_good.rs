//! The configuration that was read last without error, `RUNTIME/last-good/entries.json`: what a new tree goes by where
//! the files are broken.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::machine::{Entry, Machine, Reading, Readings};
use crate::lithos::log::rotation::Rules;
use crate::sys::fs::replace;

fn path(runtime: &Path) -> PathBuf {
    runtime.join("last-good/entries.json")
}

/// Keeps what the machine goes by, if it differs from what is there.
pub fn write(runtime: &Path, machine: &Machine) -> io::Result<()> {
    let text = serde_json::to_vec(&machine.last_good())?;
    let path = path(runtime);
    match std::fs::read(&path) {
        Ok(old) if old == text => Ok(()),
        _ => replace(&path, &text, 0o600),
    }
}

/// By `SB/PROC`; nothing where there is none. Errors: it cannot be read.
pub fn read(runtime: &Path) -> io::Result<BTreeMap<String, Entry>> {
    match std::fs::read(path(runtime)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        text => Ok(serde_json::from_slice(&text?)?),
    }
}

/// The rules for output logs: those of sandboxes that could not be read now stay as they were. Kept for the next time in
/// `RUNTIME/last-good/rotation.json`; the second part of the result is why that failed.
pub fn rotation(runtime: &Path, mut rules: Rules, readings: &Readings) -> (Rules, Option<String>) {
    let path = runtime.join("last-good/rotation.json");
    let text = std::fs::read(&path).unwrap_or_default();
    let former: Rules = serde_json::from_slice(&text).unwrap_or_default();
    let is_broken = |name: &str| match readings {
        Reading::Broken(_) => true,
        Reading::Good(sandboxes) => matches!(sandboxes.get(name), Some(Reading::Broken(_))),
    };
    rules.extend(former.into_iter().filter(|(name, _)| is_broken(name)));
    let written = serde_json::to_vec(&rules)
        .map_err(io::Error::from)
        .and_then(|now| match now == text || rules.is_empty() && text.is_empty() {
            true => Ok(()),
            false => replace(&path, &now, 0o600),
        });
    let failed = |e: io::Error| format!("last good rules of rotation: {e}");
    (rules, written.err().map(failed))
}

#[cfg(test)]
mod tests {
    use super::super::machine::Entries;
    use super::*;
    use crate::lithos::log::rotation::Rule;

    #[test]
    fn what_was_good_is_kept_over_the_death_of_the_tree() {
        let t = crate::sys::fs::tests::Temp::new();
        std::fs::create_dir(t.0.join("last-good")).unwrap();
        assert!(read(&t.0).unwrap().is_empty());
        let mut machine = Machine::new(1);
        let entries = [("web".to_string(), Reading::Good(Entry::default()))].into();
        machine.configure(
            &Reading::Good([("app".to_string(), Reading::Good(entries))].into()),
            0,
        );
        write(&t.0, &machine).unwrap();
        assert_eq!(read(&t.0).unwrap().keys().collect::<Vec<_>>(), ["app/web"]);
        std::fs::write(path(&t.0), "{").unwrap();
        assert!(read(&t.0).is_err());
    }

    #[test]
    fn rules_of_rotation_stay_while_a_sandbox_is_broken() {
        let t = crate::sys::fs::tests::Temp::new();
        std::fs::create_dir(t.0.join("last-good")).unwrap();
        let rule = Rule {
            size: Some(5),
            age: None,
            keep: 1,
        };
        let rules: Rules = [("app".into(), [("/log".into(), rule)].into())].into();
        let sandbox = |sandbox: Reading<Entries>| Reading::Good([("app".to_string(), sandbox)].into());
        let good = sandbox(Reading::Good(Entries::new()));
        let none = || Rules::new();
        assert_eq!(rotation(&t.0, rules.clone(), &good).0, rules);
        for broken in [
            sandbox(Reading::Broken("x".into())),
            Reading::Broken("dir".into()),
        ] {
            assert_eq!(rotation(&t.0, none(), &broken).0, rules);
        }
        assert_eq!(rotation(&t.0, none(), &good).0, none(), "mended, without rules");
        assert_eq!(
            rotation(&t.0, none(), &sandbox(Reading::Broken("x".into()))).0,
            none()
        );
    }
}
