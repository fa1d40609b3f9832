//! The keys of a container file: names, kinds, ranges, defaults and what they mean. Types and reading stand beside.

use super::super::ids::{ID, MAPS};
use super::super::io::RATES;
use crate::config::schema::{flag, optional, required, strings, variant, with, Default, Key, KeyRule, Kind};
use crate::config::schema::{PathRule, Structure, Variant};

const PATH: Kind = Kind::Path(PathRule::Any);
const STRINGS: Kind = Kind::Map(KeyRule::Any, &Kind::Text);
/// Seconds, at most a day.
const SECONDS: Kind = Kind::Integer { min: 0, max: 86_400 };
/// Permission bits with the sticky bit.
const MODE: Kind = Kind::Integer { min: 0, max: 0o1777 };
/// Bytes or pieces.
const SIZE: Kind = Kind::Integer {
    min: 0,
    max: i64::MAX,
};
/// A limit that makes sense only above nothing.
const LIMIT: Kind = Kind::Integer {
    min: 1,
    max: i64::MAX,
};

pub const KEYS: &[Key] = &[
    with(
        "kind",
        Kind::Choice(&["Daemon", "Command", "CommandOrDaemon"]),
        Default::Text("Daemon"),
        "How it may be used.",
    ),
    with(
        "variables",
        Kind::Map(
            KeyRule::Any,
            &Kind::Tagged {
                variants: TYPES,
                default: None,
            },
        ),
        Default::Map,
        "Types of variables.",
    ),
    optional("metadata", Kind::Anything, "For other tools."),
    with(
        "volumes",
        Kind::Map(
            KeyRule::Path(PathRule::Absolute),
            &Kind::Tagged {
                variants: VOLUMES,
                default: None,
            },
        ),
        Default::Map,
        "What is mounted where.",
    ),
    optional("user_id", ID, "User id inside."),
    optional("group_id", ID, "Group id inside."),
    with(
        "memory_limit",
        SIZE,
        Default::Number(i64::MAX),
        "Most memory, bytes.",
    ),
    with(
        "cpu_shares",
        Kind::Integer { min: 2, max: 262_144 },
        Default::Number(1024),
        "Share of processor time.",
    ),
    with("fileno_limit", SIZE, Default::Number(1024), "Most open files."),
    with(
        "restart_timeout",
        SECONDS,
        Default::Number(1),
        "Seconds between two starts.",
    ),
    with(
        "kill_timeout",
        SECONDS,
        Default::Number(5),
        "Seconds between the request to stop and SIGKILL.",
    ),
    required("executable", Kind::Text, "The program."),
    strings("arguments", "Its arguments."),
    with("environ", STRINGS, Default::Map, "Its environment."),
    with(
        "secret_environ",
        Kind::Map(KeyRule::Any, &Kind::ShellOrCommand),
        Default::Map,
        "Variables whose values are encrypted.",
    ),
    optional("secret_environ_file", PATH, "File with the same mapping."),
    with(
        "secret_files",
        Kind::Map(KeyRule::Any, &Kind::ShellOrCommand),
        Default::Map,
        "Files in /run/secrets whose contents are encrypted.",
    ),
    with("workdir", PATH, Default::Text("/"), "Working directory.").also("work_dir"),
    with(
        "resolv_conf",
        Kind::Structure(&RESOLV_CONF),
        Default::Map,
        "What becomes of /etc/resolv.conf.",
    ),
    with(
        "hosts_file",
        Kind::Structure(&HOSTS_FILE),
        Default::Map,
        "What becomes of /etc/hosts.",
    ),
    with("uid_map", MAPS, Default::List, "User namespace: user ids."),
    with("gid_map", MAPS, Default::List, "User namespace: group ids."),
    optional(
        "stdout_stderr_file",
        Kind::Path(PathRule::Absolute),
        "File inside that gets all output.",
    ),
    flag("interactive", "Keep the input and output of whoever runs it."),
    flag(
        "restart_process_only",
        "Restart only the process, in the same container.",
    ),
    with(
        "normal_exit_codes",
        Kind::List(&Kind::Integer { min: 0, max: 255 }),
        Default::List,
        "Exit codes that are no failures.",
    ),
    with(
        "tcp_ports",
        Kind::Map(KeyRule::Any, &Kind::Structure(&TCP_PORT)),
        Default::Map,
        "Sockets the process gets.",
    ),
];

/// What the original did not have; off by default.
pub const LIMITS: &[Key] = &[
    optional(
        "memory_high",
        LIMIT,
        "Memory from which the container is slowed down, bytes.",
    ),
    optional("memory_swap", SIZE, "Most swap, bytes."),
    optional(
        "cpu_quota",
        LIMIT,
        "Most processor time, percent of one processor.",
    ),
    optional("pids_limit", LIMIT, "Most processes."),
    optional(
        "io_weight",
        Kind::Integer { min: 1, max: 10_000 },
        "Share of input and output.",
    ),
    with(
        "io_limit",
        RATES,
        Default::Map,
        "Most disk access, by mount point: / or that of a volume.",
    ),
    with(
        "stop_signal",
        Kind::Text,
        Default::Text("TERM"),
        "Signal that asks the process to stop.",
    ),
    optional(
        "ready",
        Kind::Structure(&READY),
        "How to see that the process is ready.",
    ),
    with(
        "restart_backoff",
        Kind::Structure(&BACKOFF),
        Default::Map,
        "Growing pauses between failures.",
    ),
];

