//! Reads bytes as an Alpine package, as an index and as apk's database: it has to return.
//!
//! `cargo +nightly fuzz run apk`; what it finds belongs into `corpus/apk`, which the ordinary test `archive_corpus`
//! replays.
#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use orchestration::vagga::alpine::apk::Apk;
use orchestration::vagga::alpine::keys::Keys;
use orchestration::vagga::alpine::{dependency, index, installed, resolve, universe, version};

/// Bytes of content read, since compressed zeros are cheap.
const LIMIT: u64 = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("fuzz-apk-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    if let Ok(apk) = Apk::open(&path) {
        if let Ok(data) = apk.data() {
            let _ = io::copy(&mut data.take(LIMIT), &mut io::sink());
        }
    }
    std::fs::remove_file(&path).unwrap();
    let _ = index::read(bytes, Some(&Keys::shipped("x86_64")), 0);
    let _ = index::read(bytes, None, 0);
    if let Ok(text) = std::str::from_utf8(bytes) {
        texts(text);
    }
});

/// What stands in indexes and databases.
fn texts(text: &str) {
    if let Ok(packages) = installed::read(text) {
        assert_eq!(installed::read(&installed::write(&packages)).unwrap(), packages);
    }
    if let Some((a, b)) = text.split_once(' ') {
        assert_eq!(version::compare(a, b), version::compare(b, a).reverse());
    }
    if let Ok(packages) = index::parse(text, 0) {
        let all = universe::Universe::new(packages.iter().collect(), &[]);
        let world: Vec<_> = packages.iter().map(|p| dependency::Dependency::any(&p.name)).collect();
        let _ = resolve::resolve(&all, &world);
    }
}
