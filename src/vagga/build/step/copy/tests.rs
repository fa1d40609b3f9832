//! What is copied from which tree, by the acceptance scenarios of `!Copy`.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, PermissionsExt};

use super::*;
use crate::vagga::config::step::Filter;
use crate::vagga::storage::tests::Temp;

/// The tree of the scenarios: `dir/{exe.sh,hello,second,subdir/file}`.
fn tree() -> (Temp, Root) {
    let t = Temp::new("copy");
    fs::create_dir_all(t.0.join("dir/subdir")).unwrap();
    for (name, mode) in [
        ("exe.sh", 0o755),
        ("hello", 0o644),
        ("second", 0o644),
        ("subdir/file", 0o644),
    ] {
        let path = t.0.join("dir").join(name);
        fs::write(&path, name).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let root = Root::open(&t.0).unwrap();
    (t, root)
}

fn umask(umask: u32) -> CopyOptions {
    CopyOptions {
        mode: Mode::Umask(umask),
        times: Some(FIXED_TIME),
        refuse_special: true,
        ..CopyOptions::default()
    }
}

fn rules(list: &[&str]) -> Filter {
    Filter {
        rules: list.iter().map(|rule| rule.to_string()).collect(),
        ..Filter::default()
    }
}

fn run(root: &Root, target: &str, filter: &Filter) -> Result<CopyStats, StepError> {
    let selection = Selection::new(filter).unwrap();
    copy(
        root,
        Path::new("/dir"),
        root,
        Path::new(target),
        &umask(0o002),
        &selection,
    )
}

fn names(root: &Root, dir: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in root.read_dir(dir).unwrap() {
        let path = format!("{dir}/{}", entry.name.to_str().unwrap());
        if entry.kind == Kind::Dir {
            found.extend(names(root, &path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn modes_and_times_do_not_depend_on_the_checkout() {
    let (_t, root) = tree();
    run(&root, "/copy", &Filter::default()).unwrap();
    let mode = |path: &str| root.lstat(path).unwrap().permissions();
    assert_eq!(
        (mode("copy"), mode("copy/subdir"), mode("copy/exe.sh")),
        (0o775, 0o775, 0o775)
    );
    assert_eq!((mode("copy/hello"), mode("copy/subdir/file")), (0o664, 0o664));
    let hello = root.lstat("copy/hello").unwrap();
    assert_eq!((hello.atime, hello.mtime), (FIXED_TIME, FIXED_TIME));
    let all = Selection::new(&Filter::default()).unwrap();
    copy(
        &root,
        Path::new("dir"),
        &root,
        Path::new("/two"),
        &umask(0o077),
        &all,
    )
    .unwrap();
    assert_eq!(
        (mode("two"), mode("two/hello"), mode("two/exe.sh")),
        (0o700, 0o600, 0o700)
    );
}

#[test]
fn regexes_and_rules_select_the_same() {
    let (_t, root) = tree();
    let include = Filter {
        include_regex: Some("(^hello|(^|.*/)file)$".into()),
        ..Filter::default()
    };
    run(&root, "/a", &include).unwrap();
    assert_eq!(names(&root, "a"), ["a/hello", "a/subdir", "a/subdir/file"]);
    run(&root, "/b", &rules(&["/hello", "/**/file"])).unwrap();
    assert_eq!(names(&root, "b"), ["b/hello", "b/subdir", "b/subdir/file"]);
    run(&root, "/c", &rules(&["/hello", "/**/file", "!file"])).unwrap();
    assert_eq!(names(&root, "c"), ["c/hello"]);
    run(&root, "/d", &rules(&["!file"])).unwrap();
    assert!(names(&root, "d").is_empty());
    run(&root, "/e", &rules(&["/"])).unwrap();
    assert_eq!(names(&root, "e").len(), 5);
}

#[test]
fn default_filter_leaves_history_and_backups_behind() {
    let (t, root) = tree();
    fs::create_dir(t.0.join("dir/.git")).unwrap();
    for name in [".git/config", "a~", "a.bak", "a.orig", "#x#", ".gitignore"] {
        fs::write(t.0.join("dir").join(name), "").unwrap();
    }
    symlink("nowhere", t.0.join("dir/dangling")).unwrap();
    run(&root, "/copy", &Filter::default()).unwrap();
    let expected = [
        "copy/.gitignore",
        "copy/dangling",
        "copy/exe.sh",
        "copy/hello",
        "copy/second",
    ];
    assert_eq!(names(&root, "copy")[..5], expected);
    assert_eq!(root.read_link("copy/dangling").unwrap(), Path::new("nowhere"));
}

#[test]
fn mistakes_are_told() {
    let (t, root) = tree();
    let all = Selection::new(&Filter::default()).unwrap();
    let failed = |source: &str, target: &str| {
        let result = copy(
            &root,
            Path::new(source),
            &root,
            Path::new(target),
            &umask(0),
            &all,
        );
        result.unwrap_err()
    };
    let e = failed("/missing", "/x");
    assert!(e.message.starts_with("can't read \"/missing\""), "{e}");
    let e = failed("/dir", "/no/x");
    assert!(
        e.message.contains("\"/no\" does not exist") && e.hint.is_some(),
        "{e}"
    );
    let bad = std::ffi::OsStr::from_bytes(b"dir/bad\xff");
    fs::write(t.0.join(bad), "").unwrap();
    let e = failed("/dir", "/x");
    assert!(
        e.message.contains("bad\\xFF") && e.message.contains("UTF-8"),
        "{e}"
    );
    fs::remove_file(t.0.join(bad)).unwrap();
    root.mknod("dir/fifo", libc::S_IFIFO | 0o644, 0).unwrap();
    assert!(failed("/dir", "/y").message.contains("fifo"));
}
