//! Single rules of the machine as tables and short stories.

use super::*;

const NORMAL: End = End {
    normal: true,
    oom: false,
};
const FAILURE: End = End {
    normal: false,
    oom: false,
};

fn instance(name: &str, json: &str) -> Instance {
    Instance {
        name: name.into(),
        json: json.into(),
        restart_timeout: 2000,
        backoff: None,
        waits: false,
        ports: Vec::new(),
        standby: false,
    }
}

fn entry(json: &str, count: u32) -> Entry {
    let instances = (0..count)
        .map(|n| instance(&format!("app/web.{n}"), json))
        .collect();
    Entry {
        instances,
        ..Entry::default()
    }
}

fn said(entry: Option<Reading<Entry>>) -> Readings {
    let entries = entry
        .into_iter()
        .map(|entry| ("web".to_string(), entry))
        .collect();
    Reading::Good([("app".to_string(), Reading::Good(entries))].into())
}

/// Short words for actions.
fn words(actions: &[Action]) -> Vec<String> {
    let word = |action: &Action| match action {
        Action::Start(instance) => format!("start {} {}", instance.name, instance.json),
        Action::Stop(name) => format!("stop {name}"),
        Action::Clean { name, for_good } => {
            format!("clean {name}{}", if *for_good { " for good" } else { "" })
        }
        Action::Finish => "finish".into(),
    };
    actions.iter().map(word).collect()
}

/// A machine with an entry all of whose instances run; pids from 1.
fn running(what: Entry) -> Machine {
    let mut machine = Machine::new(1);
    let names: Vec<String> = what.instances.iter().map(|i| i.name.clone()).collect();
    machine.configure(&said(Some(Reading::Good(what))), 0);
    for (name, pid) in names.iter().zip(1..) {
        machine.handle(name, Event::Started(pid), 0);
        machine.handle(name, Event::Ready(true), 0);
    }
    machine
}

#[test]
fn crash_loop_starts_once_per_restart_timeout() {
    let mut machine = running(entry("a", 1));
    assert_eq!(
        words(&machine.handle("app/web.0", Event::Ended(FAILURE), 10)),
        ["clean app/web.0"]
    );
    assert_eq!((machine.deadline(), machine.queue()), (Some(2000), 1));
    assert!(machine.tick(1999).is_empty());
    assert_eq!(words(&machine.tick(2000)), ["start app/web.0 a"]);
    machine.handle("app/web.0", Event::Started(7), 2100);
    machine.handle("app/web.0", Event::Ended(FAILURE), 2200);
    assert_eq!(
        machine.deadline(),
        Some(4000),
        "counted from the start, not from the end"
    );
    assert_eq!(
        (machine.figures.total.failures, machine.figures.total.started),
        (2, 2)
    );
}

#[test]
fn what_lived_longer_restarts_at_once() {
    let mut machine = running(entry("a", 1));
    let actions = machine.handle("app/web.0", Event::Ended(NORMAL), 5000);
    assert_eq!(words(&actions), ["clean app/web.0", "start app/web.0 a"]);
    assert_eq!(
        (machine.figures.total.deaths, machine.figures.total.failures),
        (1, 0)
    );
}

#[test]
fn throttle_survives_a_reload_and_an_exec() {
    let mut machine = running(entry("a", 1));
    machine.handle("app/web.0", Event::Ended(FAILURE), 10);
    let text = serde_json::to_string(&machine).unwrap();
    let mut machine: Machine = serde_json::from_str(&text).unwrap();
    assert!(machine
        .configure(&said(Some(Reading::Good(entry("a", 1)))), 20)
        .is_empty());
    assert_eq!(machine.deadline(), Some(2000));
    let actions = machine.configure(&said(Some(Reading::Good(entry("b", 1)))), 30);
    assert_eq!(words(&actions), ["start app/web.0 b"], "an upgrade does not wait");
}

#[test]
fn errors_keep_what_was_good_and_only_removal_retires() {
    let broken = || Reading::Broken("typo".to_string());
    let kept = [
        broken(),
        Reading::Good([("app".to_string(), Reading::Broken("typo".into()))].into()),
        said(Some(Reading::Broken("typo".into()))),
    ];
    for readings in kept {
        let mut machine = running(entry("a", 1));
        assert!(machine.configure(&readings, 5).is_empty(), "{readings:?}");
        let actions = machine.handle("app/web.0", Event::Ended(NORMAL), 9000);
        assert_eq!(words(&actions), ["clean app/web.0", "start app/web.0 a"]);
    }
    for readings in [said(None), Reading::Good([].into())] {
        let mut machine = running(entry("a", 1));
        assert_eq!(words(&machine.configure(&readings, 5)), ["stop app/web.0"]);
        assert!(machine.configure(&readings, 6).is_empty(), "told once");
        let actions = machine.handle("app/web.0", Event::Ended(NORMAL), 7);
        assert_eq!(words(&actions), ["clean app/web.0 for good"]);
        assert_eq!(machine.alive().count(), 0);
    }
}

