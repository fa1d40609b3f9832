//! Options that several tools have, each once: spelling, meaning and what completion offers. Which key a tool gives them is the tool's.

use crate::cli::Arity;
use crate::cli::{Flag, Offer, Positional};

const MASTER: &str = "Master file (default: /etc/lithos/master.yaml)";

/// The master file, of tools that have no other configuration to name: tree, check, clean.
pub const fn config<K: Copy>(key: K) -> Flag<K> {
    Flag::new(key, &["-C", "--config"], MASTER).takes("FILE")
}

/// The master file, of the others.
pub const fn master<K: Copy>(key: K) -> Flag<K> {
    Flag::new(key, &["--master"], MASTER).takes("FILE")
}

/// The log goes to standard error as well.
pub const fn log_stderr<K: Copy>(key: K) -> Flag<K> {
    Flag::new(key, &["--log-stderr"], "Write the log to standard error, too")
}

/// Level of the log.
pub const fn log_level<K: Copy>(key: K) -> Flag<K> {
    Flag::new(
        key,
        &["--log-level"],
        "Level of the log instead of the configured one",
    )
    .takes("LEVEL")
}

/// Says more; what, is the tool's.
pub const fn verbose<K: Copy>(key: K, help: &'static str) -> Flag<K> {
    Flag::new(key, &["-v", "--verbose"], help)
}

/// The sandbox, first of the positional arguments.
pub const fn sandbox(help: &'static str) -> Positional<Offer> {
    Positional {
        name: "sandbox",
        arity: Arity::Required,
        help,
        offer: SANDBOXES,
    }
}

/// Names of sandboxes, where they usually are.
pub const SANDBOXES: Offer = Offer::NamesIn("/etc/lithos/sandboxes", ".yaml");

/// What completion offers for the values of these options.
pub const VALUES: &[(&str, Offer)] = &[
    ("FILE", Offer::Files),
    (
        "LEVEL",
        Offer::Words(&["error", "warn", "info", "debug", "trace"]),
    ),
    ("NAME", SANDBOXES),
];
