//! Configurations that mean harm: whatever the bytes, reading them gives a value or an ordinary error, soon.
//!
//! `HOSTILE_CASES` raises the number of random cases (default 300 of each kind).

#![cfg(feature = "vagga")]

use std::path::Path;
use std::time::{Duration, Instant};

use orchestration::config::Document;
use orchestration::vagga::config::schema::CONFIG;
use proptest::prelude::*;

/// Reads a text and says what is wrong with it.
fn read(bytes: &[u8]) -> Result<(), String> {
    let document = Document::parse_bytes("hostile.yaml", bytes);
    document
        .check(&CONFIG)
        .map(drop)
        .map_err(|problems| problems.to_string())
}

fn cases() -> ProptestConfig {
    let number = std::env::var("HOSTILE_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(number.unwrap_or(300))
    }
}

/// Pieces that matter to the parser.
const PIECES: [&str; 64] = [
    "a",
    "b: ",
    "c:",
    "key",
    ": ",
    ":",
    "- ",
    "-",
    "--",
    "---",
    "...",
    "..",
    ".",
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\n ",
    " ",
    "  ",
    "\t",
    "[",
    "]",
    "{",
    "}",
    ",",
    ", ",
    "!T",
    "!T ",
    "!*Include x",
    "!*Unpack ",
    "!",
    "&a",
    "&a ",
    "*a",
    "*a ",
    "<<: ",
    "\"",
    "'",
    "''",
    "\\",
    "\"x\\\\\"",
    "\"\\x41\"",
    "|",
    ">",
    "|-\n",
    "|2\n",
    ">+\n",
    "| #c\n",
    "# c\n",
    "#",
    "%",
    "@",
    "?",
    "? ",
    "~",
    "null",
    "\u{e4}",
    "\u{20ac}",
    "\r\n",
    "commands:",
    "containers:\n  a:\n",
    "run: ",
    "!Command ",
];

fn soup() -> impl Strategy<Value = String> {
    let piece = (0..PIECES.len()).prop_map(|i| PIECES[i]);
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A sound file to be broken.
const SOUND: &str = include_str!("../fuzz/corpus/config_load/sound.yaml");

fn broken() -> impl Strategy<Value = String> {
    let edit = (0..SOUND.len(), 0..6usize, 0..PIECES.len());
    proptest::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut text: Vec<char> = SOUND.chars().collect();
        for (at, remove, piece) in edits {
            let at = at.min(text.len());
            let end = (at + remove).min(text.len());
            text.splice(at..end, PIECES[piece].chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn random_pieces(text in soup()) {
        let _ = read(text.as_bytes());
    }

    #[test]
    fn sound_files_broken_in_places(text in broken()) {
        let _ = read(text.as_bytes());
    }
}

#[test]
fn the_corpus_of_the_fuzzer() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/config_load");
    let mut number = 0;
    for entry in std::fs::read_dir(&dir).expect("the corpus is in the repository") {
        let path = entry.expect("read the corpus").path();
        let bytes = std::fs::read(&path).expect("read the corpus");
        let _ = read(&bytes);
        number += 1;
    }
    assert!(number > 10);
}

#[test]
fn the_sound_file_is_sound() {
    assert_eq!(read(SOUND.as_bytes()), Ok(()));
}

/// The error of a hostile text, which has to come soon.
fn refused(text: &str) -> String {
    let start = Instant::now();
    let error = read(text.as_bytes()).expect_err("a hostile text is refused");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "took {:?}",
        start.elapsed()
    );
    error.chars().take(400).collect()
}

#[test]
fn deep_nesting_is_refused() {
    let n = 100_000;
    let blocks: String = (0..1000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    let texts = [
        "[".repeat(n) + &"]".repeat(n),
        "{a: ".repeat(n) + &"}".repeat(n),
        "- ".repeat(n),
        "a: ".repeat(n),
        "a: b: 1\n".repeat(n),
        blocks,
    ];
    for text in texts {
        let error = refused(&text);
        assert!(error.contains("Nested deeper"), "{error}");
    }
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
    let mut chain = "a0: &a0 [x]\n".to_string();
    for i in 1..60 {
        let item = format!("*a{}", i - 1);
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", [item.as_str(); 10].join(", ")));
    }
    for i in 1..5000 {
        chain.push_str(&format!("a{i}: &a{i} [*a{}]\n", i - 1));
    }
    let nested = format!(
        "x: {}y{}",
        (0..90).map(|i| format!("&a{i} [")).collect::<String>(),
        "]".repeat(90)
    );
    for (text, fragment) in [(bomb, "nodes"), (chain, "Nested deeper")] {
        let error = refused(&text);
        assert!(error.contains(fragment), "{error}");
    }
    let error = refused(&nested);
    assert!(error.contains("Keys {\"x\"}"), "{error}");
    let wide = format!(
        "x: {}{}{}",
        "&a [".repeat(50),
        "y, ".repeat(20_000),
        "]".repeat(50)
    );
    assert!(refused(&wide).contains("nodes"));
}

#[test]
fn large_files_are_refused() {
    assert!(refused(&"#".repeat((1 << 20) + 1)).contains("larger than 1024 KiB"));
    assert!(refused(&format!("x: [{}]", "a, ".repeat(300_000))).contains("nodes"));
    let _ = read("'it''s' ".repeat(100_000).as_bytes());
    let _ = read("# comment\n".repeat(100_000).as_bytes());
    let _ = read(format!("_x: {}", "word ".repeat(200_000)).as_bytes());
}

#[test]
fn broken_texts_are_ordinary_errors() {
    let texts: [(&[u8], &str); 12] = [
        (b"a: {", "Unclosed"),
        (b"a: [1, {b: 2]", "Expected '}' before ']'"),
        (b"a: ]", "Unexpected"),
        (b"a: \"x", "Unclosed double-quoted"),
        (b"a: 'x''", "Unclosed quoted"),
        (b"a: \x00", "Unacceptable character U+0000"),
        (b"a: \xff", "UTF-8"),
        (b"\ta: 1", "Tab character"),
        (b"a: |\n    x\n  y\n", "indented less"),
        (b"|\n  a\n\xd1\x8f\n", "indented less"),
        (b"a: *x", "Unknown alias \"x\""),
        (b"a: 1\nb:\na:", "Duplicate key"),
    ];
    for (text, fragment) in texts {
        let error = read(text).expect_err("an error");
        assert!(error.contains(fragment), "{error:?} has no {fragment:?}");
    }
}
