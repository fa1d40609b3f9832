//! `index.ds1`, the list of a container's files with digests of their blocks (dir-signature v1), as text.
//!
//! An index may come from another machine or from a storage that programs can write: nothing in it is believed beyond
//! what its form allows. What it says about content is checked against the files before anything is done with it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::digest::{HashKind, DIGEST};
use crate::vagga::fetch::digest::hex;

/// First word of the header.
const MAGIC: &str = "DIRSIGNATURE.v1";
/// Bytes that one digest is for, in everything we write.
pub const BLOCK_SIZE: u64 = 32768;
/// Largest block that is read, bytes.
const BLOCK_MAX: u64 = 1 << 24;
/// Key of [`Index::attributes`] in the header. Others ignore it, as the format demands.
const ATTRIBUTES: &str = "attributes=";

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Dir,
    /// A regular file.
    File {
        /// Its owner may execute it.
        exec: bool,
        /// Bytes.
        size: u64,
        /// The digests of its blocks, one after the other.
        digests: Vec<u8>,
    },
    /// A symbolic link and its text.
    Link(OsString),
}

/// An index that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Hash function of all digests.
    pub hash: HashKind,
    /// Bytes that one digest is for.
    pub block_size: u64,
    /// Digest over what the format leaves out (modes, owners, times, extended attributes), in hex. Only in our indexes.
    pub attributes: Option<String>,
    /// Everything by its absolute path.
    pub nodes: BTreeMap<PathBuf, Node>,
    /// The last line, which is the digest of all lines but the first.
    pub footer: String,
}

impl Index {
    /// Reads the text of an index. Errors: one line with the number of the bad line.
    pub fn parse(text: &str) -> Result<Index, String> {
        let (header, rest) = text.split_once('\n').ok_or("it is empty")?;
        let (hash, block_size, attributes) = parse_header(header)?;
        let body_end = rest.strip_suffix('\n').and_then(|t| t.rfind('\n'));
        let (body, footer) = match body_end.and_then(|at| rest.split_at_checked(at + 1)) {
            Some((body, footer)) => (body, footer.trim_end_matches('\n')),
            None => return Err("it is cut off".into()),
        };
        if hex(&hash.of(body.as_bytes())) != footer {
            return Err("its last line is not the digest of the others: it was changed or cut off".into());
        }
        let mut nodes = BTreeMap::new();
        let mut dir = None;
        for (n, line) in body.lines().enumerate() {
            let (path, node) = match line.strip_prefix("  ") {
                None => parse_dir(line).map(|path| (path, Node::Dir)),
                Some(line) => dir
                    .as_deref()
                    .ok_or("a file without a directory")
                    .and_then(|dir| parse_entry(line, dir, block_size)),
            }
            .map_err(|e| format!("line {}: {e}", n + 2))?;
            if node == Node::Dir {
                dir = Some(path.clone());
            }
            if nodes.insert(path, node).is_some() {
                return Err(format!("line {}: the path is there twice", n + 2));
            }
        }
        Ok(Index {
            hash,
            block_size,
            attributes,
            nodes,
            footer: footer.to_string(),
        })
    }
}

impl Index {
    /// The text with a last line that fits, if its first line says how: for tests of what lies behind that check.
    #[doc(hidden)]
    pub fn sealed(text: &str) -> String {
        let (header, body) = text.split_once('\n').unwrap_or((text, ""));
        let hash = parse_header(header).map_or(HashKind::Blake2b, |(hash, ..)| hash);
        format!("{header}\n{body}{}\n", hex(&hash.of(body.as_bytes())))
    }
}

type Header = (HashKind, u64, Option<String>);

fn parse_header(line: &str) -> Result<Header, String> {
    let mut words = line.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(format!("it does not begin with {MAGIC}"));
    }
    let name = words.next().unwrap_or_default();
    let hash = HashKind::find(name).ok_or_else(|| format!("unknown hash function {name:?}"))?;
    let (mut block_size, mut attributes) = (None, None);
    for word in words {
        if let Some(number) = word.strip_prefix("block_size=") {
            block_size = number.parse().ok().filter(|n| (1..=BLOCK_MAX).contains(n));
        } else if let Some(digest) = word.strip_prefix(ATTRIBUTES) {
            attributes = Some(digest.to_string());
        }
    }
    let block_size = block_size.ok_or("no sensible block_size in the first line")?;
    Ok((hash, block_size, attributes))
}

