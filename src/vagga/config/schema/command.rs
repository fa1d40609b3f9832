//! Keys of `commands:`.

use super::volume::VOLUMES;
use super::{ABSOLUTE, ENVIRON, PATH, RANGES};
use crate::config::schema::{flag, optional, required, strings, variant, with, Default, Key, KeyRule, Kind};
use crate::config::schema::{Structure, Variant};

/// A top-level command.
pub const MAIN: Kind = Kind::Tagged {
    variants: &[
        variant("Command", Kind::Structure(&COMMAND), "A process in a container."),
        variant("Supervise", Kind::Structure(&SUPERVISE), "A group of processes."),
        variant(
            "CapsuleCommand",
            Kind::Structure(&CAPSULE),
            "A process outside of any container.",
        ),
    ],
    default: None,
};

/// A child of `!Supervise`.
const CHILD: Kind = Kind::Tagged {
    variants: CHILDREN,
    default: None,
};

const CHILDREN: &[Variant] = &[
    variant(
        "Command",
        Kind::Structure(&CHILD_COMMAND),
        "A process in a container.",
    ),
    variant(
        "BridgeCommand",
        Kind::Structure(&BRIDGE_COMMAND),
        "A process in the bridge network namespace.",
    ),
];

const COMMAND: Structure = Structure {
    keys: &[COMMON, OPTIONS, PROCESS, IN_CONTAINER],
    scalar: None,
};

const CHILD_COMMAND: Structure = Structure {
    keys: &[COMMON, PROCESS, IN_CONTAINER, NETWORK, SUPERVISION],
    scalar: None,
};

const BRIDGE_COMMAND: Structure = Structure {
    keys: &[COMMON, PROCESS, IN_CONTAINER, SUPERVISION],
    scalar: None,
};

const SUPERVISE: Structure = Structure {
    keys: &[COMMON, OPTIONS, GROUP],
    scalar: None,
};

const CAPSULE: Structure = Structure {
    keys: &[COMMON, OPTIONS, PROCESS, CAPSULE_IDS],
    scalar: None,
};

const COMMON: &[Key] = &[
    optional("description", Kind::Text, "Text of listings and of `--help`."),
    optional("banner", Kind::Text, "Text printed when the processes start."),
    optional("banner_delay", SECONDS, "Seconds to wait before the banner."),
    optional("epilog", Kind::Text, "Text printed after success."),
    strings("aliases", "Other names."),
    optional("group", Kind::Text, "Heading in the listing."),
    strings("prerequisites", "Commands to run first."),
    optional(
        "symlink_name",
        Kind::Text,
        "Name of the link that `_update_symlinks` makes.",
    ),
    flag("isolate_network", "Run with only a loopback interface."),
    optional(
        "expect_inotify_limit",
        Kind::Digits,
        "Wanted fs.inotify.max_user_watches.",
    ),
    optional(
        "pass_tcp_socket",
        Kind::Text,
        "Address of a listening socket to pass as descriptor 3.",
    ),
    strings("tags", "Names for `--only` and `--exclude`."),
];

/// Seconds that fit 32 bits.
const SECONDS: Kind = Kind::Number {
    min: 0,
    max: super::MAX_ID,
};

const OPTIONS: &[Key] = &[optional(
    "options",
    Kind::Text,
    "docopt text describing the arguments.",
)];

const PROCESS: &[Key] = &[
    required(
        "run",
        Kind::ShellOrCommand,
        "Text for the shell, or a program and its arguments.",
    ),
    optional(
        "work_dir",
        PATH,
        "Directory relative to the project, or absolute inside the container.",
    ),
    optional(
        "accepts_arguments",
        Kind::Bool,
        "Pass arguments on; by default only for a list.",
    ),
    with(
        "environ",
        ENVIRON,
        Default::Map,
        "Variables, overriding those of the container.",
    ),
];

