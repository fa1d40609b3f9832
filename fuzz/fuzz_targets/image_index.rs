//! Feeds text to the reader of `index.ds1`, as it is and with a right last line: it has to return.
//!
//! `cargo +nightly fuzz run image_index`; what it finds belongs into `corpus/image_index`, which an ordinary test
//! replays.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orchestration::vagga::image::index::Index;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Index::parse(text);
    let _ = Index::parse(&Index::sealed(text));
});
