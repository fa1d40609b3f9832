//! Keys of `volumes:`.

use super::{ABSOLUTE, ID, MODE, PATH, SIZE};
use crate::config::schema::{optional, required, variant, with, Default, Key, KeyRule, Kind, PathRule};
use crate::config::schema::{Structure, Variant};

/// 100 MiB, the size of a tmpfs unless the file says otherwise.
const DEFAULT_SIZE: Default = Default::Number(100 << 20);

/// Volumes by absolute mount point.
pub const VOLUMES: Kind = Kind::Map(
    KeyRule::Path(PathRule::Absolute),
    &Kind::Tagged {
        variants: VARIANTS,
        default: None,
    },
);

const VARIANTS: &[Variant] = &[
    variant("Tmpfs", Kind::Structure(&TMPFS), "A fresh tmpfs."),
    variant("BindRW", PATH, "A path below /work or /volumes, writable."),
    variant("BindRO", PATH, "A path below /work or /volumes, read-only."),
    variant("CacheDir", PATH, "A subdirectory of the cache directory."),
    variant("VaggaBin", Kind::Nothing, "The directory of the vagga binary."),
    variant("Empty", Kind::Nothing, "An empty read-only directory."),
    variant(
        "Snapshot",
        Kind::Structure(&SNAPSHOT),
        "A tmpfs with a copy of what it hides.",
    ),
    variant(
        "Container",
        Kind::Text,
        "The root of another container, read-only.",
    ),
    variant(
        "Persistent",
        Kind::Structure(&PERSISTENT),
        "A directory kept between runs.",
    ),
];

const TMPFS: Structure = Structure {
    keys: &[&[
        with("size", SIZE, DEFAULT_SIZE, "Size limit in bytes."),
        with(
            "mode",
            MODE,
            Default::Number(0o1777),
            "Mode of the root directory.",
        ),
        with(
            "subdirs",
            Kind::Map(KeyRule::Path(PathRule::Relative), &Kind::Structure(&SUBDIR)),
            Default::Map,
            "Directories to create, in path order.",
        ),
        with(
            "files",
            Kind::Map(KeyRule::Path(PathRule::Relative), &Kind::Nullable(&Kind::Text)),
            Default::Map,
            "Files to create and their contents.",
        ),
    ]],
    scalar: None,
};

const SUBDIR: Structure = Structure {
    keys: &[&[with(
        "mode",
        MODE,
        Default::Number(0o755),
        "Mode of the directory.",
    )]],
    scalar: None,
};

const SNAPSHOT: Structure = Structure {
    keys: &[&[
        with(
            "size",
            SIZE,
            DEFAULT_SIZE,
            "Size limit in bytes, the copy included.",
        ),
        optional("owner_uid", ID, "User that owns every copied entry."),
        optional("owner_gid", ID, "Group that owns every copied entry."),
        optional("container", Kind::Text, "Container whose same path is copied."),
    ]],
    scalar: None,
};

const PERSISTENT: Structure = Structure {
    keys: &[PERSISTENT_KEYS],
    scalar: Some("name"),
};

const PERSISTENT_KEYS: &[Key] = &[
    required("name", Kind::Text, "Name of the volume."),
    with("owner_uid", ID, Default::Number(0), "Owner of the new volume."),
    with("owner_gid", ID, Default::Number(0), "Group of the new volume."),
    optional(
        "init_command",
        Kind::Text,
        "Command that fills the volume the first time.",
    ),
];

/// An absolute path that null switches off.
pub const fn switchable(name: &'static str, path: &'static str, doc: &'static str) -> Key {
    with(name, ABSOLUTE, Default::TextOrNull(path), doc)
}
