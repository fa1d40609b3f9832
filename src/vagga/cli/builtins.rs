//! The built-in commands of the [table](super::table).

use super::table::{
    Arity, BuiltIn, Flag, Job, Key, Offer, Positional, NO_BUILD, NO_IMAGE_DOWNLOAD, NO_VERSION_CHECK,
};

use options::{
    CAPSULE, CLEAN, CONTAINER, GATEWAY, LIST, PACK, PARTITION, PID, RUN_IN, VERSION_HASH, WRITABLE,
};

mod options;

const NONE: BuiltIn = BuiltIn {
    name: "",
    job: Job::Missing,
    about: "",
    flags: &[],
    positionals: &[],
    stops: false,
    lenient: false,
    anywhere: false,
    offered: true,
};

/// All built-in commands. Completion offers them in this order.
pub const ALL: &[BuiltIn] = &[
    BuiltIn {
        name: "_build",
        job: Job::Build,
        about: "Build a container if its version is not there yet",
        flags: &[Flag::new(
            Key::Force,
            &["--force"],
            "Build even if it is up to date",
        )],
        // Optional for the parser: a missing name is reported like an unknown one.
        positionals: &[Positional {
            arity: Arity::Optional,
            ..CONTAINER
        }],
        ..NONE
    },
    BuiltIn {
        name: "_build_shell",
        job: Job::BuildShell,
        about: "Open a shell (busybox) that sees the project and vagga's directories",
        lenient: true,
        ..NONE
    },
    BuiltIn {
        name: "_clean",
        job: Job::Clean,
        about: "Remove images, volumes and leftovers; several actions may be combined",
        flags: CLEAN,
        ..NONE
    },
    BuiltIn {
        name: "_create_netns",
        job: Job::CreateNetns,
        flags: GATEWAY,
        anywhere: true,
        about: "Set up the network namespaces of networked commands",
        ..NONE
    },
    BuiltIn {
        name: "_destroy_netns",
        job: Job::DestroyNetns,
        flags: GATEWAY,
        anywhere: true,
        about: "Remove the network namespaces of networked commands",
        ..NONE
    },
    BuiltIn {
        name: "_init_storage_dir",
        job: Job::InitStorageDir,
        about: "Link the project to a directory below storage-dir",
        flags: &[Flag::new(
            Key::AllowMultiple,
            &["--allow-multiple"],
            "Several projects may use the directory",
        )],
        positionals: &[Positional {
            name: "name",
            arity: Arity::Required,
            help: "Name of the directory, created if it is missing",
            offer: Offer::Nothing,
        }],
        ..NONE
    },
    BuiltIn {
        name: "_list",
        job: Job::List,
        about: "List commands",
        flags: LIST,
        ..NONE
    },
    BuiltIn {
        name: "_pack_image",
        job: Job::PackImage,
        about: "Pack the image of a container into an archive",
        flags: PACK,
        positionals: &[CONTAINER],
        ..NONE
    },
    BuiltIn {
        name: "_push_image",
        job: Job::PushImage,
        about: "Upload the image of a container with the setting push-image-script",
        flags: &[NO_IMAGE_DOWNLOAD, NO_BUILD, NO_VERSION_CHECK],
        positionals: &[CONTAINER],
        ..NONE
    },
    BuiltIn {
        name: "_run",
        job: Job::Run,
        about: "Run a program in a container",
        flags: &[WRITABLE, NO_IMAGE_DOWNLOAD, NO_BUILD, NO_VERSION_CHECK],
        positionals: RUN_IN,
        stops: true,
        ..NONE
    },
    BuiltIn {
        name: "_run_in_netns",
        job: Job::RunInNetns,
        flags: &[PID, NO_IMAGE_DOWNLOAD, NO_BUILD, NO_VERSION_CHECK],
        about: "Run a program in a container and the gateway network namespace",
        positionals: RUN_IN,
        stops: true,
        ..NONE
    },
    BuiltIn {
        name: "_version_hash",
        job: Job::VersionHash,
        about: "Print the version of a container; exit code 29 when it is known only after building",
        flags: VERSION_HASH,
        positionals: &[CONTAINER],
        ..NONE
    },
    BuiltIn {
        name: "_check_overlayfs_support",
        job: Job::OverlaySupport,
        about: "Check whether overlays work here",
        lenient: true,
        ..NONE
    },
    BuiltIn {
        name: "_base_dir",
        job: Job::BaseDir,
        about: "Print the project directory",
        lenient: true,
        ..NONE
    },
    BuiltIn {
        name: "_relative_work_dir",
        job: Job::RelativeWorkDir,
        about: "Print the current directory relative to the project directory",
        lenient: true,
        ..NONE
    },
    BuiltIn {
        name: "_update_symlinks",
        job: Job::UpdateSymlinks,
        about: "Make symlinks for commands with symlink-name in .vagga/.cmd and ~/.vagga/cmd",
        flags: &[
            Flag::new(
                Key::LocalOnly,
                &["--local-only"],
                "Only in .vagga/.cmd of the project",
            ),
            Flag::new(Key::UserOnly, &["--user-only"], "Only in ~/.vagga/cmd"),
        ],
        ..NONE
    },
    BuiltIn {
        name: "_help",
        job: Job::Help,
        about: "Show the help of a command",
        positionals: &[Positional {
            name: "name",
            arity: Arity::Optional,
            help: "Command or built-in command; none lists the commands",
            offer: Offer::Commands,
        }],
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_doctor",
        job: Job::Doctor,
        about: "Check what this machine lacks for vagga and print the remedies",
        anywhere: true,
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_dump_config",
        job: Job::DumpConfig,
        about: "Print the merged configuration as JSON",
        flags: &[Flag::new(Key::Pretty, &["--pretty"], "Indent the output")],
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_export_oci",
        job: Job::ExportOci,
        about: "Write the image of a container as OCI layout, for podman, skopeo and the like",
        flags: &[
            Flag {
                repeat: false,
                ..Flag::new(
                    Key::Output,
                    &["-o", "--output"],
                    "Directory to make, or an archive if the name ends in .tar; by default CONTAINER.oci",
                )
                .takes("PATH")
            },
            Flag {
                repeat: false,
                ..Flag::new(Key::Tag, &["--tag"], "Tag of the image, by default its version").takes("TAG")
            },
            Flag::new(Key::Zstd, &["--zstd"], "Compress layers by zstd instead of gzip"),
        ],
        positionals: &[CONTAINER],
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_to_lithos",
        job: Job::ToLithos,
        about: "Write an image directory and the configuration to run it in production by lithos",
        flags: &[Flag {
            repeat: false,
            ..Flag::new(
                Key::Output,
                &["-o", "--output"],
                "Directory to make; by default lithos-CONTAINER",
            )
            .takes("DIR")
        }],
        positionals: &[
            CONTAINER,
            Positional {
                name: "process",
                arity: Arity::Rest,
                help: "Commands, and children as GROUP-CHILD; none for all that run in the container",
                offer: Offer::Nothing,
            },
        ],
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_layers",
        job: Job::Layers,
        about: "List the layers that builds keep: why, how large, when used",
        flags: &[Flag::new(Key::Json, &["--json"], "Print them as JSON")],
        positionals: &[Positional {
            arity: Arity::Optional,
            help: "Only layers made for this container, or that its images are made of",
            ..CONTAINER
        }],
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_check",
        job: Job::Check,
        about: "Print all problems of the configuration; exit code 126 when there are errors",
        flags: &[Flag::new(
            Key::Strict,
            &["--strict"],
            "Exit with 126 for warnings too",
        )],
        positionals: &[Positional {
            name: "file",
            arity: Arity::Optional,
            help: "Configuration to check by itself, with its mixins; by default all of the project",
            offer: Offer::Nothing,
        }],
        anywhere: true,
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_schema",
        job: Job::Schema,
        about: "Print a JSON schema for editors",
        positionals: &[Positional {
            name: "of",
            arity: Arity::Optional,
            help: "vagga.yaml (the default), or settings",
            offer: Offer::Words(&["vagga.yaml", "settings"]),
        }],
        anywhere: true,
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_hardlink",
        job: Job::Hardlink,
        about: "Replace identical files of containers by hard links",
        flags: &[Flag::new(
            Key::Global,
            &["--global"],
            "Among all projects of the storage directory",
        )],
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_verify",
        job: Job::Verify,
        about: "Compare the files of a container with its index",
        flags: &[Flag {
            repeat: false,
            ..Flag::new(
                Key::Against,
                &["--against"],
                "Compare with the index of another build, perhaps of another machine",
            )
            .takes("FILE")
        }],
        positionals: &[CONTAINER],
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_network",
        job: Job::Network,
        positionals: PARTITION,
        anywhere: true,
        about: "Break and mend connections between networked processes",
        stops: true,
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_capsule",
        job: Job::Capsule,
        positionals: CAPSULE,
        anywhere: true,
        about: "Build, run and download from within a capsule",
        stops: true,
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_compgen",
        job: Job::Complete,
        about: "Print candidates for completion: vagga _compgen WORD... -- CURRENT",
        lenient: true,
        anywhere: true,
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_completion",
        job: Job::CompletionScript,
        about: "Print a completion script for a shell",
        positionals: &[Positional {
            name: "shell",
            arity: Arity::Required,
            help: "bash, zsh or fish",
            offer: Offer::Words(&["bash", "zsh", "fish"]),
        }],
        anywhere: true,
        offered: false,
        ..NONE
    },
    BuiltIn {
        name: "_man",
        job: Job::Manual,
        about: "Print a manual page (read it with: vagga _man | man -l -)",
        positionals: &[Positional {
            name: "page",
            arity: Arity::Optional,
            help: "vagga (the default), or vagga.yaml",
            offer: Offer::Words(&["vagga", "vagga.yaml"]),
        }],
        anywhere: true,
        offered: false,
        ..NONE
    },
];
