//! The command line of `lithos_mkdev`.

use crate::cli::{Arity, Manual, Offer, Positional, Tool};

/// There are no options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {}

/// The tool.
pub const TOOL: Tool<Key> = Tool {
    positionals: &[Positional {
        name: "dir",
        arity: Arity::Required,
        help: "Directory to make, usually /var/lib/lithos/dev (`devfs-dir` of the master file)",
        offer: Offer::Directories,
    }],
    usage_exit: 1,
    manual: Manual {
        section: 8,
        description: &[
            "Makes DIR with its parents, the devices null, zero, full, random, urandom and tty, the directories pts and \
             shm, and the links ptmx, fd, stdin, stdout and stderr. Every container sees it read-only as /dev.",
            "Either all of it is made or nothing: the first error ends the program and takes back what was made. Nothing \
             that exists is changed.",
        ],
        lists: &[("EXIT STATUS", &[("0", "Everything was made."), ("1", "Anything else.")])],
        see_also: &["lithos_tree(8)", "mknod(1)"],
    },
    ..Tool::new("lithos_mkdev", "makes the device nodes that containers see as /dev")
};
