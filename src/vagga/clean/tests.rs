//! Tests of the selections (pure), then of whole cleanings in temporary directories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::select::{Entry, Wanted};
use super::*;
use crate::sys::fs::lock;
use crate::vagga::config::Settings;
use crate::vagga::storage::tests::{project, Temp};

fn dirs(names: &[&str]) -> Vec<Entry> {
    names
        .iter()
        .map(|name| Entry {
            path: Path::new("/r").join(name),
            is_dir: !name.ends_with(".lock"),
        })
        .collect()
}

fn names(candidates: &[Candidate]) -> Vec<&str> {
    candidates
        .iter()
        .filter_map(|c| c.path.file_name().and_then(|n| n.to_str()))
        .collect()
}

fn only(action: Action) -> Actions {
    Actions {
        actions: vec![action],
        ..Actions::default()
    }
}

#[test]
fn temporary_directories_bring_their_locks() {
    let chosen = select::temporary(&dirs(&[
        ".tmp.a",
        ".tmp.a.lock",
        ".tmp.a.old",
        ".tmp.v3.15.lock",
        "a.01234567",
    ]));
    assert_eq!(names(&chosen), [".tmp.a", ".tmp.a.old", ".tmp.v3.15.lock"]);
    assert_eq!(chosen[0].locks, [Path::new("/r/.tmp.a.lock")]);
    assert!(chosen[1].locks.contains(&"/r/.tmp.a.lock".into()));
    assert_eq!(chosen[2].locks, [Path::new("/r/.tmp.v3.15.lock")]);
}

#[test]
fn only_versions_are_old_or_unused() {
    let all = dirs(&[
        "a.01234567",
        "a.89abcdef",
        "v3.15.01234567",
        "notes",
        "x.y",
        ".tmp.a.01234567",
    ]);
    let linked = BTreeSet::from(["a.89abcdef".into()]);
    assert_eq!(
        names(&select::old(&all, &linked)),
        ["a.01234567", "v3.15.01234567"]
    );
    let wanted = BTreeMap::from([
        ("a".to_string(), Wanted::Version("01234567".to_string())),
        ("v3.15".to_string(), Wanted::Unknown),
    ]);
    assert_eq!(names(&select::unused(&all, &wanted)), ["a.89abcdef"]);
    assert_eq!(names(&select::unused(&all, &BTreeMap::new())).len(), 3);
}

#[test]
fn transient_copies_of_running_processes_stay() {
    let all = dirs(&[
        "v3.15.01234567.5",
        "v3.15.01234567.6",
        "odd",
        "a.01234567.x",
        "a.01234567.-1",
    ]);
    assert_eq!(
        names(&select::transient(&all, &|pid| pid == 5)),
        ["v3.15.01234567.6"]
    );
}

#[test]
fn mentioned_volumes_stay_with_their_leftovers() {
    let all = dirs(&["data", "junk", ".tmp.data", ".tmp.junk", ".tmp.junk.lock"]);
    assert_eq!(
        names(&select::volumes(&all, &|name| name == "data")),
        ["junk", ".tmp.junk"]
    );
}

#[test]
fn command_lines_without_a_meaning() {
    let t = Temp::new("clean");
    let p = project(&t, Settings::default());
    let code = |actions: &Actions| clean(&p, actions).unwrap_err().exit;
    assert_eq!(code(&Actions::default()), exit::USAGE);
    let mut odd = only(Action::Tmp);
    odd.at_least = Some(Duration::ZERO);
    assert_eq!(code(&odd), exit::USAGE);
    for action in [Action::Tmp, Action::Unused, Action::Everything] {
        let mut global = only(action);
        global.global = true;
        assert_eq!(code(&global), 2, "{action:?}");
    }
}

#[test]
fn project_that_was_never_built_stays_as_it_is() {
    let t = Temp::new("clean");
    let p = project(&t, Settings::default());
    for action in [
        Action::Tmp,
        Action::Old,
        Action::Unused,
        Action::Transient,
        Action::Volumes,
        Action::UnusedVolumes,
        Action::Cache,
        Action::Everything,
    ] {
        clean(&p, &only(action)).unwrap();
    }
    assert_eq!(fs::read_dir(&p.root).unwrap().count(), 0);
}

/// A project with one linked version, one old one and a failed build.
fn built(t: &Temp, settings: Settings) -> (Project, Storage) {
    let p = project(t, settings);
    let s = Storage::open(&p).unwrap();
    for name in ["a.00000001", "a.00000002", ".tmp.a"] {
        fs::create_dir_all(s.roots().join(name).join("root/sub")).unwrap();
        fs::write(s.roots().join(name).join("root/sub/file"), "x").unwrap();
    }
    fs::write(s.roots().join(".tmp.a.lock"), "").unwrap();
    symlink(s.link_prefix.join(".roots/a.00000002/root"), s.link("a")).unwrap();
    (p, s)
}

