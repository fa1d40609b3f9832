//! Decisions about a small tree, walked as the builder walks it.

use super::*;

/// The tree of the examples: directories end with a slash.
const TREE: [&str; 12] = [
    ".git/",
    ".git/config",
    ".gitignore",
    "a.bak",
    "dir/",
    "dir/a.py",
    "dir/b.txt",
    "dir/empty/",
    "dir/sub/",
    "dir/sub/file",
    "file",
    "hello",
];

fn rules(list: &[&str]) -> Filter {
    Filter {
        rules: list.iter().map(|s| s.to_string()).collect(),
        ..Filter::default()
    }
}

/// Selected entries, with a walk that respects `descend`.
fn selected(s: &Selection) -> Vec<&'static str> {
    let mut closed: Vec<&str> = Vec::new();
    let mut out = Vec::new();
    for entry in TREE {
        if closed.iter().any(|dir| entry.starts_with(dir)) {
            continue;
        }
        let is_dir = entry.ends_with('/');
        let d = s.decide(entry.trim_end_matches('/'), is_dir);
        if is_dir && !d.descend {
            closed.push(entry);
        }
        if d.select {
            out.push(entry);
        }
    }
    out
}

fn by_rules(list: &[&str]) -> Vec<&'static str> {
    selected(&Selection::new(&rules(list)).unwrap())
}

#[test]
fn default_filter_skips_version_control_and_backups() {
    let s = Selection::new(&Filter::default()).unwrap();
    let expected: Vec<&str> = TREE
        .into_iter()
        .filter(|e| !e.starts_with(".git/") && *e != "a.bak")
        .collect();
    assert_eq!(selected(&s), expected);
    assert!(!s.decide("#x#", false).select && s.decide("sub/#x#", false).select);
}

#[test]
fn include_regex_selects_but_directories_are_descended() {
    let s = Selection::new(&Filter {
        include_regex: Some("(^hello|(^|.*/)file)$".into()),
        ..Filter::default()
    })
    .unwrap();
    assert_eq!(selected(&s), ["dir/sub/file", "file", "hello"]);
}

#[test]
fn include_rules() {
    assert_eq!(
        by_rules(&["/hello", "/**/file"]),
        ["dir/sub/file", "file", "hello"]
    );
    assert_eq!(by_rules(&["/hello", "/**/file", "!file"]), ["hello"]);
    assert_eq!(by_rules(&["/dir/*.py"]), ["dir/a.py"]);
    assert_eq!(by_rules(&["/dir"]), ["dir/a.py", "dir/b.txt", "dir/sub/file"]);
    assert_eq!(
        by_rules(&["/*.{py,txt}", "/h[a-f]llo", "/fil?"]),
        ["file", "hello"]
    );
}

#[test]
fn trailing_slash_selects_directories_too() {
    assert_eq!(
        by_rules(&["/dir/"]),
        [
            "dir/",
            "dir/a.py",
            "dir/b.txt",
            "dir/empty/",
            "dir/sub/",
            "dir/sub/file"
        ]
    );
    let everything = by_rules(&["/"]);
    assert!(everything.contains(&"dir/empty/") && everything.contains(&"hello"));
    assert!(
        !everything.contains(&"a.bak"),
        "built-in rules beat the inherited match"
    );
}

#[test]
fn direct_match_beats_inherited_and_later_beats_earlier() {
    assert_eq!(by_rules(&["!dir", "/dir/*.py"]), ["dir/a.py"]);
    assert_eq!(by_rules(&["/dir/*.py", "!dir"]), Vec::<&str>::new());
    assert_eq!(by_rules(&["/dir", "!*.py"]), ["dir/b.txt", "dir/sub/file"]);
}

#[test]
fn built_in_rules_can_be_dropped() {
    let s = Selection::new(&Filter {
        no_default_rules: Some(true),
        ..rules(&["/"])
    })
    .unwrap();
    assert_eq!(selected(&s), TREE);
    assert_eq!(selected(&Selection::from_rules(&[]).unwrap()), TREE);
}

#[test]
fn errors_and_warnings() {
    let e = Selection::new(&rules(&["hello"])).unwrap_err();
    assert!(
        e.contains("Relative paths are allowed only for excluding rules"),
        "{e}"
    );
    let both = Filter {
        ignore_regex: Some("x".into()),
        ..rules(&["/"])
    };
    assert!(Selection::new(&both).unwrap_err().contains("not both"));
    let bad = Filter {
        ignore_regex: Some("(".into()),
        ..Filter::default()
    };
    assert!(Selection::new(&bad).unwrap_err().contains("ignore-regex"));
    assert!(Selection::new(&rules(&["/[a"])).is_err());
    assert!(Selection::new(&rules(&["/{a"])).is_err());
    let only_excludes = Selection::new(&rules(&["!file"])).unwrap();
    assert!(only_excludes
        .warning()
        .unwrap()
        .starts_with("You didn't add any include rules"));
    assert_eq!(selected(&only_excludes), Vec::<&str>::new());
}

#[test]
fn literal_exclamation_mark_and_escapes() {
    let s = Selection::new(&rules(&["/\\!x", "!\\*"])).unwrap();
    assert!(s.decide("!x", false).select);
    assert!(!s.decide("ax", false).select);
}

proptest::proptest! {
    #[test]
    fn any_rule_is_accepted_or_refused_without_panic(text in "[!/*?\\[\\]{}a-c,\\\\-]{0,12}", path in "[a-c/]{1,8}") {
        if let Ok(s) = Selection::new(&rules(&[&format!("/{text}")])) {
            s.decide(&path, true);
            s.decide(&path, false);
        }
    }
}

/// A tree far deeper than the stack of calls, the descriptors and the length of paths allow.
#[test]
fn very_deep_trees_are_walked() {
    use crate::sys::at;
    use crate::sys::path::Root;
    use nix::fcntl::OFlag;
    use std::ffi::OsStr;
    use std::os::fd::AsFd;
    use std::path::Path;

    const DEPTH: usize = 5000;
    let dir = std::env::temp_dir().join(format!("vagga-deep-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let root = Root::open(&dir).unwrap();
    let mut here = root.open_dir("/").unwrap();
    for _ in 0..DEPTH {
        at::mkdir(here.as_fd(), OsStr::new("d"), 0o755).unwrap();
        here = at::open(
            here.as_fd(),
            OsStr::new("d"),
            OFlag::O_PATH | OFlag::O_DIRECTORY,
            0,
        )
        .unwrap();
    }
    at::mkdir(here.as_fd(), OsStr::new("end"), 0o755).unwrap();
    let count = |filter: &Filter| {
        let selection = Selection::new(filter).unwrap();
        let (mut seen, mut longest) = (0, 0);
        walk(&root, Path::new("/"), &selection, &mut |path, _| {
            seen += 1;
            longest = longest.max(path.as_os_str().len());
            Ok::<_, WalkError>(())
        })
        .unwrap();
        (seen, longest)
    };
    let everything = (DEPTH + 2, 2 * DEPTH + 3);
    // Only the innermost is selected: its parents are visited for its sake.
    let innermost = Filter {
        include_regex: Some("end$".into()),
        ..Filter::default()
    };
    assert_eq!(count(&innermost), everything);
    assert_eq!(count(&rules(&["/none"])), (1, 0));
    crate::sys::fs::remove_tree(&dir).unwrap();
}
