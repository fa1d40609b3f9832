//! Reads bytes as a Debian package: it has to return.
//!
//! `cargo +nightly fuzz run archive_deb`; what it finds belongs into `corpus/archive_deb`, which the ordinary test
//! `archive_corpus` replays.
#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use orchestration::vagga::debian::deb::Deb;

/// Bytes of content read, since compressed zeros are cheap.
const LIMIT: u64 = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("fuzz-deb-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    if let Ok(deb) = Deb::open(&path) {
        let _ = deb.control();
        if let Ok(data) = deb.data() {
            let _ = io::copy(&mut data.take(LIMIT), &mut io::sink());
        }
    }
    std::fs::remove_file(&path).unwrap();
});
