//! Archives made in memory, honest and hostile, unpacked into a temporary directory.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use ::tar::{Builder, EntryType, Header};
use proptest::prelude::*;

use super::*;
use crate::sys::path::Root;

mod formats;
mod zip_files;

static DIRS: AtomicUsize = AtomicUsize::new(0);

/// A temporary directory with a root inside, so that an escape is visible beside it.
struct Temp(PathBuf);

impl Temp {
    fn new() -> Temp {
        let n = DIRS.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("vagga-archive-{}-{n}", std::process::id()));
        fs::create_dir_all(dir.join("root")).unwrap();
        fs::write(dir.join("secret"), "secret").unwrap();
        Temp(dir)
    }

    fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    fn unpack(&self, tar: &[u8], to: &str, options: &Options) -> Result<Summary, ArchiveError> {
        let root = Root::open(self.root()).unwrap();
        let writer = Writer::new(&root, Path::new(to), options)?;
        unpack_tar(decompress(Cursor::new(tar.to_vec()))?, writer)
    }

    fn is_unharmed(&self) -> bool {
        let names: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.len() == 2 && fs::read(self.0.join("secret")).unwrap() == b"secret" && {
            fs::metadata(self.0.join("secret")).unwrap().nlink() == 1
        }
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An entry of a test archive: name, type, link name, content.
type Item<'a> = (&'a str, EntryType, &'a str, &'a [u8]);

const FILE: EntryType = EntryType::Regular;

fn tar(items: &[Item]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, link, content) in items {
        let mut header = Header::new_gnu();
        // Written by hand, since the builder refuses the names that matter here.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(if *kind == EntryType::Directory {
            0o750
        } else {
            0o644
        });
        header.set_mtime(1_000_000_000);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn compressed(tar: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let gz = |data: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    };
    let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bz.write_all(tar).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(tar).unwrap();
    let (first, second) = tar.split_at(700);
    vec![
        ("plain", tar.to_vec()),
        ("gzip", gz(tar)),
        ("gzip of two members", [gz(first), gz(second)].concat()),
        ("bzip2", bz.finish().unwrap()),
        ("xz", xz.finish().unwrap()),
        ("zstd", zstd::encode_all(tar, 1).unwrap()),
        (
            "zstd of two frames",
            [
                zstd::encode_all(first, 1).unwrap(),
                zstd::encode_all(second, 1).unwrap(),
            ]
            .concat(),
        ),
    ]
}

#[test]
fn every_compression_gives_the_same_tree() {
    let plain = tar(&[
        ("a/", EntryType::Directory, "", b""),
        ("a/file", FILE, "", b"content"),
        ("a/hard", EntryType::Link, "a/file", b""),
        ("./link", EntryType::Symlink, "a/file", b""),
        ("deep/er/file", FILE, "", b"x"),
    ]);
    for (name, data) in compressed(&plain) {
        let temp = Temp::new();
        let summary = temp.unpack(&data, "/opt", &Options::default()).unwrap();
        let at = temp.root().join("opt");
        assert_eq!(fs::read(at.join("link")).unwrap(), b"content", "{name}");
        assert_eq!(fs::metadata(at.join("a/hard")).unwrap().nlink(), 2, "{name}");
        assert_eq!(
            fs::metadata(at.join("a/file")).unwrap().mtime(),
            1_000_000_000,
            "{name}"
        );
        assert_eq!(
            fs::metadata(at.join("a")).unwrap().permissions().mode() & 0o7777,
            0o750,
            "{name}"
        );
        assert_eq!(
            fs::metadata(at.join("a")).unwrap().mtime(),
            1_000_000_000,
            "{name}"
        );
        assert_eq!(
            fs::metadata(at.join("deep/er")).unwrap().permissions().mode() & 0o7777,
            0o755,
            "{name}"
        );
        assert_eq!(summary.top, ["a", "deep", "link"].map(PathBuf::from), "{name}");
    }
}

