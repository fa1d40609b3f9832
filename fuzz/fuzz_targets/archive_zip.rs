//! Unpacks bytes as a zip file: it has to return, and to write nothing outside.
//!
//! `cargo +nightly fuzz run archive_zip`; what it finds belongs into `corpus/archive_zip`, which the ordinary test
//! `archive_corpus` replays.
#![no_main]

mod confined;

use std::fs::File;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use orchestration::vagga::archive::{unpack_zip, Options, Writer};

fuzz_target!(|bytes: &[u8]| {
    let place = confined::Confined::new();
    let path = std::env::temp_dir().join(format!("fuzz-zip-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let file = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let options = Options::default();
    let root = place.root();
    let writer = Writer::new(&root, Path::new("/opt"), &options).unwrap();
    let _ = unpack_zip(file, writer);
    place.check();
});