fn parse_dir(line: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(unescape(line).ok_or("bad escape")?);
    let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    match path.as_os_str().as_bytes().strip_prefix(b"/") {
        Some(b"") => Ok(path),
        Some(rest) if rest.split(|b| *b == b'/').all(plain) => Ok(path),
        _ => Err("not a plain absolute path"),
    }
}

fn parse_entry(line: &str, dir: &Path, block_size: u64) -> Result<(PathBuf, Node), &'static str> {
    let mut words = line.split(' ');
    let name = unescape(words.next().unwrap_or_default()).ok_or("bad escape")?;
    if matches!(name.as_bytes(), b"" | b"." | b"..") || name.as_bytes().contains(&b'/') {
        return Err("not the name of a file");
    }
    let path = dir.join(&name);
    let node = match words.next() {
        Some("s") => Node::Link(words.next().and_then(unescape).ok_or("a link without its text")?),
        Some(kind @ ("f" | "x")) => {
            let size: u64 = words.next().and_then(|n| n.parse().ok()).ok_or("no size")?;
            let mut digests = Vec::new();
            for word in words.by_ref() {
                digests.extend(digest(word).ok_or("not a digest")?);
            }
            if digests.len() as u64 / DIGEST as u64 != size.div_ceil(block_size) {
                return Err("the number of digests does not fit the size");
            }
            Node::File {
                exec: kind == "x",
                size,
                digests,
            }
        }
        _ => return Err("neither a file nor a link"),
    };
    match words.next() {
        None => Ok((path, node)),
        Some(_) => Err("more than there should be"),
    }
}

fn digest(word: &str) -> Option<[u8; DIGEST]> {
    let mut out = [0; DIGEST];
    if word.len() != 2 * DIGEST {
        return None;
    }
    for (byte, digits) in out.iter_mut().zip(word.as_bytes().chunks(2)) {
        *byte = hex_byte(digits)?;
    }
    Some(out)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |d: &u8| char::from(*d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (high, low) = (digits.first()?, digits.get(1)?);
    Some((digit(high)? << 4) | digit(low)?)
}

/// Undoes [`escape`].
fn unescape(text: &str) -> Option<OsString> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = match (first, more) {
            (b'\\', [b'x', digits @ ..]) => {
                let (digits, after) = digits.split_at_checked(2)?;
                out.push(hex_byte(digits)?);
                after
            }
            (b'\\', _) | (0..=b' ' | 0x7f.., _) => return None,
            _ => {
                out.push(*first);
                more
            }
        };
    }
    match out.contains(&0) {
        true => None,
        false => Some(OsString::from_vec(out)),
    }
}

/// A name as it is written: blanks, control characters, backslashes and everything outside of ASCII as `\xHH`.
fn escape(name: &OsStr) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.as_bytes() {
        match byte {
            0..=b' ' | b'\\' | 0x7f.. => _ = write!(out, "\\x{byte:02x}"),
            _ => out.push(char::from(*byte)),
        }
    }
    out
}

/// An index being written; entries must come in the order of [`crate::sys::fs::walk`].
#[derive(Debug)]
pub struct IndexWriter {
    hash: HashKind,
    block_size: u64,
    body: String,
}

impl IndexWriter {
    /// An empty one.
    pub fn new(hash: HashKind, block_size: u64) -> IndexWriter {
        IndexWriter {
            hash,
            block_size,
            body: String::new(),
        }
    }

    /// A directory by its path relative to the root.
    pub fn dir(&mut self, path: &Path) {
        self.body.push('/');
        self.body.push_str(&escape(path.as_os_str()));
        self.body.push('\n');
    }

    /// A file of the last directory.
    pub fn file(&mut self, name: &OsStr, exec: bool, size: u64, digests: &[[u8; DIGEST]]) {
        let kind = if exec { 'x' } else { 'f' };
        let _ = write!(self.body, "  {} {kind} {size}", escape(name));
        for digest in digests {
            self.body.push(' ');
            self.body.push_str(&hex(digest));
        }
        self.body.push('\n');
    }

    /// A symbolic link of the last directory.
    pub fn link(&mut self, name: &OsStr, target: &OsStr) {
        let _ = writeln!(self.body, "  {} s {}", escape(name), escape(target));
    }

