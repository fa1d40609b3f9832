//! The command line of `lithos_knot`. The order of the first three options is part of the contract with the tree.

use crate::cli::{Arity, Flag, Manual, Offer, Positional, Tool};
use crate::lithos::options;

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `--name`
    Name,
    /// `--master`
    Master,
    /// `--config`
    Config,
    /// `--log-stderr`
    LogStderr,
    /// `--log-level`
    LogLevel,
}

/// The tool.
pub const TOOL: Tool<Key> = Tool {
    flags: &[
        Flag::new(Key::Name, &["--name"], "Name of the container, SANDBOX/PROCESS.N").takes("CONTAINER"),
        options::master(Key::Master),
        Flag::new(
            Key::Config,
            &["--config"],
            "Configuration of the instance, a JSON object",
        )
        .takes("JSON"),
        options::log_stderr(Key::LogStderr),
        options::log_level(Key::LogLevel),
    ],
    positionals: &[Positional {
        name: "args",
        arity: Arity::Rest,
        help: "Further arguments of the program",
        offer: Offer::Nothing,
    }],
    values: options::VALUES,
    manual: Manual {
        section: 8,
        description: &[
            "Started by lithos_tree and lithos_cmd, one for each container. Prepares everything on the host, then becomes \
             the first process of the container, which starts the program and reaps what it leaves behind.",
            "The name comes first so that a container is found with pgrep -f 'lithos_knot --name shop/web.0'; it can be \
             entered with nsenter -a --target PID.",
        ],
        lists: &[
            (
                "EXIT STATUS",
                &[
                    ("0", "The program ended as it should, or after a request to stop."),
                    ("1", "The container could not be set up."),
                    ("2", "The program failed; or a wrong command line."),
                    ("3", "The program did not stop in kill-timeout."),
                ],
            ),
            (
                "SIGNALS",
                &[
                    ("TERM", "Stop: the program gets stop-signal, and SIGKILL after kill-timeout."),
                    ("INT", "Do not start the program again."),
                ],
            ),
        ],
        see_also: &["lithos_tree(8)", "lithos_cmd(8)", "lithos_check(8)"],
    },
    ..Tool::new("lithos_knot", "runs one container")
};
