//! The command line of `lithos_switch`.

use crate::cli::{Arity, Flag, Manual, Offer, Positional, Tool};
use crate::lithos::config::master::DEFAULT_PATH;

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
        Flag::new(Key::Master, &["--master"], "Master file (default: /etc/lithos/master.yaml)").takes("FILE"),
        Flag::new(Key::Verbose, &["-v", "--verbose"], "Say what is done"),
    ],
    positionals: &[
        Positional {
            name: "sandbox",
            arity: Arity::Required,
            help: "Sandbox whose processes file is replaced",
            offer: Offer::NamesIn("/etc/lithos/sandboxes", ".yaml"),
        },
        Positional {
            name: "new_config",
            arity: Arity::Required,
            help: "The new processes file; it stays where it is",
            offer: Offer::Files,
        },
    ],
    values: &[("FILE", Offer::Files)],
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
