//! Options of the build steps.

use super::{ABSOLUTE, ID, MODE, PATH, RELATIVE};
use crate::config::schema::{
    flag, optional, required, strings, variant, with, Default, Key, Kind, Structure,
};

/// Script of a step that builds an unpacked source.
const SCRIPT: Key = text(
    "script",
    "./configure --prefix=/usr\nmake\nmake install\n",
    "Script to run.",
);

/// A structure of one group of keys.
const fn structure(keys: &'static [&'static [Key]]) -> Structure {
    Structure { keys, scalar: None }
}

/// The same; a plain scalar stands for one key.
const fn short(keys: &'static [&'static [Key]], scalar: &'static str) -> Structure {
    Structure {
        keys,
        scalar: Some(scalar),
    }
}

/// A flag that is on by default.
const fn on(name: &'static str, doc: &'static str) -> Key {
    with(name, Kind::Bool, Default::Bool(true), doc)
}

/// Text with a default.
const fn text(name: &'static str, default: &'static str, doc: &'static str) -> Key {
    with(name, Kind::Text, Default::Text(default), doc)
}

/// Where an archive or file comes from.
const SOURCE: &[Key] = &[
    required(
        "url",
        Kind::Text,
        "URL, or a path beginning with `.` or `/volumes/`.",
    ),
    optional("sha256", Kind::Text, "Expected digest."),
];

/// Where an archive is unpacked.
const PLACE: &[Key] = &[
    with("path", ABSOLUTE, Default::Text("/"), "Where to unpack."),
    with(
        "subdir",
        RELATIVE,
        Default::Text(""),
        "Part of the archive to take.",
    ),
];

/// Where a repository comes from.
const REPOSITORY: &[Key] = &[
    required("url", Kind::Text, "URL of the repository."),
    optional("revision", Kind::Text, "Commit or tag."),
    optional("branch", Kind::Text, "Branch, if there is no revision."),
];

/// Which files are taken.
const FILTER: &[Key] = &[
    optional("ignore_regex", Kind::Text, "Skip what matches."),
    optional("include_regex", Kind::Text, "Take only what matches."),
    strings("rules", "Globs to include, and to exclude with `!`."),
    optional(
        "no_default_rules",
        Kind::Bool,
        "Do without the built-in excludes.",
    ),
];

pub const ALPINE_REPO: Structure = structure(&[&[
    optional("url", Kind::Text, "Base URL, by default the mirror."),
    optional("branch", Kind::Text, "Branch, by default the current version."),
    required("repo", Kind::Text, "Repository, such as community."),
    optional("tag", Kind::Text, "Name for pinning packages."),
    strings("keys", "Files with the public keys of the repository."),
    flag("trusted", "Go on without a valid signature."),
]]);

pub const DEBIAN_RELEASE: Structure = structure(&[&[
    required("codename", Kind::Text, "Suite, such as bookworm or stable."),
    optional("mirror", Kind::Text, "Base URL of the archive."),
    optional(
        "arch",
        Kind::Text,
        "Architecture, by default that of the machine.",
    ),
    optional(
        "variant",
        Kind::Text,
        "essential, apt, minbase, buildd or standard.",
    ),
    with(
        "components",
        Kind::List(&Kind::Text),
        Default::Words(&["main"]),
        "Archive components.",
    ),
    optional("keyring", PATH, "Keyring file, relative to the project."),
    flag("trusted", "Go on without a valid signature."),
]]);

pub const FROM_IMAGE: Structure = short(
    &[&[
        required(
            "image",
            Kind::Text,
            "HOST/NAME:TAG, a path beginning with `.` or `/volumes/`, or a URL.",
        ),
        optional("sha256", Kind::Text, "Digest of the archive."),
        optional(
            "tag",
            Kind::Text,
            "Image of a directory or archive that holds several.",
        ),
        optional(
            "platform",
            Kind::Text,
            "linux/ARCHITECTURE, by default that of the machine.",
        ),
    ]],
    "image",
);