const READY: Structure = Structure {
    keys: &[&[
        optional("tcp", Kind::Text, "Port that accepts connections."),
        optional("file", Kind::Path(PathRule::Absolute), "File that exists."),
        flag("notify", "The process says so itself, as with sd_notify(3)."),
        with(
            "timeout",
            SECONDS,
            Default::Number(60),
            "Seconds until it counts as failed.",
        ),
    ]],
    scalar: None,
};

const BACKOFF: Structure = Structure {
    keys: &[&[
        with(
            "max",
            SECONDS,
            Default::Number(0),
            "Longest pause, seconds; 0: restart-timeout always.",
        ),
        with(
            "jitter",
            Kind::Integer { min: 0, max: 100 },
            Default::Number(10),
            "Random part of the pause, percent.",
        ),
    ]],
    scalar: None,
};

const RESOLV_CONF: Structure = Structure {
    keys: &[&[
        with(
            "copy_from_host",
            Kind::Bool,
            Default::Bool(true),
            "Copy the host's file.",
        ),
        optional(
            "mount",
            Kind::Bool,
            "Mount it over /etc/resolv.conf; by default when possible.",
        ),
    ]],
    scalar: None,
};

const HOSTS_FILE: Structure = Structure {
    keys: &[&[
        with(
            "copy_from_host",
            Kind::Bool,
            Default::Bool(true),
            "Copy the host's file.",
        ),
        optional("localhost", Kind::Bool, "A line for localhost."),
        optional("public_hostname", Kind::Bool, "A line for the host's name."),
        optional(
            "mount",
            Kind::Bool,
            "Mount it over /etc/hosts; by default when possible.",
        ),
    ]],
    scalar: None,
};

const TCP_PORT: Structure = Structure {
    keys: &[&[
        required(
            "fd",
            Kind::Integer { min: 0, max: 65_535 },
            "Descriptor in the process.",
        ),
        with(
            "host",
            Kind::IpAddress,
            Default::Text("0.0.0.0"),
            "Address to listen on.",
        ),
        with("reuse_addr", Kind::Bool, Default::Bool(true), "SO_REUSEADDR."),
        with(
            "reuse_port",
            Kind::Bool,
            Default::Bool(false),
            "SO_REUSEPORT, a socket per process.",
        ),
        with("set_non_block", Kind::Bool, Default::Bool(false), "O_NONBLOCK."),
        with(
            "listen_backlog",
            Kind::Digits,
            Default::Number(128),
            "Connections that wait.",
        ),
        flag(
            "external",
            "Listen in the network of the host though the sandbox is bridged.",
        ),
    ]],
    scalar: None,
};

const TYPES: &[Variant] = &[
    variant("TcpPort", Kind::Structure(&ACTIVATION), "A port."),
    variant("Choice", Kind::List(&Kind::Text), "One of these texts."),
    variant("Name", Kind::Nothing, "Letters, digits, dashes, underscores."),
    variant("DottedName", Kind::Nothing, "Names with dots between them."),
];

const ACTIVATION: Structure = Structure {
    keys: &[&[optional(
        "activation",
        Kind::Choice(&["systemd"]),
        "Pass a listening socket.",
    )]],
    scalar: None,
};

const VOLUMES: &[Variant] = &[
    variant("Readonly", Kind::Text, "A path of readonly-paths."),
    variant(
        "Persistent",
        Kind::Structure(&PERSISTENT),
        "A path of writable-paths.",
    ),
    variant(
        "Tmpfs",
        Kind::Structure(&TMPFS),
        "An empty file system in memory.",
    ),
    variant(
        "Statedir",
        Kind::Structure(&STATEDIR),
        "A directory that lives as long as the container.",
    ),
];

const PERSISTENT: Structure = Structure {
    keys: &[OWNER, &[flag("mkdir", "Make a missing directory.")]],
    scalar: Some("path"),
};

const STATEDIR: Structure = Structure {
    keys: &[OWNER],
    scalar: Some("path"),
};

const OWNER: &[Key] = &[
    with("path", PATH, Default::Text("/"), "The directory."),
    with("mode", MODE, Default::Number(0o777), "Its mode."),
    with("user", ID, Default::Number(0), "Its user, inside."),
    with("group", ID, Default::Number(0), "Its group, inside."),
];

const TMPFS: Structure = Structure {
    keys: &[&[
        with("size", SIZE, Default::Number(100 << 20), "Its size, bytes."),
        with("mode", MODE, Default::Number(0o777), "Its mode."),
    ]],
    scalar: None,
};
