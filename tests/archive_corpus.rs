//! Replays the corpora of the fuzz targets for archives: nothing panics, nothing is written outside.

#![cfg(feature = "vagga")]

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use orchestration::sys::path::Root;
use orchestration::vagga::alpine::apk::Apk;
use orchestration::vagga::alpine::keys::Keys;
use orchestration::vagga::alpine::{dependency, index, installed, resolve, universe, version};
use orchestration::vagga::archive::{decompress, unpack_tar, unpack_zip, Options, Writer};
use orchestration::vagga::debian::deb::Deb;

/// Bytes after which an archive ends, as in the fuzz targets.
const LIMIT: u64 = 4 << 20;

/// Calls `replay` with every file of a corpus.
fn each(target: &str, mut replay: impl FnMut(&Path)) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{}", dir.display());
    files.iter().for_each(|path| replay(path));
}

/// Calls `unpack` with the root in a directory of its own, and looks for traces beside it.
fn confined(name: &Path, unpack: impl FnOnce(&Root)) {
    // Corpora have files of the same name, and their tests run side by side.
    let name = name
        .components()
        .rev()
        .take(2)
        .map(|c| c.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("-");
    let dir = std::env::temp_dir().join(format!("archive-corpus-{}-{name}", std::process::id()));
    fs::create_dir_all(dir.join("root")).unwrap();
    fs::write(dir.join("secret"), "secret").unwrap();
    unpack(&Root::open(dir.join("root")).unwrap());
    assert_eq!(fs::read(dir.join("secret")).unwrap(), b"secret", "{name}");
    assert_eq!(fs::metadata(dir.join("secret")).unwrap().nlink(), 1, "{name}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "{name}");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn tar() {
    each("archive_tar", |path| {
        confined(path, |root| {
            let options = Options::default();
            let writer = Writer::new(root, Path::new("/opt"), &options).unwrap();
            if let Ok(stream) = decompress(File::open(path).unwrap()) {
                let _ = unpack_tar(stream.take(LIMIT), writer);
            }
        });
    });
}

#[test]
fn zip() {
    each("archive_zip", |path| {
        confined(path, |root| {
            let options = Options::default();
            let writer = Writer::new(root, Path::new("/opt"), &options).unwrap();
            let _ = unpack_zip(File::open(path).unwrap(), writer);
        });
    });
}

#[test]
fn deb() {
    each("archive_deb", |path| {
        if let Ok(deb) = Deb::open(path) {
            let _ = deb.control();
            if let Ok(data) = deb.data() {
                let _ = io::copy(&mut data.take(LIMIT), &mut io::sink());
            }
        }
    });
}

/// As the fuzz target does: packages, indexes, and what stands in indexes and databases.
#[test]
fn apk() {
    each("apk", |path| {
        if let Ok(apk) = Apk::open(path) {
            if let Ok(data) = apk.data() {
                let _ = io::copy(&mut data.take(LIMIT), &mut io::sink());
            }
        }
        let bytes = fs::read(path).unwrap();
        let keys = Keys::shipped("x86_64");
        assert!(index::read(&bytes, Some(&keys), 0).is_err(), "{}", path.display());
        let _ = index::read(&bytes, None, 0);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            apk_texts(text);
        }
    });
}

fn apk_texts(text: &str) {
    if let Ok(packages) = installed::read(text) {
        let again = installed::read(&installed::write(&packages)).unwrap();
        assert_eq!(again, packages);
    }
    if let Some((a, b)) = text.split_once(' ') {
        assert_eq!(version::compare(a, b), version::compare(b, a).reverse());
    }
    if let Ok(packages) = index::parse(text, 0) {
        let all = universe::Universe::new(packages.iter().collect(), &[]);
        let world: Vec<_> = packages
            .iter()
            .map(|p| dependency::Dependency::any(&p.name))
            .collect();
        let _ = resolve::resolve(&all, &world);
    }
}
