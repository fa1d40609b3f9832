//! Tables for the tests of this room.

use super::{Arity, Command, Flag, Manual, Offer, Positional, Tool};

/// Options of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Sample {
    Config,
    Quiet,
}

const CONFIG: Flag<Sample> =
    Flag::new(Sample::Config, &["-C", "--config"], "Read this file's 'text'").takes("FILE");
const QUIET: Flag<Sample> = Flag::new(Sample::Quiet, &["--quiet"], "Say nothing");

/// A tool with positional arguments.
pub const ONE: Tool<Sample> = Tool {
    flags: &[CONFIG, QUIET],
    positionals: &[
        Positional {
            name: "sandbox",
            arity: Arity::Required,
            help: "Name of the sandbox",
            offer: Offer::NamesIn("/etc/sample", ".yaml"),
        },
        Positional {
            name: "args",
            arity: Arity::Rest,
            help: "Arguments",
            offer: Offer::Nothing,
        },
    ],
    stops: true,
    values: &[("FILE", Offer::Files)],
    manual: Manual {
        section: 8,
        description: &["First paragraph.", "Second one."],
        lists: &[("EXIT STATUS", &[("0", "All is well.")])],
        see_also: &["sample_many(1)"],
    },
    ..Tool::new("sample_one", "shows the text of a sandbox")
};

/// A tool with commands.
pub const MANY: Tool<Sample> = Tool {
    commands: &[
        Command {
            name: "lock",
            about: "Locks the box",
            flags: &[CONFIG],
            positionals: &[],
        },
        Command {
            name: "unlock",
            about: "Unlocks the box",
            flags: &[QUIET],
            positionals: &[],
        },
    ],
    version_names: &["-V", "--version"],
    names_version: true,
    values: &[("FILE", Offer::Files)],
    usage_exit: 1,
    ..Tool::new("sample_many", "locks boxes")
};