#[test]
fn adopted_without_any_good_configuration_is_left_alone() {
    let mut machine = Machine::new(1);
    let found = |json: &str| Found {
        name: "app/web.0".into(),
        pid: 5,
        json: json.into(),
        started: None,
        ends: 0,
    };
    assert!(machine.adopt(found("a"), 100));
    assert!(!machine.adopt(found("b"), 100), "a name is adopted once");
    assert!(machine.configure(&Reading::Broken("typo".into()), 100).is_empty());
    assert_eq!(
        words(&machine.configure(&said(Some(Reading::Good(entry("b", 1)))), 200)),
        ["stop app/web.0"]
    );
    let actions = machine.handle("app/web.0", Event::Ended(NORMAL), 201);
    assert_eq!(
        words(&actions),
        ["clean app/web.0", "start app/web.0 b"],
        "not throttled"
    );
}

#[test]
fn instances_come_and_go_without_touching_the_others() {
    let mut machine = running(entry("a", 2));
    let actions = machine.configure(&said(Some(Reading::Good(entry("a", 1)))), 5);
    assert_eq!(words(&actions), ["stop app/web.1"]);
    let mut machine = running(entry("a", 1));
    let actions = machine.configure(&said(Some(Reading::Good(entry("a", 3)))), 5);
    assert_eq!(words(&actions), ["start app/web.1 a", "start app/web.2 a"]);
}

#[test]
fn all_change_at_once_by_default() {
    let mut machine = running(entry("a", 2));
    let actions = machine.configure(&said(Some(Reading::Good(entry("b", 2)))), 5);
    assert_eq!(words(&actions), ["stop app/web.0", "stop app/web.1"]);
}

#[test]
fn surge_starts_before_it_stops() {
    let rolling = |json: &str| Entry {
        spares: vec![instance("app/web.2", json)],
        max_unavailable: Some(0),
        ..entry(json, 2)
    };
    let mut machine = running(rolling("a"));
    assert_eq!(machine.alive().count(), 2, "no spare without a change");
    let mut next = rolling("b");
    next.spares[0].waits = true;
    let actions = machine.configure(&said(Some(Reading::Good(next))), 5);
    assert_eq!(words(&actions), ["start app/web.2 b"]);
    assert!(
        machine.handle("app/web.2", Event::Started(9), 6).is_empty(),
        "not ready yet"
    );
    assert!(
        machine.handle("app/web.2", Event::Ready(false), 6).is_empty(),
        "not in its time: nothing is lost"
    );
    assert_eq!(
        words(&machine.handle("app/web.2", Event::Ready(true), 7)),
        ["stop app/web.0"]
    );
    let actions = machine.handle("app/web.0", Event::Ended(NORMAL), 8);
    assert_eq!(words(&actions), ["clean app/web.0", "start app/web.0 b"]);
    assert_eq!(
        words(&machine.handle("app/web.0", Event::Started(10), 9)),
        ["stop app/web.1"]
    );
    machine.handle("app/web.1", Event::Ended(NORMAL), 10);
    assert_eq!(
        words(&machine.handle("app/web.1", Event::Started(11), 11)),
        ["stop app/web.2"]
    );
    let actions = machine.handle("app/web.2", Event::Ended(NORMAL), 12);
    assert_eq!(words(&actions), ["clean app/web.2 for good"]);
}

#[test]
fn unavailable_limits_how_many_change_together() {
    let rolling = |json: &str| Entry {
        max_unavailable: Some(2),
        ..entry(json, 5)
    };
    let mut machine = running(rolling("a"));
    let actions = machine.configure(&said(Some(Reading::Good(rolling("b")))), 5);
    assert_eq!(words(&actions), ["stop app/web.0", "stop app/web.1"]);
    machine.handle("app/web.0", Event::Ended(NORMAL), 6);
    assert_eq!(
        words(&machine.handle("app/web.0", Event::Started(9), 7)),
        ["stop app/web.2"]
    );
}

#[test]
fn nothing_cancels_the_shutdown() {
    let mut machine = running(entry("a", 2));
    assert_eq!(words(&machine.terminate(5)), ["stop app/web.0", "stop app/web.1"]);
    assert!(machine
        .configure(&said(Some(Reading::Good(entry("b", 3)))), 6)
        .is_empty());
    assert_eq!(
        words(&machine.terminate(7)),
        ["stop app/web.0", "stop app/web.1"],
        "forwarded again"
    );
    machine.handle("app/web.0", Event::Ended(NORMAL), 8);
    let actions = machine.handle("app/web.1", Event::Ended(NORMAL), 9);
    assert_eq!(words(&actions), ["clean app/web.1 for good", "finish"]);
    assert_eq!(words(&Machine::new(1).terminate(0)), ["finish"], "nothing runs");
}

