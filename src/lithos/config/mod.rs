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
    match read_limited(path) {
        Ok(bytes) => parse(&path.display().to_string(), &bytes),
        // The loader words the error as it does for every file.
        Err(e) => Document::read(path).decode(&T::KIND).map_err(|mut problems| {
            if let (std::io::ErrorKind::NotFound, Some(first)) = (e.kind(), problems.list.first_mut()) {
                first.text.push_str(T::IF_MISSING);
            }
            problems
        }),
    }
}

/// The same for bytes that were read elsewhere, as a container file from its image; `name` stands for the file in
/// messages. Nothing is included from other files.
pub fn parse<T: Level>(name: &str, bytes: &[u8]) -> Result<T, Problems> {
    Document::parse_bytes(name, bytes).decode(&T::KIND)
}

/// A kind of file.
pub trait Level: DeserializeOwned {
    /// Its table of keys.
    const KIND: Kind;
    /// What to do when there is none, behind the error.
    const IF_MISSING: &'static str = "";
}
