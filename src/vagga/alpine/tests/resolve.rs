//! Worlds and what they are made of.

use super::super::digest::Checksum;
use super::super::package::Package;
use super::*;

/// Packages as `name version` and lines of their paragraph. `installed` in front: it is there already; `@tag`: it is
/// in the repository with the tag.
fn packages(list: &[(&str, &str)]) -> Vec<Package> {
    list.iter()
        .map(|(head, extra)| {
            let installed = head.starts_with("installed ");
            let (head, tagged) = match head.split_once(" @") {
                Some((head, _)) => (head, true),
                None => (*head, false),
            };
            let head = head.strip_prefix("installed ").unwrap_or(head);
            let (name, version) = head.split_once(' ').unwrap();
            let sum = Checksum::sha1(format!("{head}{extra}").as_bytes());
            let text = format!("C:{}\nP:{name}\nV:{version}\n{extra}", sum.as_str());
            let repository = (!installed).then_some(usize::from(tagged));
            Package::parse(text.lines(), repository).unwrap()
        })
        .collect()
}

/// The names and versions of the result, in order; or the error.
fn solve(world: &str, list: &[(&str, &str)]) -> String {
    let packages = packages(list);
    let tags = [None, Some("edge".to_string())];
    let universe = Universe::new(packages.iter().collect(), &tags);
    let world = dependency::parse_list(world).unwrap();
    match resolve(&universe, &world) {
        Ok(places) => {
            let names: Vec<String> = places.iter().map(|p| packages[*p].full_name()).collect();
            names.join(" ")
        }
        Err(why) => why,
    }
}

#[test]
fn dependencies_come_first_and_the_newest_is_taken() {
    let list = [
        ("a 1", "D:b c"),
        ("b 1", "D:c"),
        ("b 2", "D:c"),
        ("c 1", ""),
        ("d 1", ""),
    ];
    assert_eq!(solve("a", &list), "c-1 b-2 a-1");
    assert_eq!(solve("a b<2", &list), "c-1 b-1 a-1");
    assert_eq!(solve("", &list), "");
    assert_eq!(
        solve("a b=3", &list),
        "b=3 (wanted by the container) cannot be had: there is only b-1, b-2"
    );
    assert_eq!(
        solve("x", &list),
        "x (wanted by the container) cannot be had: no repository has it"
    );
}

#[test]
fn circles_end() {
    assert_eq!(solve("a", &[("a 1", "D:b"), ("b 1", "D:a")]), "b-1 a-1");
}

#[test]
fn a_later_condition_changes_an_earlier_choice() {
    let list = [
        ("a 1", "D:lib b"),
        ("b 1", "D:lib<2"),
        ("lib 1", ""),
        ("lib 2", ""),
    ];
    assert_eq!(solve("a", &list), "lib-1 b-1 a-1");
    let list = [
        ("a 1", "D:lib=2 b"),
        ("b 1", "D:lib<2"),
        ("lib 1", ""),
        ("lib 2", ""),
    ];
    assert!(
        solve("a", &list).contains("cannot be had"),
        "{}",
        solve("a", &list)
    );
}

#[test]
fn libraries_and_commands_are_provided() {
    let list = [
        ("a 1", "D:so:libx.so.1 cmd:tool"),
        ("x-libs 3", "p:so:libx.so.1=1.2"),
        ("tool 1", "p:cmd:tool=1"),
        ("other 1", "p:cmd:tool=2"),
    ];
    assert_eq!(solve("a", &list), "x-libs-3 other-1 a-1");
    assert_eq!(solve("a tool", &list), "x-libs-3 tool-1 a-1");
    assert!(solve("tool other", &list).contains("does not go together"));
}

#[test]
fn virtual_names_need_a_choice_or_a_priority() {
    let list = [("a 1", "D:sh"), ("dash 1", "p:sh"), ("zsh 1", "p:sh")];
    assert!(solve("a", &list).contains("there is only dash-1, zsh-1"));
    assert_eq!(solve("a zsh", &list), "zsh-1 a-1");
    let list = [
        ("a 1", "D:/bin/sh"),
        ("dash 1", "p:/bin/sh\nk:60"),
        ("busy 1", "p:/bin/sh\nk:100"),
    ];
    assert_eq!(solve("a", &list), "busy-1 a-1");
    assert_eq!(solve("dash busy a", &list), "dash-1 busy-1 a-1");
}

