//! The command line of `lithos_ps`.

use crate::cli::{Flag, Manual, Tool};

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `--json`
    Json,
    /// `--monitor`
    Monitor,
    /// `--force-color`
    Color,
    /// `--no-color`
    NoColor,
}

/// The tool.
pub const TOOL: Tool<Key> = Tool {
    flags: &[
        Flag::new(Key::Json, &["--json"], "Print one line of JSON, with memory in bytes and times in clock ticks"),
        Flag::new(Key::Monitor, &["--monitor"], "Show a table of all instances every second, until interrupted"),
        Flag::new(Key::Color, &["--force-color"], "Use colour even if the output is no terminal"),
        Flag::new(Key::NoColor, &["--no-color"], "Use no colour; NO_COLOR in the environment says the same"),
    ],
    manual: Manual {
        section: 8,
        description: &[
            "For each running lithos_tree: its sandboxes, processes and instances with PID, time since the start, \
             [processes/threads], and memory (resident and on swap) of everything below the knot.",
            "An instance without a process is <failing> and shown with the PID of its knot in parentheses; more than one \
             direct child of a knot is shown by their number. Knots whose tree does not run stand below PID 0.",
            "Beside trees of root or of the own user: how often a process was restarted (restarts:N), and what differs from \
             the configuration: <outdated> runs with an older one, <not configured> would be stopped by a reload, and <not running> is \
             configured but not there.",
        ],
        lists: &[(
            "EXIT STATUS",
            &[
                ("0", "Done, also if nothing runs."),
                ("1", "/proc cannot be read."),
                ("2", "Wrong usage."),
            ],
        )],
        see_also: &["lithos_tree(8)", "ps(1)"],
    },
    ..Tool::new("lithos_ps", "shows the containers that lithos runs")
};
