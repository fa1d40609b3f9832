//! The command line of `lithos_check`.

use crate::cli::{Flag, Manual, Tool};
use crate::lithos::config::master::DEFAULT_PATH;
use crate::lithos::options;

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `--config`
    Config,
    /// `--verbose`
    Verbose,
    /// `--sandbox`
    Sandbox,
    /// `--alternate-config`
    Alternate,
    /// `--check-container`
    Container,
    /// `--explain`
    Explain,
}

const FLAGS: &[Flag<Key>] = &[
    options::config(Key::Config),
    options::verbose(Key::Verbose, "Print the name and the address of the host"),
    Flag::new(
        Key::Sandbox,
        &["--sandbox", "--sandbox-name", "-T", "--tree", "--subtree-name"],
        "Sandbox that the next option is for",
    )
    .takes("NAME"),
    Flag::new(
        Key::Alternate,
        &["--alternate-config"],
        "Use this processes file for that sandbox",
    )
    .takes("FILE"),
    Flag::new(
        Key::Container,
        &["--check-container"],
        "Check nothing but this container file; needs no configuration of the host",
    )
    .takes("FILE"),
    Flag::new(
        Key::Explain,
        &["--explain"],
        "Print the plan of this container (mounts, ids, capabilities, limits) and start nothing; SANDBOX/PROCESS or SANDBOX/PROCESS.NUMBER",
    )
    .takes("CONTAINER"),
];

/// The tool.
pub const TOOL: Tool<Key> = Tool {
    flags: FLAGS,
    values: options::VALUES,
    manual: Manual {
        section: 8,
        description: &[
            "Reads everything that lithos_tree would read and says all that is wrong with it, by the same rules that the \
             tree and the knots apply. Prints nothing when all is well.",
        ],
        lists: &[
            ("FILES", &[(DEFAULT_PATH, "The master file.")]),
            (
                "EXIT STATUS",
                &[("0", "No error, perhaps warnings."), ("1", "At least one error."), ("2", "Wrong usage.")],
            ),
        ],
        see_also: &["lithos_switch(8)", "lithos_tree(8)"],
    },
    ..Tool::new("lithos_check", "checks configurations and images before they are used")
};