pub const UBUNTU_RELEASE: Structure = structure(&[&[
    optional("codename", Kind::Text, "Codename of the release."),
    optional("version", Kind::Text, "Version of the release (use codename)."),
    optional("url", Kind::Text, "URL of a root archive."),
    text("arch", "amd64", "Architecture."),
    flag("keep_chfn_command", "Leave /usr/bin/chfn alone."),
    on("eatmydata", "Use libeatmydata for apt."),
]]);

pub const UBUNTU_REPO: Structure = structure(&[&[
    optional("url", Kind::Text, "URL of the archive, by default the mirror."),
    optional("suite", Kind::Text, "Suite, by default the codename."),
    strings("components", "Components."),
    flag("trusted", "Skip signature checks."),
]]);

pub const APT_TRUST: Structure = structure(&[&[
    optional("server", Kind::Text, "Key server."),
    strings("keys", "Key ids or fingerprints."),
]]);

pub const GIT: Structure = structure(&[REPOSITORY, &[required("path", ABSOLUTE, "Where to check out.")]]);

/// A repository with a configuration: nothing is checked out in the container.
const CONFIG_REPOSITORY: Structure = structure(&[
    REPOSITORY,
    &[with(
        "path",
        ABSOLUTE,
        Default::Text("/"),
        "Without meaning here.",
    )],
]);

pub const GIT_INSTALL: Structure = structure(&[
    REPOSITORY,
    &[
        with(
            "subdir",
            RELATIVE,
            Default::Text("."),
            "Directory to run the script in.",
        ),
        SCRIPT,
    ],
]);

pub const GIT_DESCRIBE: Structure = short(
    &[&[
        with("repo", PATH, Default::Text("/work"), "Repository."),
        optional("output_file", ABSOLUTE, "File to write."),
        optional("pattern", Kind::Text, "Consider only matching tags."),
    ]],
    "output_file",
);

pub const PIP_CONFIG: Structure = structure(&[&[
    strings("find_links", "Values of --find-links."),
    strings("index_urls", "Package indexes, the main one first."),
    strings("trusted_hosts", "Hosts without valid certificate."),
    flag("dependencies", "Install dependencies too."),
    on("cache_wheels", "Keep built wheels."),
    on("install_python", "Install the interpreter and its headers."),
    flag("allow_pre_releases", "Accept pre-releases."),
    optional("python_exe", Kind::Text, "Interpreter."),
    strings("get_pip_args", "Arguments of get-pip.py."),
]]);

pub const NPM_CONFIG: Structure = structure(&[&[
    text("npm_exe", "npm", "npm command."),
    on("install_node", "Install node and npm."),
    on("install_yarn", "Install yarn."),
    text("yarn_exe", "/usr/bin/yarn", "yarn command."),
    optional(
        "yarn_version",
        Kind::Text,
        "Version of yarn, by default the latest.",
    ),
]]);

pub const NPM_DEPENDENCIES: Structure = structure(&[&[
    with(
        "file",
        PATH,
        Default::Text("package.json"),
        "File, relative to the project.",
    ),
    on("package", "Take dependencies."),
    on("dev", "Take devDependencies."),
    flag("peer", "Take peerDependencies."),
    on("bundled", "Take bundledDependencies."),
    flag("optional", "Take optionalDependencies."),
]]);

pub const YARN_DEPENDENCIES: Structure = structure(&[&[
    with(
        "dir",
        RELATIVE,
        Default::Text("."),
        "Directory of package.json and yarn.lock.",
    ),
    flag("production", "Skip devDependencies."),
    flag("optional", "Take optionalDependencies."),
]]);

pub const GEM_CONFIG: Structure = structure(&[&[
    on("install_ruby", "Install ruby and its headers."),
    optional("gem_exe", Kind::Text, "gem command."),
    on("update_gem", "Update rubygems first."),
]]);

pub const GEM_BUNDLE: Structure = structure(&[&[
    with(
        "gemfile",
        PATH,
        Default::Text("Gemfile"),
        "Gemfile, relative to the project.",
    ),
    strings("without", "Groups to leave out."),
    optional(
        "trust_policy",
        Kind::Text,
        "LowSecurity, MediumSecurity or HighSecurity.",
    ),
]]);

