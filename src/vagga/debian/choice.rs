//! The outcome of a resolution, as it is kept in the cache.

/// A package to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub name: String,
    pub version: String,
    pub arch: String,
    /// Number of the archive (see `Index::read`) and path below its URL.
    pub archive: u16,
    pub filename: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Chosen only because another package depends on it.
    pub automatic: bool,
}

/// The choices as text, one line each, for the cache.
pub fn to_text(choices: &[Choice]) -> String {
    choices
        .iter()
        .map(|c| {
            let how = if c.automatic { "auto" } else { "manual" };
            format!(
                "{} {} {} {} {} {} {} {how}\n",
                c.name, c.version, c.arch, c.archive, c.filename, c.size, c.sha256
            )
        })
        .collect()
}

/// Reads what [`to_text`] wrote; `None` when it is damaged.
pub fn from_text(text: &str) -> Option<Vec<Choice>> {
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [name, version, arch, archive, filename, size, sha256, how] = *words.as_slice() else {
                return None;
            };
            Some(Choice {
                name: name.to_string(),
                version: version.to_string(),
                arch: arch.to_string(),
                archive: archive.parse().ok()?,
                filename: filename.to_string(),
                size: size.parse().ok()?,
                sha256: sha256.to_string(),
                automatic: match how {
                    "auto" => true,
                    "manual" => false,
                    _ => return None,
                },
            })
        })
        .collect()
}
