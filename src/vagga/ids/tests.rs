//! Tests of the id maps: the rules as scenarios, then properties.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn alice(subuid: &str, subgid: &str) -> Caller {
    Caller {
        uid: 1000,
        gid: 1001,
        name: "alice".to_string(),
        subuid: IdFile::Content(subuid.into()),
        subgid: IdFile::Content(subgid.into()),
        own_uid_map: IdMap::default(),
        own_gid_map: IdMap::default(),
        helpers: Helpers {
            newuidmap: Some(PathBuf::from("/usr/bin/newuidmap")),
            newgidmap: Some(PathBuf::from("/usr/bin/newgidmap")),
            fallback: false,
        },
    }
}

fn root(subuid: IdFile, map: &str) -> Caller {
    Caller {
        uid: 0,
        gid: 0,
        name: "root".to_string(),
        subgid: subuid.clone(),
        subuid,
        own_uid_map: IdMap::parse(map).unwrap(),
        own_gid_map: IdMap::parse(map).unwrap(),
        helpers: Helpers::default(),
    }
}

fn range(start: u32, last: u32) -> IdRange {
    IdRange { start, end: last + 1 }
}

const DEFAULT: [IdRange; 1] = [IdRange { start: 0, end: 65536 }];

/// The uid map and the warnings, for the same request of uids and gids.
fn uid_map(caller: &Caller, want: &[IdRange]) -> Result<(String, Vec<String>), Failure> {
    let mut warnings = Vec::new();
    let maps = maps_of(caller, want, want, &mut warnings)?;
    Ok((maps.uid.to_string(), warnings))
}

