//! The configuration that was read last without error, `RUNTIME/last-good/entries.json`: what a new tree goes by where
//! the files are broken.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::machine::{Entry, Machine};
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

#[cfg(test)]
mod tests {
    use super::super::machine::Reading;
    use super::*;

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
}