#[test]
fn existing_directories_keep_their_mode_and_other_names_are_replaced() {
    let temp = Temp::new();
    let root = temp.root();
    fs::create_dir(root.join("a")).unwrap();
    fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir(root.join("real")).unwrap();
    symlink("real", root.join("linked")).unwrap();
    fs::write(root.join("old"), "old").unwrap();
    fs::hard_link(root.join("old"), root.join("other")).unwrap();
    symlink("../secret", root.join("l")).unwrap();
    fs::write(root.join("becomes-dir"), "file").unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    let data = tar(&[
        ("a/", EntryType::Directory, "", b""),
        ("linked/", EntryType::Directory, "", b""),
        ("linked/x", FILE, "", b"x"),
        ("old", FILE, "", b"new"),
        ("l", FILE, "", b"new"),
        ("becomes-dir/", EntryType::Directory, "", b""),
        ("becomes-dir/x", FILE, "", b"x"),
        ("dangling/", EntryType::Directory, "", b""),
    ]);
    temp.unpack(&data, "/", &Options::default()).unwrap();
    assert!(root.join("becomes-dir/x").is_file() && root.join("dangling").is_dir());
    assert_eq!(
        fs::metadata(root.join("a")).unwrap().permissions().mode() & 0o7777,
        0o700
    );
    assert_eq!(fs::read(root.join("real/x")).unwrap(), b"x");
    assert_eq!(fs::read(root.join("old")).unwrap(), b"new");
    assert_eq!(fs::read(root.join("other")).unwrap(), b"old");
    assert_eq!(fs::read(root.join("l")).unwrap(), b"new");
    assert!(temp.is_unharmed());
}

#[test]
fn names_that_leave_are_refused() {
    for name in ["../evil", "a/../../evil", ".."] {
        let temp = Temp::new();
        let error = temp
            .unpack(&tar(&[(name, FILE, "", b"x")]), "/", &Options::default())
            .unwrap_err();
        assert!(error.0.contains(name), "{error}");
        assert!(temp.is_unharmed());
    }
}

#[test]
fn planted_links_lead_nowhere_outside() {
    for target in ["..", "../..", "/", "../../../../../../..", "/../.."] {
        let temp = Temp::new();
        let absolute = format!("{target}{}", temp.0.display());
        for link in [target, &absolute] {
            let data = tar(&[
                ("l", EntryType::Symlink, link, b""),
                ("l/evil", FILE, "", b"x"),
                ("l/secret", FILE, "", b"x"),
            ]);
            let _ = temp.unpack(&data, "/opt", &Options::default());
            assert!(temp.is_unharmed(), "{link}");
            let data = tar(&[
                ("h", EntryType::Link, "l/secret", b""),
                ("h", FILE, "", b"changed"),
            ]);
            let _ = temp.unpack(&data, "/opt", &Options::default());
            assert!(temp.is_unharmed(), "{link}");
        }
    }
}

#[test]
fn hard_links_to_outside_are_refused() {
    let temp = Temp::new();
    let outside = format!("{}/secret", temp.0.display());
    for target in ["../secret", outside.as_str()] {
        let data = tar(&[("h", EntryType::Link, target, b"")]);
        assert!(temp.unpack(&data, "/", &Options::default()).is_err());
        assert!(temp.is_unharmed());
    }
}

#[test]
fn a_sub_tree() {
    let temp = Temp::new();
    let data = tar(&[
        ("./p-1.0/", EntryType::Directory, "", b""),
        ("./p-1.0/bin/x", FILE, "", b"x"),
        ("./p-1.0/y", EntryType::Link, "./p-1.0/bin/x", b""),
        ("./p-1.0b/z", FILE, "", b"z"),
    ]);
    let sub = |dir: &str| Options {
        subdir: dir.into(),
        ..Options::default()
    };
    temp.unpack(&data, "/opt", &sub("p-1.0")).unwrap();
    assert!(temp.root().join("opt/bin/x").exists() && temp.root().join("opt/y").exists());
    assert!(!temp.root().join("opt/z").exists());
    let error = temp.unpack(&data, "/", &sub("nosuch")).unwrap_err();
    assert_eq!(error.0, "\"nosuch\" is not found in archive");
    temp.unpack(&data, "/all", &sub(".")).unwrap();
    assert!(temp.root().join("all/p-1.0b/z").exists());
}