pub const COMPOSER_CONFIG: Structure = structure(&[&[
    optional("runtime_exe", Kind::Text, "php interpreter."),
    optional("include_path", Kind::Text, "include_path of php."),
    on("install_runtime", "Install php."),
    flag("install_dev", "Install build tools and php headers."),
    flag("keep_composer", "Leave composer in the image."),
    optional("vendor_dir", PATH, "Where packages are installed."),
]]);

pub const COMPOSER_DEPENDENCIES: Structure = structure(&[&[
    optional("working_dir", Kind::Text, "Directory of composer.json."),
    on("dev", "Install require-dev."),
    optional("prefer", Kind::Text, "source or dist."),
    flag("ignore_platform_reqs", "Pass --ignore-platform-reqs."),
    flag("no_autoloader", "Pass --no-autoloader."),
    flag("no_scripts", "Pass --no-scripts."),
    flag("no_plugins", "Pass --no-plugins."),
    flag("optimize_autoloader", "Pass --optimize-autoloader."),
    flag("classmap_authoritative", "Pass --classmap-authoritative."),
]]);

pub const TAR: Structure = structure(&[SOURCE, PLACE]);

pub const TAR_INSTALL: Structure = structure(&[
    SOURCE,
    &[
        optional("subdir", RELATIVE, "Directory to run the script in."),
        SCRIPT,
    ],
]);

pub const UNZIP: Structure = structure(&[SOURCE, PLACE]);

pub const DOWNLOAD: Structure = structure(&[
    SOURCE,
    &[
        required("path", ABSOLUTE, "File to write."),
        with("mode", MODE, Default::Number(0o644), "Permission bits."),
    ],
]);

pub const COPY: Structure = structure(&[
    &[
        required("source", PATH, "What to copy; project files are below /work."),
        required("path", ABSOLUTE, "Where to."),
        optional("owner_uid", ID, "Owner, by default that of the source."),
        optional("owner_gid", ID, "Group, by default that of the source."),
        with(
            "umask",
            Kind::Number { min: 0, max: 0o777 },
            Default::Number(0o002),
            "Bits to clear.",
        ),
        flag("preserve_permissions", "Keep all mode bits."),
        flag("preserve_times", "Keep times."),
    ],
    FILTER,
]);

pub const DEPENDS: Structure = short(
    &[
        &[required(
            "path",
            PATH,
            "File or directory, relative to the project.",
        )],
        FILTER,
    ],
    "path",
);

pub const RUN_AS: Structure = structure(&[&[
    with("user_id", ID, Default::Number(0), "User id."),
    with("group_id", ID, Default::Number(0), "Group id."),
    optional(
        "external_user_id",
        ID,
        "Id of the container that user-id stands for.",
    ),
    with(
        "supplementary_gids",
        Kind::List(&ID),
        Default::List,
        "Further groups.",
    ),
    with("work_dir", PATH, Default::Text("/work"), "Working directory."),
    flag("isolate_network", "Run without network."),
    required("script", Kind::Text, "Script to run."),
]]);

pub const BUILD: Structure = structure(&[&[
    required("container", Kind::Text, "Container to build."),
    with("source", ABSOLUTE, Default::Text("/"), "File or directory in it."),
    optional("path", ABSOLUTE, "Copy to here."),
    optional(
        "temporary_mount",
        ABSOLUTE,
        "Or mount here until the end of the build.",
    ),
    strings("rules", "Globs to include, and to exclude with `!`."),
    flag("content_hash", "Put the files, not the steps, into the version."),
]]);

pub const SUB_CONFIG: Structure = structure(&[&[
    with(
        "source",
        Kind::Tagged {
            variants: &[
                variant("Directory", Kind::Nothing, "The project."),
                variant("Container", Kind::Text, "Another container."),
                variant("Git", Kind::Structure(&CONFIG_REPOSITORY), "A repository."),
            ],
            default: None,
        },
        Default::Tag("Directory"),
        "Where the file is.",
    ),
    with("path", RELATIVE, Default::Text("vagga.yaml"), "File."),
    required("container", Kind::Text, "Container in the file."),
    optional("cache", Kind::Bool, "Accepted, without effect."),
]]);
