//! The command line of `lithos_switch`.

use crate::cli::{Arity, Manual, Offer, Positional, Tool};
use crate::lithos::config::master::DEFAULT_PATH;
use crate::lithos::options;

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `--master`
    Master,
    /// `-v`
    Verbose,
}

/// The tool.
pub const TOOL: Tool<Key> = Tool {
    flags: &[
        options::master(Key::Master),
        options::verbose(Key::Verbose, "Say what is done"),
    ],
    positionals: &[
        options::sandbox("Sandbox whose processes file is replaced"),
        Positional {
            name: "new_config",
            arity: Arity::Required,
            help: "The new processes file; it stays where it is",
            offer: Offer::Files,
        },
    ],
    values: options::VALUES,
    manual: Manual {
        section: 8,
        description: &[
            "Checks the new processes file with lithos_check, replaces the old one atomically, and has the tree reload. \
             When anything is wrong with the new file nothing changes. Waits until the tree has read the new file.",
        ],
        lists: &[
            ("FILES", &[(DEFAULT_PATH, "The master file.")]),
            (
                "EXIT STATUS",
                &[
                    ("0", "Switched, and taken by the tree; or no tree runs that could reload."),
                    ("1", "The check or the replacing failed; nothing has changed."),
                    ("2", "Wrong usage."),
                    ("3", "Replaced, but the tree refused the file or did not confirm the reload in 10 seconds."),
                ],
            ),
        ],
        see_also: &["lithos_check(8)", "lithos_tree(8)"],
    },
    ..Tool::new("lithos_switch", "replaces the processes file of a sandbox")
};
