//! Which files the tools are: they find each other beside the running one, never through PATH.

use std::path::PathBuf;

/// The program of this process, by the path under which a newer version would be.
///
/// Errors: /proc is not there, or the path is not text.
pub fn own() -> Result<PathBuf, String> {
    let link = "/proc/self/exe";
    let path = std::fs::read_link(link).map_err(|e| format!("own executable: {link}: {e}"))?;
    let text = path
        .to_str()
        .ok_or_else(|| format!("own executable: {path:?} is not UTF-8"))?;
    // So the kernel marks a file that was replaced.
    Ok(text.strip_suffix(" (deleted)").unwrap_or(text).into())
}

/// Another tool, beside this one.
///
/// Errors name the missing file.
pub fn sibling(name: &str) -> Result<PathBuf, String> {
    let path = own()?.with_file_name(name);
    match path.is_file() {
        true => Ok(path),
        false => Err(format!(
            "{} is missing: lithos is not completely installed",
            path.display()
        )),
    }
}
