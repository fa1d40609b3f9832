//! Options and arguments of the [built-in commands](super), for those that have more than one or share them.

use super::super::table::{Arity, Flag, Key, Offer, Positional};
use super::super::table::{NO_BUILD, NO_IMAGE_DOWNLOAD, NO_VERSION_CHECK};

pub const CONTAINER: Positional = Positional {
    name: "container",
    arity: Arity::Required,
    help: "Name of the container",
    offer: Offer::Containers,
};

pub const RUN_IN: &[Positional] = &[
    Positional {
        offer: Offer::Runnable,
        ..CONTAINER
    },
    Positional {
        name: "command",
        arity: Arity::Required,
        help: "Program to run",
        offer: Offer::Nothing,
    },
    Positional {
        name: "args",
        arity: Arity::Rest,
        help: "Arguments of the program, passed on as they are",
        offer: Offer::Nothing,
    },
];

pub const WRITABLE: Flag = Flag::new(
    Key::Writable,
    &["-W", "--writable", "--writeable"],
    "Run on a writable copy of the container, which is discarded at the end",
)
.offered(2);

pub const PID: Flag = Flag {
    repeat: false,
    ..Flag::new(
        Key::Pid,
        &["--pid"],
        "Use the network namespace of this process instead of the gateway",
    )
    .takes("PID")
};

pub const GATEWAY: &[Flag] = &[
    Flag::new(
        Key::DryRun,
        &["-n", "--dry-run"],
        "Print what would be done, do nothing",
    ),
    Flag::new(
        Key::NoIptables,
        &["--no-iptables"],
        "Leave the packet filters of this machine alone",
    ),
    Flag {
        repeat: false,
        ..Flag::new(
            Key::HostPart,
            &["--host-part"],
            "What sudo is called with: only what needs root, for a process and a directory of a user",
        )
        .takes("PID:DIR")
        .offered(0)
    },
];

pub const CAPSULE: &[Positional] = &[
    Positional {
        name: "subcommand",
        arity: Arity::Required,
        help: "build [--force] [--print-version] CONTAINER; run CONTAINER COMMAND; download URL; script URL",
        offer: Offer::Words(&["build", "run", "download", "script"]),
    },
    Positional {
        name: "args",
        arity: Arity::Rest,
        help: "Its arguments; download and script know --sha256 HASH and --refresh",
        offer: Offer::Nothing,
    },
];

pub const PARTITION: &[Positional] = &[
    Positional {
        name: "kind",
        arity: Arity::Required,
        help: "fullmesh, isolate, disjoint, split: who sees whom; run: a program in the network of a node",
        offer: Offer::Words(&["fullmesh", "isolate", "disjoint", "split", "run"]),
    },
    Positional {
        name: "nodes",
        arity: Arity::Rest,
        help: "Names of children; `--` between the groups of disjoint and split; NODE CMD ARG... for run",
        offer: Offer::Nothing,
    },
];

pub const CLEAN: &[Flag] = &[
    Flag::new(
        Key::Tmp,
        &["--tmp", "--tmp-folders"],
        "Remove what failed and aborted builds left",
    ),
    Flag::new(
        Key::Old,
        &["--old", "--old-containers"],
        "Remove versions that are not the last built one of their container",
    ),
    Flag::new(
        Key::Unused,
        &["--unused"],
        "Remove versions that do not match the current configuration",
    ),
    Flag {
        repeat: false,
        ..Flag::new(
            Key::AtLeast,
            &["--at-least"],
            "With --unused: remove instead what was not used for this long, e.g. 10days or \"2h 30m\"; with --cache: \
             the age, by default 30days",
        )
        .takes("DURATION")
    },
    Flag::new(
        Key::Transient,
        &["--transient"],
        "Remove writable copies whose process is gone",
    ),
    Flag::new(Key::Volumes, &["--volumes"], "Remove all persistent volumes"),
    Flag::new(
        Key::UnusedVolumes,
        &["--unused-volumes"],
        "Remove persistent volumes that nothing in the configuration mentions",
    ),
    Flag::new(
        Key::Layers,
        &["--layers"],
        "Remove layers of builds that no image is made of; with --at-least or --max-size: those beyond it",
    ),
    Flag {
        repeat: false,
        ..Flag::new(
            Key::MaxSize,
            &["--max-size"],
            "With --layers: remove the least recently used ones until the others have this size, e.g. 10G",
        )
        .takes("SIZE")
    },
    Flag::new(
        Key::Cache,
        &["--cache"],
        "Remove packages and downloads that were not used for long from the cache",
    ),
    Flag::new(
        Key::Everything,
        &["--everything"],
        "Remove the project's storage and the directory .vagga",
    ),
    Flag::new(
        Key::Global,
        &["--global"],
        "Apply to all projects of the storage directory (--everything, or --unused with --at-least)",
    ),
    Flag::new(
        Key::DryRun,
        &["-n", "--dry-run"],
        "Print what would be removed, remove nothing",
    ),
];

pub const PACK: &[Flag] = &[
    Flag {
        repeat: false,
        ..Flag::new(
            Key::File,
            &["-f", "--file"],
            "Write the archive to a file instead of stdout",
        )
        .takes("FILE")
    },
    Flag::new(Key::Gzip, &["-z", "--gzip"], "Compress as gzip does"),
    Flag::new(Key::Bzip2, &["-j", "--bzip2"], "Compress as bzip2 does"),
    Flag::new(Key::Xz, &["-J", "--xz"], "Compress as xz does"),
    Flag::new(Key::Zstd, &["--zstd"], "Compress as zstd does"),
    NO_IMAGE_DOWNLOAD,
    NO_BUILD,
    NO_VERSION_CHECK,
];

pub const LIST: &[Flag] = &[
    Flag::new(
        Key::Containers,
        &["--containers"],
        "List containers instead of commands",
    ),
    Flag::new(
        Key::All,
        &["-A", "--all", "--hidden"],
        "Include names that begin with an underscore, and built-in commands",
    ),
    Flag::new(Key::BuiltIns, &["--builtin"], "List built-in commands only"),
    Flag::new(
        Key::Zsh,
        &["--zsh"],
        "Print NAME:DESCRIPTION, for completion in zsh",
    ),
    Flag::new(Key::NoAliases, &["--no-aliases"], "Leave aliases out"),
    Flag::new(
        Key::Verbose,
        &["-v", "--verbose"],
        "Show the file that each command comes from",
    ),
];

pub const VERSION_HASH: &[Flag] = &[
    Flag::new(
        Key::Short,
        &["-s", "--short"],
        "Print only the 8 digits that name the image",
    ),
    Flag::new(
        Key::DebugVersioning,
        &["--debug-versioning"],
        "Print what goes into the hash, before it",
    ),
    Flag::new(
        Key::DumpVersionData,
        &["--dump-version-data"],
        "Print the hashed bytes instead of the hash (may be binary)",
    ),
];