/// Ids of a command; the limit is that of the configuration language.
const COMMAND_ID: Kind = Kind::Number { min: 0, max: 1 << 30 };

const IN_CONTAINER: &[Key] = &[
    required("container", Kind::Text, "Container to run in."),
    with(
        "volumes",
        VOLUMES,
        Default::Map,
        "Mounts, overriding those of the container.",
    ),
    with(
        "write_mode",
        Kind::Choice(&["read_only", "transient_hard_link_copy"]),
        Default::Tag("read_only"),
        "Whether the image may be written to.",
    ),
    with("user_id", COMMAND_ID, Default::Number(0), "User id inside."),
    optional(
        "external_user_id",
        COMMAND_ID,
        "Id of the container that `user-id` stands for.",
    ),
    with("group_id", COMMAND_ID, Default::Number(0), "Group id inside."),
    with(
        "supplementary_gids",
        Kind::List(&COMMAND_ID),
        Default::List,
        "Supplementary groups, exactly these.",
    ),
    with(
        "pid1mode",
        Kind::Choice(&["wait", "wait_all_children", "exec"]),
        Default::Tag("wait"),
        "What PID 1 of the container does.",
    ),
];

const NETWORK: &[Key] = &[optional(
    "network",
    Kind::Structure(&Structure {
        keys: &[&[
            required("ip", Kind::Text, "Address within 172.23.0.1-172.23.0.253."),
            optional("hostname", Kind::Text, "Host name, by default the child's name."),
            with(
                "ports",
                Kind::Map(KeyRule::Port, &PORT),
                Default::Map,
                "External TCP port to port of the child.",
            ),
        ]],
        scalar: None,
    }),
    "A network namespace of its own.",
)];

/// What a group does about a child.
const SUPERVISION: &[Key] = &[
    strings(
        "after",
        "Children of the group that have to be ready before this one starts.",
    ),
    optional(
        "ready",
        Kind::Structure(&READY),
        "How to tell that the child is ready; without it, it is as soon as it runs.",
    ),
    with(
        "restart",
        Kind::Choice(&["never", "on_failure", "always"]),
        Default::Tag("never"),
        "Whether the child is started again when it has ended.",
    ),
];

/// Exactly one of the first three has to be there, see `config::children`.
const READY: Structure = Structure {
    keys: &[&[
        optional(
            "tcp",
            Kind::Text,
            "PORT or ADDRESS:PORT that accepts connections, seen from inside the child's network.",
        ),
        optional(
            "file",
            ABSOLUTE,
            "Path that exists, seen from inside the container.",
        ),
        optional(
            "command",
            Kind::ShellOrCommand,
            "Program that ends with status 0, run inside the container.",
        ),
        with(
            "timeout",
            Kind::Duration {
                min: 1,
                max: 86_400_000,
            },
            Default::Number(60_000),
            "Time after which a child that is not ready has failed.",
        ),
        with(
            "interval",
            Kind::Duration { min: 10, max: 60_000 },
            Default::Number(250),
            "Longest pause between two attempts; the first pauses are shorter.",
        ),
    ]],
    scalar: None,
};

const PORT: Kind = Kind::Number { min: 1, max: 65535 };

const GROUP: &[Key] = &[
    with(
        "mode",
        Kind::Choice(&["stop_on_failure", "wait_all_successful"]),
        Default::Tag("stop_on_failure"),
        "When the group ends.",
    ),
    with(
        "children",
        Kind::Map(KeyRule::Any, &CHILD),
        Default::Map,
        "Processes by name.",
    ),
    with(
        "kill_unresponsive_after",
        Kind::Number { min: 1, max: 86400 },
        Default::Number(2),
        "Seconds between asking children to stop and killing them.",
    ),
];

const CAPSULE_IDS: &[Key] = &[
    with("uids", RANGES, Default::Ids(65536), "User ids to map."),
    with("gids", RANGES, Default::Ids(65536), "Group ids to map."),
];
