//! `_verify`: an index against the files of the current version, its own index or one made elsewhere.
//!
//! Exit codes: 0 everything agrees, 1 it does not, 124 there is nothing to compare.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::ids::View;
use super::index::Index;
use super::scan::scan;
use super::INDEX;
use crate::sys::path::Root;
use crate::sys::process::Status;
use crate::vagga::build::Image;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::storage::Storage;

/// Largest index that is read, bytes.
const INDEX_MAX: u64 = 256 << 20;
/// Exit code when something differs.
const DIFFERS: u8 = 1;

/// What is not as the index says, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// In the index only.
    pub missing: Vec<PathBuf>,
    /// In the image only.
    pub extra: Vec<PathBuf>,
    /// Of another type, text, content or executable flag.
    pub corrupted: Vec<PathBuf>,
    /// Paths and content agree; modes, owners, times or extended attributes do not.
    pub attributes: bool,
}

impl Difference {
    /// Compares; what one of them does not say about attributes is not held against the other.
    pub fn between(expected: &Index, found: &Index) -> Difference {
        let mut out = Difference::default();
        for (path, node) in &expected.nodes {
            match found.nodes.get(path) {
                None => out.missing.push(path.clone()),
                Some(other) if other != node => out.corrupted.push(path.clone()),
                Some(_) => {}
            }
        }
        let extra = found
            .nodes
            .keys()
            .filter(|path| !expected.nodes.contains_key(*path));
        out.extra = extra.cloned().collect();
        let attributes = (&expected.attributes, &found.attributes);
        out.attributes = matches!(attributes, (Some(a), Some(b)) if a != b) && out.lists_are_empty();
        out
    }

    fn lists_are_empty(&self) -> bool {
        [&self.missing, &self.extra, &self.corrupted]
            .iter()
            .all(|list| list.is_empty())
    }

    /// The lists as they are printed.
    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (title, list) in [
            ("Missing", &self.missing),
            ("Extra", &self.extra),
            ("Corrupted", &self.corrupted),
        ] {
            if !list.is_empty() {
                out.extend(format!("{title} paths:\n").into_bytes());
            }
            for path in list {
                out.push(b'\t');
                match path.as_os_str().as_bytes() {
                    plain if !plain.iter().any(u8::is_ascii_control) => out.extend(plain),
                    _ => out.extend(format!("{path:?}").into_bytes()),
                }
                out.push(b'\n');
            }
        }
        if self.attributes {
            out.extend(b"Modes, owners, times or extended attributes differ\n");
        }
        out
    }
}

/// Reads the index of an image. `None` = there is none. Errors: one line without the path; also for what programs may
/// have put in its place, links and pipes.
pub fn read_index(path: &Path) -> Result<Option<Index>, String> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    match file.metadata() {
        Ok(meta) if meta.is_file() => parse(file).map(Some),
        Ok(_) => Err("it is not a file".into()),
        Err(e) => Err(e.to_string()),
    }
}

fn parse(file: File) -> Result<Index, String> {
    let mut text = String::new();
    let read = file.take(INDEX_MAX).read_to_string(&mut text);
    read.map_err(|e| e.to_string())?;
    Index::parse(&text)
}

/// `vagga _verify NAME [--against FILE]`; returns the exit code.
pub fn verify(storage: &Storage, name: &str, against: Option<&Path>) -> Result<u8, Failure> {
    let image = storage.current(name).ok_or_else(|| {
        fail(format!("Container {name:?} is not built")).with_hint(format!("build it: vagga _build {name}"))
    })?;
    let _used = storage.use_image(&image);
    let own = image.dir.join(INDEX);
    let path = against.unwrap_or(&own);
    let read = match against {
        // The user's own choice, a pipe perhaps.
        Some(path) => File::open(path)
            .map_err(|e| e.to_string())
            .and_then(parse)
            .map(Some),
        None => read_index(&own),
    };
    let index = match read {
        Ok(Some(index)) => index,
        Ok(None) => {
            return Err(
                fail(format!("Container {name:?} has no index, {path:?} is missing")).with_hint(
                    "`vagga _hardlink` makes one; the setting index-all-images does at every build",
                ),
            )
        }
        Err(why) => return Err(fail(format!("Can't use the index {path:?}: {why}"))),
    };
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let mut out = File::from(stdout.map_err(|e| fail(format!("Can't use stdout: {e}")))?);
    let view = View::of_image(&image.dir)?;
    match view.run(|| report(&image, index, view.own, against.is_some(), &mut out))? {
        Status::Exited(code) => Ok(code),
        _ => Err(fail("The process that reads the image died".into())),
    }
}

/// In a process with the ids of the container.
fn report(image: &Image, mut index: Index, owners: bool, elsewhere: bool, out: &mut File) -> u8 {
    let compared = compare(image, &mut index, owners);
    let mut text = format!("Checking container: {:?}\n", image.dir).into_bytes();
    let code = match compared {
        Err(why) => {
            eprintln!("Can't read {:?}: {why}", image.root());
            return exit::SETUP;
        }
        Ok(difference) if difference == Difference::default() => {
            text.extend(b"Ok\n");
            0
        }
        Ok(difference) => {
            text.extend(match elsewhere {
                true => "Container differs from the index\n".bytes(),
                false => "Container is corrupted\n".bytes(),
            });
            text.extend(difference.text());
            DIFFERS
        }
    };
    match out.write_all(&text) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("Can't write to stdout: {e}");
            exit::SETUP
        }
        _ => code,
    }
}

fn compare(image: &Image, index: &mut Index, owners: bool) -> Result<Difference, String> {
    let root = Root::open(image.root()).map_err(|e| e.to_string())?;
    let text = scan(&root, index.hash, index.block_size).map_err(|e| e.to_string())?;
    if !owners {
        index.attributes = None;
    }
    Ok(Difference::between(index, &Index::parse(&text)?))
}

fn fail(message: String) -> Failure {
    Failure::new(exit::SETUP, message)
}

#[cfg(test)]
mod tests {
    use super::super::digest::HashKind;
    use super::super::index::IndexWriter;
    use super::*;
    use std::ffi::OsStr;

    fn index(attributes: Option<&str>, files: &[(&str, u64)]) -> Index {
        let mut w = IndexWriter::new(HashKind::Sha512, 1 << 20);
        w.dir(Path::new(""));
        for (name, size) in files {
            let digests = vec![[0; 32]; (*size > 0).into()];
            w.file(OsStr::new(name), false, *size, &digests);
        }
        Index::parse(&w.finish(attributes)).unwrap()
    }

    #[test]
    fn lists_are_printed_in_their_order() {
        let a = index(Some("1"), &[("a", 0), ("b", 1), ("same", 2)]);
        let b = index(Some("2"), &[("b", 3), ("c\u{7}", 0), ("same", 2)]);
        let text = Difference::between(&a, &b).text();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "Missing paths:\n\t/a\nExtra paths:\n\t\"/c\\u{7}\"\nCorrupted paths:\n\t/b\n"
        );
    }

    #[test]
    fn attributes_count_only_where_both_have_them() {
        let files = [("a", 0)];
        let (one, two, none) = (
            index(Some("1"), &files),
            index(Some("2"), &files),
            index(None, &files),
        );
        assert!(Difference::between(&one, &two).attributes);
        for (a, b) in [(&one, &none), (&none, &two), (&one, &one)] {
            assert_eq!(Difference::between(a, b), Difference::default());
        }
    }
}
