//! Metrics of a program in files that others read while it runs: `PREFIX.meta` says what `PREFIX.values` holds.
//!
//! [`meta`] is the text format, [`values`] decodes the bytes, [`reader`] reads both files within
//! limits, since metric files of other processes are hostile. [`Writer`] is what a program uses about itself.
//! Nothing here opens a file it was not given, sends anything, or wakes up.

use std::path::{Path, PathBuf};

pub mod meta;
pub mod reader;
pub mod values;
mod writer;

pub use meta::{Description, Field, Kind};
pub use writer::{Metric, Writer};

/// `PREFIX.EXTENSION`; a prefix may have dots itself.
fn with(prefix: &Path, extension: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_os_string();
    name.push(".");
    name.push(extension);
    name.into()
}