#[test]
fn a_start_that_fails_counts_and_waits_and_one_without_its_socket_only_waits() {
    for (counted, failures) in [(true, 1), (false, 0)] {
        let mut machine = Machine::new(1);
        machine.configure(&said(Some(Reading::Good(entry("a", 1)))), 0);
        machine.handle("app/web.0", Event::Failed { counted }, 3);
        assert_eq!(machine.figures.total.failures, failures);
        assert_eq!(machine.deadline(), Some(2000));
    }
}

#[test]
fn told_to_stop_while_it_starts() {
    let mut machine = Machine::new(1);
    machine.configure(&said(Some(Reading::Good(entry("a", 1)))), 0);
    assert_eq!(words(&machine.configure(&said(None), 1)), ["stop app/web.0"]);
    let actions = machine.handle("app/web.0", Event::Started(4), 2);
    assert_eq!(
        words(&actions),
        ["stop app/web.0"],
        "the container has to hear it too"
    );
    let actions = machine.handle("app/web.0", Event::Ended(NORMAL), 3);
    assert_eq!(words(&actions), ["clean app/web.0 for good"]);
}

#[test]
fn events_about_what_is_unknown_have_no_effect() {
    let mut machine = running(entry("a", 1));
    for name in [
        "",
        "app",
        "app/web",
        "app/web.9",
        "app/web.00",
        "other/x.0",
        "app/web.-1",
        "/.0",
    ] {
        for event in [
            Event::Started(1),
            Event::Ready(true),
            Event::Ended(NORMAL),
            Event::Restarted(FAILURE),
        ] {
            assert!(machine.handle(name, event, 5).is_empty(), "{name}");
        }
    }
    assert_eq!(machine.alive().count(), 1);
}

#[test]
fn sockets_of_the_retired_are_not_in_use() {
    let mut machine = running(entry("a", 2));
    assert_eq!(machine.in_use().count(), 2);
    machine.configure(&said(Some(Reading::Good(entry("a", 1)))), 5);
    assert_eq!(machine.in_use().count(), 1);
    machine.handle("app/web.0", Event::Ended(FAILURE), 6);
    assert_eq!(machine.in_use().count(), 0, "between two attempts nobody listens");
}

#[test]
fn preview_tells_what_a_reload_would_do() {
    let mut machine = Machine::new(1);
    for (index, json) in [(0, "a"), (1, "b"), (7, "a")] {
        let found = Found {
            name: format!("app/web.{index}"),
            pid: 5,
            json: json.into(),
            started: None,
            ends: 0,
        };
        assert!(machine.adopt(found, 1));
    }
    machine.configure(&said(Some(Reading::Good(entry("a", 3)))), 2);
    let verdicts: Vec<_> = machine.preview().into_iter().collect();
    let expected = [
        ("0", Verdict::Keep),
        ("1", Verdict::Replace),
        ("2", Verdict::Replace),
        ("7", Verdict::Stop),
    ];
    // The third is being started by now.
    assert_eq!(verdicts.len(), 4);
    for (index, verdict) in [expected[0], expected[1], expected[3]] {
        assert!(
            verdicts.contains(&(format!("app/web.{index}"), verdict)),
            "{verdicts:?}"
        );
    }
}

#[test]
fn starts_that_fail_pause_even_without_a_restart_timeout() {
    let mut eager = entry("a", 1);
    eager.instances[0].restart_timeout = 0;
    for counted in [true, false] {
        let mut machine = Machine::new(1);
        machine.configure(&said(Some(Reading::Good(eager.clone()))), 0);
        let actions = machine.handle("app/web.0", Event::Failed { counted }, 0);
        assert_eq!(words(&actions), ["clean app/web.0"]);
        assert_eq!(machine.deadline(), Some(1000));
    }
    let mut machine = running(eager.clone());
    let actions = machine.handle("app/web.0", Event::Failed { counted: true }, 1);
    assert_eq!(
        words(&actions),
        ["clean app/web.0"],
        "its container was there, its process was not"
    );
    assert_eq!(machine.deadline(), Some(1000));
    let Counts {
        running: left,
        failures,
        ..
    } = machine.figures.total;
    assert_eq!((left, failures), (0, 1));
    let mut machine = running(eager);
    let actions = machine.handle("app/web.0", Event::Ended(FAILURE), 1);
    assert_eq!(
        words(&actions),
        ["clean app/web.0", "start app/web.0 a"],
        "an end is as wanted"
    );
}
