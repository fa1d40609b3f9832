//! The command line of `lithos_cmd`. Options end at the first positional argument: the rest is the command's.

use crate::cli::{Arity, Manual, Offer, Positional, Tool};
use crate::lithos::options;

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `--master`
    Master,
    /// `--log-stderr`
    LogStderr,
    /// `--log-level`
    LogLevel,
}

/// The tool.
pub const TOOL: Tool<Key> = Tool {
    flags: &[
        options::master(Key::Master),
        options::log_stderr(Key::LogStderr),
        options::log_level(Key::LogLevel),
    ],
    positionals: &[
        options::sandbox("Name of the sandbox"),
        Positional {
            name: "name",
            arity: Arity::Required,
            help: "Name of an entry with kind: Command",
            offer: Offer::Nothing,
        },
        Positional {
            name: "args",
            arity: Arity::Rest,
            help: "Further arguments of the program",
            offer: Offer::Nothing,
        },
    ],
    stops: true,
    values: options::VALUES,
    manual: Manual {
        section: 8,
        description: &[
            "Runs a command of a sandbox once, in a container of its own, attached to standard input. Output goes to the \
             caller if the container file says interactive: true, otherwise to the output log of the sandbox.",
            "TERM and INT stop the container; its state directory and control group are removed in every case. Killed, \
             lithos_cmd takes the container with it, and the next lithos_cmd or lithos_tree removes what is left. Needs \
             root, but no running lithos_tree.",
        ],
        lists: &[(
            "EXIT STATUS",
            &[
                ("0", "The command succeeded."),
                ("1", "There is no such command, or its container could not be set up."),
                ("2", "Wrong command line."),
                ("other", "That of the command; 128 and the number of the signal that killed it."),
            ],
        )],
        see_also: &["lithos_tree(8)", "lithos_check(8)", "lithos_knot(8)"],
    },
    ..Tool::new("lithos_cmd", "runs a command of a sandbox")
};
