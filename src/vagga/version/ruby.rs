//! `!GemBundle`: the Gemfile and what goes with it.

use std::io;
use std::path::{Path, PathBuf};

use super::{Encoder, VersionError};
use crate::vagga::config::step::GemBundle;

/// `P(gemfile)`; when `Gemfile.lock` stands beside, the raw contents of the Gemfile (the original's slip, kept because
/// the hash is shared); `F(line)` for each significant line; the options; `F(lock)` with what bundler has pinned, which
/// the original did not see.
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
    if let Some(lock) = e.read_optional(&lock_file(&b.gemfile))? {
        e.field("lock", lock);
    }
    Ok(())
}

/// The file where bundler pins versions: `Gemfile.lock`, or `gems.locked` of a `gems.rb`.
pub fn lock_file(gemfile: &Path) -> PathBuf {
    if gemfile.file_name().is_some_and(|name| name == "gems.rb") {
        return gemfile.with_file_name("gems.locked");
    }
    let mut name = gemfile.file_name().unwrap_or_default().to_os_string();
    name.push(".lock");
    gemfile.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files() {
        assert_eq!(lock_file(Path::new("a/Gemfile")), Path::new("a/Gemfile.lock"));
        assert_eq!(lock_file(Path::new("gems.rb")), Path::new("gems.locked"));
    }
}
