//! Downloads: the cache of fetched files, the host's certificates and proxies.
//!
//! A file is fetched once and kept in `CACHE/downloads`; a digest, when given, is checked on every use. Everything
//! here is blocking and single-threaded, so that the caller may fork afterwards.

mod address;
mod batch;
mod client;
pub mod digest;
mod forward;
mod resolver;
mod route;
mod source;
#[cfg(test)]
mod tests;
mod trust;

pub use batch::{fetch_all, Wanted};
pub use client::{Client, Document};
pub use route::{Fallback, Proxies};
pub use source::{cache_name, fetch, local_path, refresh, Request};
pub use trust::ca_bundle;

use std::fmt;

/// Why a file could not be had: one line that names the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchError(pub String);

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FetchError {}

/// Called with the bytes that are there and, when known, the bytes there will be.
pub type OnProgress<'a> = &'a mut dyn FnMut(u64, Option<u64>);
