//! The one guarded way to read YAML, and value types shared by the tools.
//!
//! A document goes through four stations. [`guard`] refuses what would hurt the parser (size, depth, alias
//! bombs, broken quoting) and rewrites the standard syntax that quire lacks; [`document`] lets quire parse,
//! include, merge and unpack; [`check`] compares the tree with a table of keys ([`schema`]) and fills in the
//! defaults; serde turns the checked value into the tool's own types. Every [`problem`] along the way carries
//! the position in the file that the user wrote.
//!
//! Nothing in this room knows a tool: tables of keys belong to the tools.

pub mod check;
pub mod document;
pub mod duration;
pub mod guard;
pub mod json_schema;
pub mod json_view;
pub mod mark;
pub mod number;
pub mod problem;
pub mod schema;
pub mod source;
pub mod suggest;
pub mod tree;
pub mod value;

use std::path::Path;

use serde::de::DeserializeOwned;

pub use document::Document;
pub use problem::{Problem, Problems};
pub use schema::{Default, Key, Kind, PathRule, Structure, Variant};
pub use value::Value;

/// Reads, checks and decodes the YAML file at `path`.
///
/// Errors: every problem of the file, in the order to be shown; see [`Problems`].
pub fn load<T: DeserializeOwned>(path: &Path, kind: &Kind) -> Result<T, Problems> {
    Document::read(path).decode(kind)
}

/// The same for text that does not come from a file; `name` stands for the file in messages.
pub fn load_text<T: DeserializeOwned>(name: &str, text: &str, kind: &Kind) -> Result<T, Problems> {
    Document::parse(name, text).decode(kind)
}