    /// The whole text; `attributes` is the value of [`Index::attributes`].
    pub fn finish(self, attributes: Option<&str>) -> String {
        let mut text = format!("{MAGIC} {} block_size={}", self.hash.name(), self.block_size);
        if let Some(digest) = attributes {
            let _ = write!(text, " {ATTRIBUTES}{digest}");
        }
        let footer = hex(&self.hash.of(self.body.as_bytes()));
        text + "\n" + &self.body + &footer + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "\
DIRSIGNATURE.v1 blake3/256 block_size=32768
/
  notes.txt f 12 dc5a4edb8240b018124052c330270696f96771a63b45250a5c17d3000e823355
  zero f 0
/bin
  my\\x20link s ../notes.txt
  run x 10 bc1f407a11c9377c8b9b13f956b279c8462775105eb958fc9ae3c40de87cc96e
/data
  big f 32769 ac169ead597dac88b2d7223edd85c9895392532cfc7a3c5c29a3fbe3ccba37f2 \
8e890228f732ca1827d694860ecd0366f13dcaa6f4ebfa421d836356a56382d5
/data/empty\\x20dir
d4f37240cd6826b0b1e5e49644db6cc0d81527d72b59736bcb986ff7d6033794
";

    #[test]
    fn index_of_the_original_is_read() {
        let index = Index::parse(EXAMPLE).unwrap();
        assert_eq!((index.hash, index.block_size), (HashKind::Blake3, 32768));
        assert_eq!(index.nodes.len(), 9);
        assert_eq!(
            index.nodes.get(Path::new("/bin/my link")),
            Some(&Node::Link("../notes.txt".into()))
        );
        assert!(matches!(
            index.nodes.get(Path::new("/data/big")),
            Some(Node::File { exec: false, size: 32769, digests }) if digests.len() == 64
        ));
        let more = EXAMPLE.replacen("32768", "32768 attributes=abc future=1", 1);
        assert_eq!(Index::parse(&more).unwrap().attributes.as_deref(), Some("abc"));
    }

    /// An index with a right footer whatever its lines are.
    fn signed(body: &str) -> String {
        Index::sealed(&format!("{MAGIC} sha512/256 block_size=32768\n{body}"))
    }

    #[test]
    fn corpus_of_the_fuzzer() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/image_index");
        let mut good = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(Index::parse(&text).is_err(), "{path:?} has no last line");
            if Index::parse(&Index::sealed(&text)).is_ok() {
                good.push(path.file_name().unwrap().to_owned());
            }
        }
        good.sort();
        assert_eq!(good, ["blocks", "plain"]);
    }

    proptest::proptest! {
        #[test]
        fn any_lines_are_read_or_refused(body in "([/a.\\\\x20fsx 1-]{0,12}\n){0,6}") {
            let _ = Index::parse(&signed(&body));
        }
    }

    #[test]
    fn bad_indexes_are_refused() {
        assert!(Index::parse(&EXAMPLE.replace("zero", "nero"))
            .unwrap_err()
            .contains("changed"));
        assert!(Index::parse(&EXAMPLE.replace("blake3", "crc"))
            .unwrap_err()
            .contains("unknown hash"));
        for text in [
            "",
            "x\n",
            "DIRSIGNATURE.v1 sha512/256 block_size=0\n/\nx\n",
            &EXAMPLE[..60],
        ] {
            assert!(Index::parse(text).is_err(), "{text:?}");
        }
        for (body, part) in [
            ("  a f 0\n", "without a directory"),
            ("/\n  .. f 0\n", "not the name"),
            ("/\n  a\\x2fb f 0\n", "not the name"),
            ("/\n  a\\x0 f 0\n", "bad escape"),
            ("/\n  a f 1\n", "number of digests"),
            ("/\n  a f 18446744073709551615\n", "number of digests"),
            ("/\n  a f 0\n  a f 0\n", "twice"),
            ("/\n  a s\n", "link without"),
            ("/\n  a s b c\n", "more than"),
            ("/../etc\n", "plain absolute"),
            ("etc\n", "plain absolute"),
            ("/\n  a p 0\n", "neither"),
        ] {
            let e = Index::parse(&signed(body)).unwrap_err();
            assert!(e.contains(part), "{body:?}: {e}");
        }
    }

    #[test]
    fn names_are_escaped_and_come_back() {
        let name = OsStr::new("a b\\ü\n");
        assert_eq!(escape(name), "a\\x20b\\x5c\\xc3\\xbc\\x0a");
        assert_eq!(unescape(&escape(name)).unwrap(), name);
        let mut w = IndexWriter::new(HashKind::Blake2b, BLOCK_SIZE);
        w.dir(Path::new(""));
        w.file(name, true, 0, &[]);
        let index = Index::parse(&w.finish(None)).unwrap();
        assert!(index.nodes.contains_key(&Path::new("/").join(name)));
    }
}
