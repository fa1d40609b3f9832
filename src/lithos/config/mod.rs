//! The four levels of configuration: master, sandbox, processes, container. Types, tables of keys, and reading.
//!
//! Operators write [`Master`] and [`Sandbox`] on the host, an orchestrator writes [`Processes`] there, developers write
//! [`Container`] into the image. What is here knows one file at a time; rules between files are in `policy`.

pub mod container;
pub mod ids;
pub mod io;
pub mod master;
pub mod network;
pub mod processes;
pub mod sandbox;

#[cfg(test)]
mod tests;

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::config::document::read_limited;
use crate::config::{Document, Kind, Problems};

pub use container::{Container, Role, TcpPort, VariableType, Volume};
pub use ids::{is_within, IdMap, IdRange};
pub use io::{IoCeilings, IoRates};
pub use master::Master;
pub use network::{BridgedNetwork, IpNetwork};
pub use processes::{ProcessEntry, ProcessKind, Processes};
pub use sandbox::Sandbox;

/// Reads one of the files from the host, a regular one: what has no end, or no beginning, is not waited for. An empty
/// file is an empty mapping.
///
/// Errors: all problems of the file, each with its place.
pub fn read<T: Level>(path: &Path) -> Result<T, Problems> {
    read_marked(path).map(|(file, _)| file)
}

/// The same with a number that tells what the file says about a container from what another says; see
/// [`Document::mark`].
pub fn read_marked<T: Level>(path: &Path) -> Result<(T, u64), Problems> {
    match read_limited(path) {
        Ok(bytes) => parse_marked(&path.display().to_string(), &bytes),
        // The loader words the error as it does for every file.
        Err(e) => {
            let document = Document::read(path);
            let mark = document.mark(T::APART);
            let read = document.decode(&T::KIND).map_err(|mut problems| {
                if let (std::io::ErrorKind::NotFound, Some(first)) = (e.kind(), problems.list.first_mut()) {
                    first.text.push_str(T::IF_MISSING);
                }
                problems
            });
            read.map(|file| (file, mark))
        }
    }
}

/// The same for bytes that were read elsewhere, as a container file from its image; `name` stands for the file in
/// messages. Nothing is included from other files.
pub fn parse<T: Level>(name: &str, bytes: &[u8]) -> Result<T, Problems> {
    parse_marked(name, bytes).map(|(file, _)| file)
}

/// The same with the number of [`read_marked`].
pub fn parse_marked<T: Level>(name: &str, bytes: &[u8]) -> Result<(T, u64), Problems> {
    let document = Document::parse_bytes(name, bytes);
    let mark = document.mark(T::APART);
    Ok((document.decode(&T::KIND)?, mark))
}

/// A kind of file.
pub trait Level: DeserializeOwned {
    /// Its table of keys.
    const KIND: Kind;
    /// What to do when there is none, behind the error.
    const IF_MISSING: &'static str = "";
    /// Keys that decide nothing about a container that starts: for the tree, for other tools, and what is only permitted.
    const APART: &'static [&'static str] = &[];
}
