//! Feeds bytes to the loader of configurations: it has to return, with a value or with problems.
//!
//! `cargo +nightly fuzz run config_load`; what it finds belongs into `corpus/config_load`, which the ordinary test
//! `config_hostile` replays.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orchestration::config::Document;
use orchestration::vagga::config::schema::{CONFIG, USER_SETTINGS};

fuzz_target!(|bytes: &[u8]| {
    for kind in [CONFIG, USER_SETTINGS] {
        if let Err(problems) = Document::parse_bytes("fuzz.yaml", bytes).check(&kind) {
            let _ = problems.to_string();
        }
    }
});