#[test]
fn set_user_id_bits_survive_and_devices_are_left_out() {
    let temp = Temp::new();
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_path("su").unwrap();
    header.set_size(1);
    header.set_mode(0o4755);
    header.set_cksum();
    builder.append(&header, &b"x"[..]).unwrap();
    let mut device = Header::new_gnu();
    device.set_path("disk").unwrap();
    device.set_entry_type(EntryType::Block);
    device.set_device_major(8).unwrap();
    device.set_size(0);
    device.set_mode(0o666);
    device.set_cksum();
    builder.append(&device, &b""[..]).unwrap();
    let summary = temp
        .unpack(&builder.into_inner().unwrap(), "/", &Options::default())
        .unwrap();
    assert_eq!(summary.devices, 1);
    assert_eq!(
        fs::metadata(temp.root().join("su")).unwrap().permissions().mode() & 0o7777,
        0o4755
    );
    assert!(!temp.root().join("disk").exists());
}

#[test]
fn long_names() {
    let temp = Temp::new();
    let name = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    builder.append_data(&mut header, &name, &b"x"[..]).unwrap();
    let mut link = Header::new_gnu();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    link.set_mode(0o777);
    builder.append_link(&mut link, "l", &name).unwrap();
    temp.unpack(&builder.into_inner().unwrap(), "/", &Options::default())
        .unwrap();
    assert_eq!(fs::read(temp.root().join("l")).unwrap(), b"x");
}

#[test]
fn an_announced_gigabyte_of_name_is_refused() {
    let temp = Temp::new();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(10 << 30);
    header.set_cksum();
    let data = header.as_bytes().to_vec();
    let error = temp.unpack(&data, "/", &Options::default()).unwrap_err();
    assert!(error.0.contains("too large"), "{error}");
}

#[test]
fn large_zeros_take_no_disk() {
    let temp = Temp::new();
    let zeros = vec![0; 3 << 20];
    let mut tail = zeros.clone();
    tail.push(1);
    temp.unpack(
        &tar(&[("zero", FILE, "", &zeros), ("tail", FILE, "", &tail)]),
        "/",
        &Options::default(),
    )
    .unwrap();
    for (name, content) in [("zero", &zeros), ("tail", &tail)] {
        let meta = fs::metadata(temp.root().join(name)).unwrap();
        assert_eq!(meta.len(), content.len() as u64);
        assert!(meta.blocks() * 512 < 1 << 20);
        assert_eq!(&fs::read(temp.root().join(name)).unwrap(), content);
    }
}

fn names() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            "[a-c]",
            Just("..".to_owned()),
            Just(".".to_owned()),
            Just(String::new())
        ],
        1..5,
    )
    .prop_map(|parts| parts.join("/"))
}

fn kinds() -> impl Strategy<Value = EntryType> {
    prop_oneof![
        Just(EntryType::Regular),
        Just(EntryType::Directory),
        Just(EntryType::Symlink),
        Just(EntryType::Link),
        Just(EntryType::Fifo),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_archive_escapes(items in proptest::collection::vec((names(), kinds(), names()), 1..12)) {
        let temp = Temp::new();
        let content = |kind: &EntryType| if *kind == EntryType::Regular { &b"evil"[..] } else { &b""[..] };
        let items: Vec<Item> = items.iter().map(|(n, k, l)| (n.as_str(), *k, l.as_str(), content(k))).collect();
        for item in &items {
            let _ = temp.unpack(&tar(&[*item]), "/d", &Options::default());
        }
        prop_assert!(temp.is_unharmed());
    }

    #[test]
    fn damaged_archives_are_errors(at in 0usize..2048, value: u8, cut in 0usize..3000) {
        let mut data = tar(&[("a", FILE, "", b"content"), ("b/", EntryType::Directory, "", b""), ("l", EntryType::Symlink, "a", b"")]);
        if let Some(byte) = data.get_mut(at) {
            *byte = value;
        }
        data.truncate(data.len().saturating_sub(cut));
        let temp = Temp::new();
        let _ = temp.unpack(&data, "/", &Options::default());
        prop_assert!(temp.is_unharmed());
    }

    #[test]
    fn damaged_compression_is_an_error(kind in 0usize..7, at in 0usize..200, value: u8, cut in 0usize..20) {
        let (_, mut data) = compressed(&tar(&[("a", FILE, "", b"content")])).swap_remove(kind);
        if let Some(byte) = data.get_mut(at) {
            *byte = value;
        }
        data.truncate(data.len().saturating_sub(cut));
        let temp = Temp::new();
        let _ = temp.unpack(&data, "/", &Options::default());
        prop_assert!(temp.is_unharmed());
    }
}
