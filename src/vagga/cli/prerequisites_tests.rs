//! Tests of [`super::prerequisites`]: the examples of the manual, volumes, groups.

use proptest::prelude::*;

use super::prerequisites::*;
use super::samples::{command, config, container, group};
use crate::vagga::config::volume::{Persistent, Snapshot};
use crate::vagga::config::{CommandInfo, Config, MainCommand, Volume};
use crate::vagga::run::Arguments;

fn needing(list: &[&str]) -> CommandInfo {
    let mut c = command();
    c.common.prerequisites = list.iter().map(ToString::to_string).collect();
    c
}

fn chain(commands: &[(&str, &[&str])]) -> Config {
    let mut c = config([]);
    for (name, list) in commands {
        c.commands
            .insert(name.to_string(), MainCommand::Command(needing(list)));
    }
    c
}

fn task(name: &str) -> Task {
    Task {
        name: name.into(),
        arguments: Arguments::default(),
    }
}

fn order_with(c: &Config, requested: Vec<Task>, missing: &[&str]) -> String {
    match expand(c, requested, &|volume| missing.contains(&volume)) {
        Ok(tasks) => tasks
            .iter()
            .map(|t| t.name.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        Err(e) => format!("{} {}", e.exit, e.message),
    }
}

fn order(c: &Config, requested: &str) -> String {
    order_with(c, requested.split_whitespace().map(task).collect(), &[])
}

#[test]
fn examples_of_the_manual() {
    let c = chain(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
    assert_eq!(order(&c, "d"), "a b c d");
    assert_eq!(order(&c, "d d"), "a b c d d");
    assert_eq!(order(&c, "d b"), "a c d b");
    let c = chain(&[("a", &["b"]), ("b", &["a"])]);
    assert_eq!(order(&c, "a"), "b a");
    assert_eq!(order(&c, "a b"), "a b");
    let c = chain(&[
        ("one", &[]),
        ("two", &["one"]),
        ("three", &["one"]),
        ("four", &["two", "three"]),
    ]);
    assert_eq!(order(&c, "two"), "one two");
    assert_eq!(order(&c, "four"), "one two three four");
    assert_eq!(order(&c, "three two four"), "one three two four");
}

#[test]
fn aliases_are_resolved_and_unknown_names_refused() {
    let mut c = chain(&[
        ("two", &["first"]),
        ("three", &["one", "first"]),
        ("lost", &["nosuch"]),
        ("far", &["lost"]),
    ]);
    let mut one = command();
    one.common.aliases = vec!["first".into()];
    c.commands.insert("one".into(), MainCommand::Command(one));
    assert_eq!(order(&c, "two"), "one two");
    assert_eq!(order(&c, "three"), "one three");
    let lost = "121 Command \"nosuch\" not found and is not an alias (a prerequisite of \"lost\")";
    assert_eq!(order(&c, "two lost"), lost);
    assert_eq!(order(&c, "far"), lost);
}

#[test]
fn prerequisites_of_filtered_children_do_not_run() {
    let mut c = chain(&[("p", &[]), ("q", &[]), ("r", &[])]);
    let mut g = group([("a", needing(&["p"])), ("b", needing(&["q"]))]);
    g.common.prerequisites = vec!["r".into()];
    c.commands.insert("g".into(), MainCommand::Supervise(g));
    c.commands
        .insert("h".into(), MainCommand::Command(needing(&["g"])));
    assert_eq!(order(&c, "g"), "r p q g");
    let only = |list: &str| Task {
        name: "g".into(),
        arguments: Arguments {
            only: vec![list.into()],
            ..Arguments::default()
        },
    };
    assert_eq!(order_with(&c, vec![only("b")], &[]), "r q g");
    assert_eq!(order_with(&c, vec![only("none")], &[]), "r g");
    assert_eq!(order(&c, "h"), "r p q g h");
}

#[test]
fn selection_by_name_and_tag() {
    let mut tagged = command();
    tagged.common.tags = vec!["t".into()];
    let g = group([("a", tagged), ("b", command())]);
    let names = |only: &[&str], exclude: &[&str]| {
        let arguments = Arguments {
            only: only.iter().map(ToString::to_string).collect(),
            exclude: exclude.iter().map(ToString::to_string).collect(),
            ..Arguments::default()
        };
        selected(&g, &arguments)
            .iter()
            .map(|(n, _)| *n)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names(&[], &[]), "a b");
    assert_eq!(names(&["t"], &[]), "a");
    assert_eq!(names(&["b", "t"], &["t"]), "a b");
    assert_eq!(names(&[], &["t"]), "b");
    assert_eq!(names(&["nosuch"], &[]), "");
}

fn persistent(name: &str, init: Option<&str>) -> Volume {
    Volume::Persistent(Persistent {
        name: name.into(),
        owner_uid: 0,
        owner_gid: 0,
        init_command: init.map(String::from),
    })
}

#[test]
fn missing_volumes_are_initialized_first() {
    let mut c = chain(&[("_init", &["p"]), ("p", &[]), ("run", &["p"]), ("other", &[])]);
    let volumes = [
        ("/a".into(), persistent("v", Some("_init"))),
        ("/b".into(), persistent("w", Some("_init"))),
        ("/c".into(), persistent("x", None)),
    ];
    c.containers.insert(
        "c".into(),
        crate::vagga::config::Container {
            volumes: volumes.into(),
            ..container()
        },
    );
    let order = |requested: &str, missing: &[&str]| {
        order_with(&c, requested.split_whitespace().map(task).collect(), missing)
    };
    assert_eq!(order("run", &["v", "w", "x"]), "_init p run");
    assert_eq!(order("run", &["w"]), "_init p run");
    assert_eq!(order("run", &["x"]), "p run");
    assert_eq!(order("_init", &["v"]), "p _init");
}

#[test]
fn init_commands_must_exist_and_be_commands() {
    let mut c = config([("g", MainCommand::Supervise(group([])))]);
    for (name, init) in [("a", "g"), ("b", "nosuch")] {
        let mut info = command();
        info.volumes.insert("/v".into(), persistent("v", Some(init)));
        c.commands.insert(name.into(), MainCommand::Command(info));
    }
    assert!(order_with(&c, vec![task("a")], &["v"]).contains("is not a !Command"));
    assert!(order_with(&c, vec![task("b")], &["v"]).contains("(init-command of the volume \"v\")"));
    assert_eq!(order_with(&c, vec![task("b")], &[]), "b");
}

#[test]
fn containers_of_volumes_come_first() {
    let mut c = config([]);
    for name in ["text", "snap", "hidden"] {
        c.containers.insert(name.into(), container());
    }
    let mut main = container();
    main.volumes.insert("/t".into(), Volume::Container("text".into()));
    main.volumes
        .insert("/h".into(), Volume::Container("hidden".into()));
    c.containers.insert("c".into(), main);
    let mut info = command();
    info.volumes.insert("/h".into(), Volume::Empty);
    let snapshot = Snapshot {
        size: 0,
        owner_uid: None,
        owner_gid: None,
        container: Some("snap".into()),
    };
    info.volumes.insert("/s".into(), Volume::Snapshot(snapshot));
    c.commands.insert("x".into(), MainCommand::Command(info.clone()));
    assert_eq!(containers(&c, &task("x")).unwrap(), ["snap", "text", "c"]);
    assert_eq!(containers_of_run(&c, "c").unwrap(), ["hidden", "text", "c"]);
    let mut lost = info;
    lost.container = "lost".into();
    let g = group([("a", command()), ("b", lost)]);
    c.commands.insert("g".into(), MainCommand::Supervise(g));
    assert_eq!(
        containers(&c, &task("g")).unwrap_err().message,
        "Container \"lost\" not found"
    );
    let only_a = Task {
        name: "g".into(),
        arguments: Arguments {
            only: vec!["a".into()],
            ..Arguments::default()
        },
    };
    assert_eq!(containers(&c, &only_a).unwrap(), ["hidden", "text", "c"]);
}

proptest! {
    /// Whatever the graph: requested commands keep their order, nothing else appears twice, and without cycles
    /// every command comes after its prerequisites.
    #[test]
    fn order_is_sound(edges in proptest::collection::vec((0usize..8, 0usize..8), 0..20),
                      requested in proptest::collection::vec(0usize..8, 1..4), acyclic in any::<bool>()) {
        let name = |n: usize| format!("c{n}");
        let mut c = config([]);
        for n in 0..8 {
            let of_n = edges.iter().filter(|(from, to)| *from == n && (!acyclic || to < from));
            let mut info = command();
            info.common.prerequisites = of_n.map(|(_, to)| name(*to)).collect();
            c.commands.insert(name(n), MainCommand::Command(info));
        }
        let wanted: Vec<String> = requested.iter().map(|n| name(*n)).collect();
        let tasks = expand(&c, wanted.iter().map(|n| task(n)).collect(), &|_| false).unwrap();
        let order: Vec<&str> = tasks.iter().map(|t| t.name.as_str()).collect();
        let kept: Vec<&str> = order.iter().copied().filter(|n| wanted.iter().any(|w| w == n)).collect();
        prop_assert_eq!(kept, wanted.iter().map(String::as_str).collect::<Vec<_>>());
        for (at, n) in order.iter().enumerate().filter(|(_, n)| !wanted.iter().any(|w| w == *n)) {
            prop_assert!(!order[at + 1..].contains(n));
            if acyclic {
                for p in &c.commands[*n].common().prerequisites {
                    prop_assert!(wanted.contains(p) || order[..at].contains(&p.as_str()));
                }
            }
        }
    }
}