#[test]
fn default_over_one_range() {
    let (map, warnings) = uid_map(&alice("alice:200000:65536", "alice:300000:65536"), &DEFAULT).unwrap();
    assert_eq!(map, "0 1000 1\n1 200000 65535\n");
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn several_lines_add_up_and_comments_do_not_count() {
    let file = "#alice:1:1\nbob:500000:9\nalice:200000:10\nalice:300000:65536\n";
    let (map, _) = uid_map(&alice(file, file), &DEFAULT).unwrap();
    assert_eq!(map, "0 1000 1\n1 200000 10\n11 300000 65525\n");
}

#[test]
fn requested_ranges_are_mapped_consecutively() {
    let file = "alice:200000:65536";
    let want = [range(0, 10), range(100, 100), range(200, 300)];
    let (map, _) = uid_map(&alice(file, file), &want).unwrap();
    assert_eq!(map, "0 1000 1\n1 200000 10\n100 200010 1\n200 200011 101\n");
}

#[test]
fn only_id_zero_needs_nothing_more() {
    let file = "alice:200000:5";
    assert_eq!(
        uid_map(&alice(file, file), &[range(0, 0)]).unwrap().0,
        "0 1000 1\n"
    );
}

#[test]
fn too_few_ids_name_both_sides() {
    let e = uid_map(
        &alice("alice:200000:65536", "alice:200000:65536"),
        &[range(0, 1_000_000_000)],
    );
    let e = e.unwrap_err();
    assert_eq!(e.exit, exit::LAUNCHER);
    assert!(
        e.message.contains("Number of allowed subuids is too small"),
        "{e}"
    );
    assert!(
        e.message.contains("0-1000000000") && e.message.contains("200000-265535"),
        "{e}"
    );
    let e = uid_map(&alice("alice:200000:65536", "alice:200000:65534"), &DEFAULT).unwrap_err();
    assert!(
        e.message.contains("Number of allowed subgids is too small"),
        "{e}"
    );
}

#[test]
fn own_id_in_a_range_is_refused_also_as_the_last_one() {
    for line in ["alice:1000:65536", "alice:500:501", "alice:0:65536"] {
        let e = uid_map(&alice(line, "alice:200000:65536"), &DEFAULT).unwrap_err();
        assert!(
            e.exit == exit::LAUNCHER && e.message.contains("includes original id"),
            "{line}: {e}"
        );
    }
    let e = uid_map(&alice("alice:200000:65536", "alice:1001:70000"), &DEFAULT).unwrap_err();
    assert!(
        e.message.contains("/etc/subgid") && e.message.contains("includes original id"),
        "{e}"
    );
    let (_, warnings) = uid_map(&alice("alice:500:500", "alice:500:500"), &[range(0, 1)]).unwrap();
    assert!(
        warnings.iter().all(|w| w.contains("starts below 65536")),
        "{warnings:?}"
    );
    assert_eq!(warnings.len(), 2);
}

#[test]
fn syntax_errors_name_file_and_line() {
    let mut warnings = Vec::new();
    let caller = alice("alice:200000:65536\nalice:x:1\n", "");
    let e = maps_of(&caller, &DEFAULT, &DEFAULT, &mut warnings).unwrap_err();
    assert_eq!(e.exit, exit::LAUNCHER);
    assert!(
        e.message
            .contains("Error reading uidmap: /etc/subuid:2: Bad syntax"),
        "{e}"
    );
    assert_eq!(warnings, ["Could not read /etc/subuid or /etc/subgid"]);
    let mut caller = alice("", "");
    caller.subgid = IdFile::Unreadable("Permission denied".to_string());
    let e = uid_map(&caller, &DEFAULT).unwrap_err();
    assert!(e.message.contains("/etc/subgid: Permission denied"), "{e}");
}

#[test]
fn single_id_mode_without_ranges_or_programs() {
    let absent = alice("bob:1:1", "");
    let mut no_programs = alice("alice:200000:65536", "alice:200000:65536");
    no_programs.helpers = Helpers::default();
    for (caller, text) in [
        (&absent, "Could not find the user \"alice\""),
        (&no_programs, "Can't find `newuidmap` or `newgidmap`"),
    ] {
        let mut warnings = Vec::new();
        let maps = maps_of(caller, &DEFAULT, &DEFAULT, &mut warnings).unwrap();
        assert!(maps.is_single());
        assert_eq!(
            (maps.uid.to_string(), maps.gid.to_string()),
            ("0 1000 1\n".into(), "0 1001 1\n".into())
        );
        assert!(warnings.iter().any(|w| w.contains(text)), "{warnings:?}");
        let e = uid_map(caller, &[range(0, 1_000_000_000)]).unwrap_err();
        assert!(
            e.message.contains("Number of allowed subuids is too small"),
            "{e}"
        );
    }
}

#[test]
fn programs_outside_of_path_are_used_with_a_warning() {
    let mut caller = alice("alice:200000:65536", "alice:200000:65536");
    caller.helpers.fallback = true;
    let (map, warnings) = uid_map(&caller, &DEFAULT).unwrap();
    assert!(map.contains("200000"));
    assert!(warnings[0].contains("Can't find `newuidmap` or `newgidmap`"));
}

#[test]
fn root_uses_its_own_namespace_unless_the_files_name_it() {
    for file in [IdFile::Missing, IdFile::Content(b"bob:1:1".to_vec())] {
        let mut warnings = Vec::new();
        let maps = maps_of(&root(file, "0 0 4294967295"), &DEFAULT, &DEFAULT, &mut warnings).unwrap();
        assert_eq!(
            (maps.uid.to_string().as_str(), maps.method),
            ("0 0 65536\n", MapMethod::Direct)
        );
        assert!(warnings.is_empty());
    }
    let nested = root(IdFile::Missing, "0 1000 1\n1 100000 65535");
    assert_eq!(uid_map(&nested, &DEFAULT).unwrap().0, "0 0 1\n1 1 65535\n");
    let named = root(IdFile::Content(b"root:100000:65536".to_vec()), "0 0 4294967295");
    assert_eq!(uid_map(&named, &DEFAULT).unwrap().0, "0 0 1\n1 100000 65535\n");
    let e = uid_map(&root(IdFile::Missing, "0 1000 1\n1 100000 99"), &DEFAULT).unwrap_err();
    assert!(e.message.contains("allowed [1-99]"), "{e}");
    let mut warnings = Vec::new();
    let maps = maps_of(
        &root(IdFile::Missing, "0 1000 1"),
        &DEFAULT,
        &DEFAULT,
        &mut warnings,
    )
    .unwrap();
    assert!(maps.is_single() && !warnings.is_empty());
}

#[test]
fn maximal_map_keeps_every_subordinate_id() {
    let caller = alice("alice:200000:65536\nalice:400000:5", "alice:300000:65536");
    let maps = maximal_of(&caller, &mut Vec::new()).unwrap();
    assert_eq!(
        maps.uid.to_string(),
        "0 1000 1\n200000 200000 65536\n400000 400000 5\n"
    );
    assert_eq!(maps.gid.to_string(), "0 1001 1\n300000 300000 65536\n");
    let maps = maximal_of(&root(IdFile::Missing, "0 0 4294967295"), &mut Vec::new()).unwrap();
    assert_eq!(maps.uid.to_string(), "0 0 4294967295\n");
}

#[test]
fn endless_lists_are_refused_before_the_kernel_does() {
    let file = "alice:200000:65536";
    let want: Vec<IdRange> = (0..400).map(|n| range(n * 2, n * 2)).collect();
    let e = uid_map(&alice(file, file), &want).unwrap_err();
    assert!(e.message.contains("340"), "{e}");
}

fn some_ranges(from: u32) -> impl Strategy<Value = Vec<IdRange>> {
    let one = (0u32..5000, 1u32..500).prop_map(move |(start, len)| IdRange {
        start: from + start,
        end: from + start + len,
    });
    proptest::collection::vec(one, 0..8)
}

proptest! {
    /// Whatever is asked and allowed: id 0 is the caller, every requested id is mapped, nothing twice, to allowed
    /// ids only, and the lower requested id of one range gets the lower allowed one.
    #[test]
    fn maps_are_sound(want in some_ranges(0), have in some_ranges(100_000)) {
        let file: String = have.iter().map(|r| format!("alice:{}:{}\n", r.start, r.len())).collect();
        let Ok((text, _)) = uid_map(&alice(&file, &file), &want) else {
            return Ok(());
        };
        let map = IdMap::parse(&text).unwrap();
        prop_assert_eq!(map.to_outside(0), Some(1000));
        let mut outside = std::collections::BTreeSet::new();
        let mut inside = std::collections::BTreeSet::new();
        for m in &map.0 {
            for n in 0..m.count {
                prop_assert!(inside.insert(m.inside + n) && outside.insert(m.outside + n));
            }
        }
        if !have.is_empty() {
            for id in want.iter().flat_map(|r| r.start..r.end) {
                prop_assert!(map.to_outside(id).is_some());
            }
        }
        outside.remove(&1000);
        for id in outside {
            prop_assert!(have.iter().any(|r| (r.start..r.end).contains(&id)));
        }
    }
}
