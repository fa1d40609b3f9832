//! Metrics of a program in files that others read while it runs: `PREFIX.meta` says what `PREFIX.values` holds.
//!
//! [`meta`] is the text format, [`values`] decodes the bytes, [`Writer`] is what a program uses about itself. Metric
//! files of other processes are hostile: the readers here work on bytes that somebody else has read within limits.
//! Nothing here opens a file it was not given, sends anything, or wakes up.

pub mod meta;
pub mod values;
mod writer;

pub use meta::{Description, Field, Kind};
pub use writer::{Metric, Writer};
