//! What can be used of a file that has problems: its sound commands and containers. Only for looking for further
//! problems; nothing of it is ever run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::command::{CapsuleInfo, Common, MainCommand, Run};
use super::schema::{command, container, CONFIG};
use super::{Config, Container};
use crate::config::{Document, Kind, PathRule};

/// The sound parts of a file. Names of the others stand for something that refers to nothing.
pub fn config(path: &Path) -> Config {
    let document = Document::read(path);
    let paths = Kind::List(&Kind::Path(PathRule::Any));
    let mixins: Option<Vec<PathBuf>> = document.part("mixins", &paths).and_then(|v| v.decode().ok());
    Config {
        minimum_vagga: None,
        mixins: mixins.unwrap_or_default(),
        commands: section(&document, "commands", &command::MAIN, nothing),
        containers: match empty_container() {
            Some(empty) => section(&document, "containers", &container::CONTAINER, || empty.clone()),
            None => BTreeMap::new(),
        },
    }
}

fn section<T: DeserializeOwned>(
    document: &Document,
    name: &str,
    kind: &Kind,
    stand_in: impl Fn() -> T,
) -> BTreeMap<String, T> {
    let parts = document.parts(name, kind).into_iter();
    parts
        .map(|(name, value)| {
            let value = value.and_then(|v| v.decode().ok());
            (name, value.unwrap_or_else(&stand_in))
        })
        .collect()
}

fn nothing() -> MainCommand {
    MainCommand::CapsuleCommand(CapsuleInfo {
        common: Common::default(),
        run: Run::Shell(String::new()),
        work_dir: None,
        accepts_arguments: None,
        environ: BTreeMap::new(),
        uids: Vec::new(),
        gids: Vec::new(),
    })
}

/// A container with the defaults of the table.
fn empty_container() -> Option<Container> {
    let text = "containers: {empty: {setup: []}}";
    let mut config: Config = Document::parse("", text).decode(&CONFIG).ok()?;
    config.containers.remove("empty")
}
