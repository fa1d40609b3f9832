//! Where encoded bytes go: into the digest, into memory, or into a listing for people.

use blake2::{Blake2b512, Digest as _};

use super::{Version, SHORT};

/// Receives the encoded bytes in order.
pub trait Sink {
    /// One complete item: `title ␀ value ␀ …`, already framed.
    fn item(&mut self, bytes: &[u8]);
    /// A piece of a file's contents, not framed.
    fn contents(&mut self, bytes: &[u8]);
    /// A step of the container itself begins, or the last one has ended.
    fn boundary(&mut self) {}
}

/// The digest itself.
#[derive(Clone)]
pub struct Digest(Blake2b512);

impl Digest {
    /// BLAKE2b, 64 bytes of output, no key.
    pub fn new() -> Digest {
        Digest(Blake2b512::new())
    }

    /// The digest of everything received.
    pub fn finish(self) -> Version {
        Version(self.0.finalize().into())
    }
}

impl Default for Digest {
    fn default() -> Digest {
        Digest::new()
    }
}

impl Sink for Digest {
    fn item(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn contents(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// The digest, and how it stood before every step of the container and after the last one.
#[derive(Default)]
pub struct Stepwise {
    digest: Digest,
    /// One more than there are steps.
    pub boundaries: Vec<Digest>,
}

impl Stepwise {
    /// The digest of everything received.
    pub fn finish(self) -> (Version, Vec<Digest>) {
        (self.digest.finish(), self.boundaries)
    }
}

impl Sink for Stepwise {
    fn item(&mut self, bytes: &[u8]) {
        self.digest.item(bytes);
    }

    fn contents(&mut self, bytes: &[u8]) {
        self.digest.contents(bytes);
    }

    fn boundary(&mut self) {
        self.boundaries.push(self.digest.clone());
    }
}

/// Keeps the bytes (`--dump-version-data`).
#[derive(Debug, Default)]
pub struct Dump(pub Vec<u8>);

impl Sink for Dump {
    fn item(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn contents(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// Lists the items, one a line, and computes the digest as well (`--debug-versioning`).
#[derive(Default)]
pub struct Listing {
    lines: String,
    file_size: u64,
    hasher: Digest,
    /// The digest when it was computed elsewhere.
    pub(super) digest: Option<Version>,
}

impl Listing {
    /// The listing followed by the digest, each with a newline.
    pub fn text(mut self, short: bool) -> String {
        self.end_file();
        let version = self.digest.unwrap_or_else(|| self.hasher.finish());
        let mut hex = version.hex();
        if short {
            hex.truncate(SHORT);
        }
        self.lines + &hex + "\n"
    }

    fn end_file(&mut self) {
        if self.file_size > 0 {
            self.lines
                .push_str(&format!("  contents: {} bytes\n", self.file_size));
            self.file_size = 0;
        }
    }
}

impl Sink for Listing {
    fn item(&mut self, bytes: &[u8]) {
        self.end_file();
        self.hasher.item(bytes);
        let mut parts = bytes
            .strip_suffix(b"\0")
            .unwrap_or(bytes)
            .split(|b| *b == 0)
            .map(|part| part.escape_ascii().to_string());
        let title = parts.next().unwrap_or_default();
        let values = parts.collect::<Vec<_>>().join(" ");
        let line = match title.as_str() {
            "COMMAND" => format!("COMMAND {values}\n"),
            _ => format!("  {title}: {values}\n"),
        };
        self.lines.push_str(&line);
    }

    fn contents(&mut self, bytes: &[u8]) {
        self.hasher.contents(bytes);
        self.file_size += bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_names_items_and_ends_with_the_digest() {
        let mut l = Listing::default();
        l.item(b"COMMAND\0Depends\0");
        l.item(b"filename\0/work/a\0");
        l.contents(b"hi\n");
        let mut d = Digest::new();
        d.contents(b"COMMAND\0Depends\0filename\0/work/a\0hi\n");
        let expected = format!(
            "COMMAND Depends\n  filename: /work/a\n  contents: 3 bytes\n{}\n",
            d.finish().short()
        );
        assert_eq!(l.text(true), expected);
    }
}
