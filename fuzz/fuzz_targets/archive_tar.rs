//! Unpacks bytes as a tar archive, compressed or not: it has to return, and to write nothing outside.
//!
//! `cargo +nightly fuzz run archive_tar`; what it finds belongs into `corpus/archive_tar`, which the ordinary test
//! `archive_corpus` replays.
#![no_main]

mod confined;

use std::io::{Cursor, Read};
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use orchestration::vagga::archive::{decompress, unpack_tar, Options, Writer};

/// Bytes after which an archive ends, since disks are small and compressed zeros cheap.
const LIMIT: u64 = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    let place = confined::Confined::new();
    let options = Options::default();
    let root = place.root();
    let writer = Writer::new(&root, Path::new("/opt"), &options).unwrap();
    if let Ok(stream) = decompress(Cursor::new(bytes.to_vec())) {
        let _ = unpack_tar(stream.take(LIMIT), writer);
    }
    place.check();
});
