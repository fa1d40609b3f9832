//! Dialects of tar: pax records, sparse files, odd types, and what is no tar archive.

use std::io::Read;

use super::*;

/// A pax archive of one file.
fn pax(records: &[(&str, &[u8])], name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions(records.iter().copied()).unwrap();
    let mut header = Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn sparse_files_of_pax_archives() {
    let temp = Temp::new();
    let records: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"dir/sparse"),
        ("GNU.sparse.realsize", b"2097156"),
    ];
    let mut content = b"1\n2097152\n3\n".to_vec();
    content.resize(512, 0);
    content.extend(b"end");
    let data = pax(&records, "dir/GNUSparseFile.1/sparse", &content);
    temp.unpack(&data, "/", &Options::default()).unwrap();
    let mut expected = vec![0; 2 << 20];
    expected.extend(b"end\0");
    assert!(fs::read(temp.root().join("dir/sparse")).unwrap() == expected);
    assert!(fs::metadata(temp.root().join("dir/sparse")).unwrap().blocks() < 1024);
    let error = temp
        .unpack(&pax(&records[2..], "x", b"abc"), "/", &Options::default())
        .unwrap_err();
    assert!(error.0.contains("sparse"), "{error}");
}

#[test]
fn impossible_sizes_are_refused_at_once() {
    let temp = Temp::new();
    let records: [(&str, &[u8]); 3] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.name", b"huge"),
        ("GNU.sparse.realsize", b"9223372036854775807"),
    ];
    let mut content = b"0\n".to_vec();
    content.resize(512, 0);
    let error = temp
        .unpack(&pax(&records, "x", &content), "/", &Options::default())
        .unwrap_err();
    assert!(error.0.contains("huge"), "{error}");
}

#[test]
fn extended_attributes() {
    let temp = Temp::new();
    let records: [(&str, &[u8]); 2] = [
        ("SCHILY.xattr.user.color", b"blue"),
        ("SCHILY.xattr.trusted.x", b"no"),
    ];
    temp.unpack(&pax(&records, "f", b"x"), "/", &Options::default())
        .unwrap();
    let root = Root::open(temp.root()).unwrap();
    // Not every file system of a temporary directory has them.
    if let Ok(value) = root.get_xattr("f", "user.color".as_ref()) {
        assert!(matches!(value.as_deref(), Some(b"blue") | None));
    }
    assert_eq!(root.get_xattr("f", "trusted.x".as_ref()).ok().flatten(), None);
}

#[test]
fn names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let temp = Temp::new();
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..3].copy_from_slice(b"a\xff\n");
    header.set_size(0);
    header.set_mode(0o600);
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    temp.unpack(&builder.into_inner().unwrap(), "/", &Options::default())
        .unwrap();
    let name = std::ffi::OsStr::from_bytes(b"a\xff\n");
    assert!(temp.root().join(name).is_file());
}

#[test]
fn labels_are_no_files_and_volumes_are_refused() {
    let temp = Temp::new();
    let of = |kind: u8| {
        tar(&[
            ("label", EntryType::new(kind), "", b""),
            ("a/", EntryType::Directory, "", b""),
        ])
    };
    temp.unpack(&of(b'V'), "/", &Options::default()).unwrap();
    assert!(!temp.root().join("label").exists() && temp.root().join("a").is_dir());
    let error = temp.unpack(&of(b'M'), "/", &Options::default()).unwrap_err();
    assert!(error.0.contains("volume"), "{error}");
}

#[test]
fn what_is_no_archive_is_named() {
    let temp = Temp::new();
    for (data, expected) in [
        (&b"<html>Sorry</html>"[..], "unexpected compression"),
        (&[b'x'; 2000][..], "unexpected compression"),
        (b"PK\x03\x04 and so on", "zip"),
    ] {
        let error = temp.unpack(data, "/", &Options::default()).unwrap_err();
        assert!(error.0.contains(expected), "{error}");
    }
    let summary = temp.unpack(b"", "/", &Options::default()).unwrap();
    assert_eq!(summary.entries, 0);
}

#[test]
fn truncated_archives_are_errors() {
    let temp = Temp::new();
    let plain = tar(&[("a", FILE, "", &[7; 3000]), ("b", FILE, "", b"x")]);
    for length in [513, 1000, 3583, 3584 + 100] {
        let error = temp.unpack(&plain[..length], "/", &Options::default());
        assert!(error.is_err(), "{length}");
    }
    for (name, data) in compressed(&plain) {
        let cut = data.len() / 2;
        assert!(
            temp.unpack(&data[..cut], "/", &Options::default()).is_err(),
            "{name}"
        );
    }
}

/// Memory stays small whatever an archive expands to.
#[test]
fn large_files_are_streamed() {
    let temp = Temp::new();
    let mut header = Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(300 << 20);
    header.set_mode(0o644);
    header.set_cksum();
    let stream = Cursor::new(header.as_bytes().to_vec()).chain(std::io::repeat(0).take((300 << 20) + 1024));
    let root = Root::open(temp.root()).unwrap();
    let options = Options::default();
    let writer = Writer::new(&root, Path::new("/"), &options).unwrap();
    unpack_tar(stream, writer).unwrap();
    let meta = fs::metadata(temp.root().join("zeros")).unwrap();
    assert_eq!(meta.len(), 300 << 20);
    assert!(meta.blocks() < 1024);
}
