//! `APKINDEX.tar.gz`: the packages of one repository and architecture, and the signature over them.

use std::io::{self, Read};

use super::keys::{Keys, Refusal, Signature};
use super::package::Package;
use super::segment::{self, Counter, MAX_CONTROL};
use crate::vagga::archive::{decompress, Guard};

/// Largest index file, in bytes: those of Alpine have up to 3 MB.
pub const MAX_FILE: u64 = 128 << 20;
/// Most text in an index, in bytes: that of Alpine's largest has some 12 MB.
const MAX_TEXT: u64 = 256 << 20;

/// Why an index is not used.
#[derive(Debug)]
pub enum Error {
    /// Its signature.
    Refused(Refusal),
    /// Its content.
    Broken(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Broken(error)
    }
}

/// Reads an index file. With `keys`, only one that is signed by them.
pub fn read(file: &[u8], keys: Option<&Keys>, repository: usize) -> Result<Vec<Package>, Error> {
    let mut input = Counter::new(file);
    let (signatures, signed) = match segment::begins(file, b".SIGN.")? {
        true => {
            let first = segment::one(&mut input, MAX_CONTROL)?;
            let rest = file.get(input.position as usize..);
            (signatures(&first)?, rest.unwrap_or_default())
        }
        false => (Vec::new(), file),
    };
    // Nothing more is decompressed of what nobody vouches for.
    if let Some(keys) = keys {
        keys.verify(&signatures, signed).map_err(Error::Refused)?;
    }
    let text = index_text(signed)?;
    parse(&text, repository).map_err(|why| Error::Broken(segment::invalid(&why)))
}

/// The signatures of a first part; none when it is something else.
pub fn signatures(first: &[u8]) -> io::Result<Vec<Signature>> {
    Ok(match first.starts_with(b".SIGN.") {
        true => segment::files(first)?
            .into_iter()
            .map(|m| (m.name, m.bytes))
            .collect(),
        false => Vec::new(),
    })
}

fn index_text(signed: &[u8]) -> io::Result<String> {
    let stream = decompress(io::Cursor::new(signed.to_vec()))?.take(MAX_TEXT);
    let mut archive = tar::Archive::new(Guard::new(stream));
    let mut text = None;
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path_bytes().as_ref() == b"APKINDEX" {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            text = Some(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    // To the end, for the checksum of the stream.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    text.ok_or_else(|| segment::invalid("it has no APKINDEX"))
}

/// The packages of the text: paragraphs separated by blank lines.
pub fn parse(text: &str, repository: usize) -> Result<Vec<Package>, String> {
    text.split("\n\n")
        .map(|paragraph| paragraph.trim_matches('\n'))
        .filter(|paragraph| !paragraph.is_empty())
        .map(|paragraph| Package::parse(paragraph.lines(), Some(repository)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::segment::tests::part;
    use super::*;

    const TEXT: &str =
        "C:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nP:a\nV:1\n\nC:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nP:b\nV:2\n\n";

    #[test]
    fn packages_are_found() {
        let file = part(&[("DESCRIPTION", b"x"), ("APKINDEX", TEXT.as_bytes())]);
        let packages = read(&file, None, 1).unwrap();
        assert_eq!(
            packages.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert!(matches!(
            read(&file, Some(&Keys::default()), 1),
            Err(Error::Refused(Refusal::Unsigned))
        ));
        let signed = [part(&[(".SIGN.RSA.k", b"s")]), file.clone()].concat();
        assert_eq!(read(&signed, None, 1).unwrap().len(), 2);
        assert!(matches!(
            read(&signed, Some(&Keys::default()), 1),
            Err(Error::Refused(Refusal::UnknownKey(names))) if names == ["k"]
        ));
    }

    #[test]
    fn broken_files_are_refused() {
        let file = part(&[("APKINDEX", TEXT.as_bytes())]);
        let cut = file.get(..file.len() / 2).unwrap();
        let empty = part(&[("x", b"")]);
        let bad = part(&[("APKINDEX", b"P:a\nV:1\n")]);
        for bytes in [cut, &empty, &bad, b"", b"ADBc", b"garbage"] {
            assert!(matches!(read(bytes, None, 0), Err(Error::Broken(_))));
        }
    }
}
