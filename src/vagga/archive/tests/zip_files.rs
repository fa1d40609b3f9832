//! Zip files.

use std::io::{Read, Seek};

use super::*;

fn zip(items: &[(&str, u32, &[u8])]) -> fs::File {
    let n = DIRS.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("vagga-zip-{}-{n}", std::process::id()));
    let file = fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    fs::remove_file(&path).unwrap();
    let mut writer = ::zip::ZipWriter::new(file);
    for (name, mode, content) in items {
        let options = ::zip::write::SimpleFileOptions::default().unix_permissions(*mode);
        if mode & 0o170000 == 0o120000 {
            writer
                .add_symlink(*name, std::str::from_utf8(content).unwrap(), options)
                .unwrap();
        } else {
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
    }
    writer.finish().unwrap()
}

#[test]
fn modes_links_and_sub_trees() {
    let temp = Temp::new();
    let root = Root::open(temp.root()).unwrap();
    let file = zip(&[
        ("dir/run", 0o755, b"#!"),
        ("dir/link", 0o120777, b"run"),
        ("other", 0o644, b"x"),
    ]);
    let options = Options {
        subdir: "dir".into(),
        ..Options::default()
    };
    unpack_zip(
        file.try_clone().unwrap(),
        Writer::new(&root, Path::new("/z"), &options).unwrap(),
    )
    .unwrap();
    assert_eq!(
        fs::metadata(temp.root().join("z/run"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o755
    );
    assert_eq!(
        fs::read_link(temp.root().join("z/link")).unwrap(),
        Path::new("run")
    );
    assert!(!temp.root().join("z/other").exists());
    let evil = zip(&[("../evil", 0o644, b"x")]);
    let options = Options::default();
    assert!(unpack_zip(evil, Writer::new(&root, Path::new("/"), &options).unwrap()).is_err());
    assert!(temp.is_unharmed());
}

fn unpack(temp: &Temp, file: fs::File, subdir: &str) -> Result<Summary, ArchiveError> {
    let root = Root::open(temp.root()).unwrap();
    let options = Options {
        subdir: subdir.into(),
        ..Options::default()
    };
    unpack_zip(file, Writer::new(&root, Path::new("/"), &options)?)
}

/// The bytes of a zip file, to be damaged.
fn bytes(mut file: fs::File) -> Vec<u8> {
    let mut data = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut data).unwrap();
    data
}

fn file_of(data: &[u8]) -> fs::File {
    let mut file = zip(&[]);
    file.set_len(0).unwrap();
    file.rewind().unwrap();
    file.write_all(data).unwrap();
    file
}

#[test]
fn encrypted_entries_are_named() {
    let mut data = bytes(zip(&[("secret", 0o644, b"x")]));
    for (signature, flags) in [(b"PK\x01\x02", 8), (b"PK\x03\x04", 6)] {
        let at = data.windows(4).position(|four| four == signature).unwrap();
        data[at + flags] |= 1;
    }
    let error = unpack(&Temp::new(), file_of(&data), "").unwrap_err();
    assert!(
        error.0.contains("secret") && error.0.contains("encrypted"),
        "{error}"
    );
}

#[test]
fn planted_links_of_zip_files_lead_nowhere_outside() {
    let temp = Temp::new();
    for target in ["..", "/", "../../../../../.."] {
        let file = zip(&[
            ("l", 0o120777, target.as_bytes()),
            ("l/evil", 0o644, b"x"),
            ("l/secret", 0o644, b"x"),
        ]);
        let _ = unpack(&temp, file, "");
        assert!(temp.is_unharmed(), "{target}");
    }
}

#[test]
fn what_is_missing_or_no_zip_file_is_named() {
    let temp = Temp::new();
    let error = unpack(&temp, zip(&[("a/b", 0o644, b"")]), "c").unwrap_err();
    assert!(error.0.contains("\"c\" is not found in archive"), "{error}");
    let error = unpack(&temp, file_of(b"no zip file"), "").unwrap_err();
    assert!(error.0.contains("zip archive"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_zip_files_are_errors(at in 0usize..400, value: u8, cut in 0usize..50) {
        let mut data = bytes(zip(&[("a/b", 0o644, b"content"), ("../l", 0o120777, b".."), ("l", 0o120777, b"..")]));
        if let Some(byte) = data.get_mut(at) {
            *byte = value;
        }
        data.truncate(data.len().saturating_sub(cut));
        let temp = Temp::new();
        let _ = unpack(&temp, file_of(&data), "");
        prop_assert!(temp.is_unharmed());
    }
}
