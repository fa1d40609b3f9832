//! `!GemBundle`: the Gemfile and what goes with it.

use std::io;
use std::path::Path;

use super::{Encoder, VersionError};
use crate::vagga::config::step::GemBundle;

/// `P(gemfile)`; when `Gemfile.lock` stands beside, the raw contents of the Gemfile (the original's slip, kept because
/// the hash is shared); `F(line)` for each significant line; the options.
pub fn bundle(e: &mut Encoder, b: &GemBundle) -> Result<(), VersionError> {
    e.path("gemfile", &b.gemfile);
    let text = e.read_text(&b.gemfile)?;
    let lock = b.gemfile.parent().unwrap_or(Path::new("")).join("Gemfile.lock");
    match e.work.stat(&lock) {
        Ok(_) => e.raw(text.as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(VersionError::failed(format!("can't read {lock:?}: {error}"))),
    }
    for line in text.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with('#') {
            e.field("line", line);
        }
    }
    if !b.without.is_empty() {
        e.list("without", &b.without);
    }
    e.opt("trust_policy", &b.trust_policy);
    Ok(())
}