#[test]
fn dry_run_removes_nothing_at_all() {
    let t = Temp::new("clean");
    let (p, s) = built(&t, Settings::default());
    for action in [Action::Tmp, Action::Old, Action::Volumes, Action::Everything] {
        let mut actions = only(action);
        actions.dry_run = true;
        clean(&p, &actions).unwrap();
    }
    assert_eq!(fs::read_dir(s.roots()).unwrap().count(), 4);
}

#[test]
fn old_versions_and_failed_builds_go() {
    let t = Temp::new("clean");
    let (p, s) = built(&t, Settings::default());
    let outside = t.0.join("precious");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "").unwrap();
    symlink(&outside, s.roots().join("a.00000001/root/link")).unwrap();
    symlink(&outside, s.roots().join(".tmp.evil")).unwrap();
    let mut actions = only(Action::Old);
    actions.actions.push(Action::Tmp);
    clean(&p, &actions).unwrap();
    let left: Vec<_> = fs::read_dir(s.roots())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["a.00000002"]);
    assert!(outside.join("file").exists());
}

#[test]
fn what_is_in_use_stays() {
    let t = Temp::new("clean");
    let (p, s) = built(&t, Settings::default());
    let image = crate::vagga::build::Image {
        name: "a".to_string(),
        dir: s.roots().join("a.00000001"),
    };
    let used = s.use_image(&image);
    let building = lock(&s.roots().join(".tmp.a.lock"), true, false).unwrap();
    for action in [Action::Old, Action::Tmp] {
        clean(&p, &only(action)).unwrap();
    }
    let e = clean(&p, &only(Action::Everything)).unwrap_err();
    assert!(e.exit == FAILED && e.message.contains("in use"), "{e}");
    assert!(image.dir.exists() && s.roots().join(".tmp.a").exists());
    drop((used, building));
    clean(&p, &only(Action::Everything)).unwrap();
    assert!(!p.root.join(".vagga").exists());
}

#[test]
fn everything_leaves_what_the_user_wrote() {
    let t = Temp::new("clean");
    let (p, _) = built(&t, Settings::default());
    fs::write(p.root.join(".vagga/settings.yaml"), "{}").unwrap();
    clean(&p, &only(Action::Everything)).unwrap();
    let left: Vec<_> = fs::read_dir(p.root.join(".vagga"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["settings.yaml"]);
}

#[test]
fn age_counts_from_the_last_use() {
    let t = Temp::new("clean");
    let (p, s) = built(&t, Settings::default());
    let hours = |n: u64| SystemTime::now() - Duration::from_secs(n * 3600);
    let file = fs::File::create(s.roots().join("a.00000001/last_use")).unwrap();
    file.set_modified(hours(2)).unwrap();
    let mut actions = only(Action::Unused);
    actions.at_least = Some(Duration::from_secs(3 * 3600));
    clean(&p, &actions).unwrap();
    assert!(s.roots().join("a.00000001").exists());
    actions.at_least = Some(Duration::from_secs(3600));
    clean(&p, &actions).unwrap();
    assert!(!s.roots().join("a.00000001").exists());
    assert!(
        s.roots().join("a.00000002").exists(),
        "no last_use: the directory is young"
    );
}

#[test]
fn global_empties_projects_only() {
    let t = Temp::new("clean");
    let storage = t.0.join("S");
    let cache = t.0.join("C");
    fs::create_dir_all(storage.join("letters")).unwrap();
    fs::create_dir_all(cache.join("downloads")).unwrap();
    let settings = Settings {
        storage_dir: Some(storage.clone()),
        cache_dir: Some(cache.clone()),
        ..Settings::default()
    };
    let (p, s) = built(&t, settings);
    let mut actions = only(Action::Unused);
    actions.global = true;
    actions.at_least = Some(Duration::from_secs(3600));
    clean(&p, &actions).unwrap();
    assert!(s.roots().join("a.00000001").exists());
    actions.at_least = Some(Duration::ZERO);
    clean(&p, &actions).unwrap();
    assert!(!s.roots().join("a.00000001").exists());
    let mut actions = only(Action::Everything);
    actions.global = true;
    clean(&p, &actions).unwrap();
    assert!(!s.base.exists() && storage.join("letters").exists());
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
}

#[test]
fn unused_versions_go_by_their_hash() {
    let t = Temp::new("clean");
    let (mut p, s) = built(&t, Settings::default());
    let container = crate::vagga::cli::samples::container();
    p.config.containers.insert("a".to_string(), container);
    let Some(Wanted::Version(current)) = current::versions(&p, &s).remove("a") else {
        panic!("the version of an empty container can always be computed");
    };
    let dir = s.image_dir("a", &current);
    fs::create_dir_all(dir.join("root")).unwrap();
    fs::create_dir_all(s.image_dir("gone", "00000001").join("root")).unwrap();
    let mut dry = only(Action::Unused);
    dry.dry_run = true;
    clean(&p, &dry).unwrap();
    assert!(s.roots().join("a.00000001").exists());
    clean(&p, &only(Action::Unused)).unwrap();
    let mut left: Vec<_> = fs::read_dir(s.roots())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(
        left,
        [
            ".tmp.a".into(),
            ".tmp.a.lock".into(),
            dir.file_name().unwrap().to_owned()
        ]
    );
}