#[test]
fn conflicts_are_kept() {
    let list = [
        ("a 1", "D:!b"),
        ("b 1", ""),
        ("c 1", "D:v"),
        ("d 1", "p:v=1"),
        ("e 1", "p:v=2"),
    ];
    assert!(solve("a b", &list).contains("cannot be had"));
    assert!(solve("b a", &list).contains("does not go together with b-1"));
    assert_eq!(solve("c !e", &list), "d-1 c-1");
    assert!(solve("e !e", &list).contains("excluded by !e of the container"));
    // A package does not conflict with itself.
    assert_eq!(solve("x", &[("x 1", "D:!v\np:v=1")]), "x-1");
    // e is better, but something that is needed later refuses it.
    assert_eq!(
        solve(
            "c f",
            &[list[2], list[3], list[4], ("f 1", "D:g"), ("g 1", "D:!v>1")]
        ),
        "d-1 c-1 g-1 f-1"
    );
}

#[test]
fn packages_come_by_themselves() {
    let list = [
        ("a 1", ""),
        ("docs 1", ""),
        ("a-doc 1", "i:a=1 docs"),
        ("a-x 1", "i:a !docs"),
        ("a-y 1", "i:a\nD:no"),
    ];
    assert_eq!(solve("a docs", &list), "a-1 docs-1 a-doc-1");
    assert_eq!(solve("a", &list), "a-1 a-x-1");
    assert_eq!(solve("a !a-x", &list), "a-1");
}

#[test]
fn what_is_installed_stays() {
    let list = [
        ("installed lib 1", ""),
        ("lib 2", ""),
        ("a 1", "D:lib"),
        ("b 1", "D:lib>1"),
    ];
    assert_eq!(solve("a", &list), "lib-1 a-1");
    assert_eq!(solve("a b", &list), "lib-2 a-1 b-1");
}

#[test]
fn tags_open_their_repository() {
    let list = [
        ("a 1", ""),
        ("a 2 @edge", "D:b"),
        ("b 1", ""),
        ("b 2 @edge", ""),
        ("c 1 @edge", ""),
    ];
    assert_eq!(solve("a", &list), "a-1");
    assert!(solve("a@edge", &list).ends_with("a-2"));
    assert!(solve("c", &list).contains("there is only c-1"));
    assert_eq!(solve("c@edge", &list), "c-1");
}

#[test]
fn long_chains_and_hostile_indexes_end() {
    let names: Vec<(String, String)> = (0..20_000)
        .map(|n| (format!("p{n} 1"), format!("D:p{}", n + 1)))
        .collect();
    let mut list: Vec<(&str, &str)> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    list.push(("p20000 1", ""));
    assert!(solve("p0", &list).starts_with("p20000-1 p19999-1"));
    assert!(solve("p0", &[("p0 1", "D:=")]).contains("bad dependency"));
}

/// What apk 3.0.8 had installed in a virtual machine of Alpine 3.23 for its world, as an index (`S:`, `D:`, `p:`, `i:`…
/// of `/lib/apk/db/installed`).
const REAL: &str = include_str!("alpine-3.23.index");
const REAL_WORLD: &str =
    "alpine-baselayout alpine-keys alpine-release apk-tools busybox busybox-openrc ca-certificates \
                          cloud-utils-growpart curl dhcpcd e2fsprogs-extra linux-virt musl-utils openrc sudo";

#[test]
fn a_real_world_is_what_apk_made_of_it() {
    let packages = super::super::index::parse(REAL, 0).unwrap();
    let universe = Universe::new(packages.iter().collect(), &[None]);
    let names = |world: &str| -> Vec<String> {
        let places = resolve(&universe, &dependency::parse_list(world).unwrap()).unwrap();
        places.iter().map(|p| packages[*p].name.clone()).collect()
    };
    let mut all = names(REAL_WORLD);
    // Dependencies come first.
    let place = |name: &str| all.iter().position(|n| n == name).unwrap();
    assert!(place("musl") < place("busybox") && place("busybox-binsh") < place("alpine-baselayout"));
    assert!(place("libcurl") < place("curl"));
    all.sort();
    let mut wanted: Vec<String> = packages.iter().map(|p| p.name.clone()).collect();
    wanted.sort();
    assert_eq!(all, wanted);
    // Without curl and sudo go their libraries, and nothing else.
    let smaller = names(&REAL_WORLD.replace(" curl", "").replace(" sudo", ""));
    let gone: Vec<&String> = wanted.iter().filter(|n| !smaller.contains(n)).collect();
    assert!(
        gone.iter().any(|n| *n == "libcurl") && gone.iter().any(|n| *n == "nghttp2-libs"),
        "{gone:?}"
    );
    assert!(
        !gone.iter().any(|n| *n == "libcrypto3" || *n == "zlib"),
        "{gone:?}"
    );
}
