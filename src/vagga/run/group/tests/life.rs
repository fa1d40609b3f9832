//! Waiting, readiness, restarts, step by step.

use super::*;
use crate::vagga::config::command::Restart;

const MS: Duration = Duration::from_millis(1);

fn after(children: &[usize]) -> Rules {
    Rules {
        after: children.to_vec(),
        ..Rules::default()
    }
}

fn ready_within(seconds: u64) -> Rules {
    Rules {
        ready_within: Some(Duration::from_secs(seconds)),
        ..Rules::default()
    }
}

fn restart(restart: Restart) -> Rules {
    Rules {
        restart,
        ..Rules::default()
    }
}

fn starts(actions: &[Action]) -> Vec<usize> {
    let start = |a: &Action| match a {
        Action::Start(child) => Some(*child),
        _ => None,
    };
    actions.iter().filter_map(start).collect()
}

fn notes(actions: &[Action]) -> Vec<&str> {
    actions
        .iter()
        .filter_map(|a| match a {
            Action::Note { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_child_starts_when_all_before_it_are_ready() {
    let rules = [
        ("app", after(&[1, 2])),
        ("db", ready_within(60)),
        ("redis", ready_within(60)),
    ];
    let (mut g, t, actions) = begun(SuperviseMode::stop_on_failure, &rules);
    assert_eq!(starts(&actions), [1, 2]);
    assert_eq!(notes(&actions)[0], "waits for db, redis");
    assert!(!g.is_ready());
    let actions = run(&mut g, Event::Ready(1), t + 812 * MS);
    assert_eq!(notes(&actions), ["ready after 0.812s"]);
    assert_eq!(starts(&actions), [0; 0]);
    let actions = run(&mut g, Event::Ready(2), t + 1000 * MS);
    assert_eq!(starts(&actions), [0]);
    assert_eq!(notes(&actions), ["ready after 1s", "started"]);
    assert!(g.is_ready());
    assert!(run(&mut g, Event::Ready(2), t).is_empty(), "only once");
    assert_eq!(g.deadline(), None, "nothing is left to wake up for");
}

#[test]
fn without_ready_a_child_only_has_to_run() {
    let rules = [("a", after(&[1])), ("b", after(&[2])), ("c", Rules::default())];
    let (_, _, actions) = begun(SuperviseMode::stop_on_failure, &rules);
    assert_eq!(starts(&actions), [2, 1, 0]);
}

#[test]
fn who_has_finished_well_is_not_waited_for() {
    let rules = [("migrate", ready_within(60)), ("app", after(&[0]))];
    let (mut g, t, _) = begun(SuperviseMode::wait_all_successful, &rules);
    let actions = run(&mut g, Event::Ended(0, Status::Exited(0)), t);
    assert_eq!(starts(&actions), [1]);
    let (mut g, t, _) = begun(SuperviseMode::wait_all_successful, &rules);
    let actions = run(&mut g, Event::Ended(0, Status::Exited(3)), t);
    assert_eq!(starts(&actions), [0; 0]);
    assert_eq!(g.result(), Some(3), "who was never started has ended");
}

#[test]
fn a_child_that_is_not_ready_in_time_ends_the_group() {
    let rules = [("db", ready_within(60)), ("app", after(&[0]))];
    let (mut g, t, _) = begun(SuperviseMode::wait_all_successful, &rules);
    let due = t + Duration::from_secs(60);
    assert_eq!(g.deadline(), Some(due));
    assert!(run(&mut g, Event::Deadline, due - MS).is_empty());
    let actions = run(&mut g, Event::Deadline, due);
    assert!(matches!(&actions[0], Action::Out(line) if line.contains("db:100 is not ready after 60s")));
    assert_eq!(actions[1..], [Action::Signal(0, SIGTERM)]);
    run(&mut g, Event::Ended(0, Status::Signaled(SIGTERM)), due);
    assert_eq!(g.result(), Some(121));
}

#[test]
fn with_restart_it_is_stopped_and_started_again() {
    let rules = [(
        "db",
        Rules {
            restart: Restart::on_failure,
            ..ready_within(1)
        },
    )];
    let (mut g, t, _) = begun(SuperviseMode::stop_on_failure, &rules);
    let late = t + Duration::from_secs(1);
    let actions = run(&mut g, Event::Deadline, late);
    assert_eq!(actions[1..], [Action::Signal(0, SIGTERM)]);
    assert_eq!(g.deadline(), Some(late + GRACE));
    let actions = run(&mut g, Event::Deadline, late + GRACE);
    assert_eq!(actions, [Action::Signal(0, SIGKILL)]);
    let actions = run(&mut g, Event::Ended(0, Status::Exited(0)), late + GRACE);
    assert_eq!(
        notes(&actions),
        ["exited with code 0, starts again in 0.1s"],
        "late is a failure whatever the status"
    );
    let actions = run(&mut g, Event::Deadline, late + GRACE + 100 * MS);
    assert_eq!(starts(&actions), [0]);
    assert_eq!(
        g.deadline(),
        Some(late + GRACE + 1100 * MS),
        "it has as long again"
    );
}

#[test]
fn pauses_double_up_to_ten_seconds_and_start_anew_after_a_stable_run() {
    let rules = [("a", restart(Restart::always))];
    let (mut g, mut now, _) = begun(SuperviseMode::stop_on_failure, &rules);
    let mut pauses = Vec::new();
    let mut crash = |run_time: Duration| {
        now += run_time;
        run(&mut g, Event::Ended(0, Status::Exited(1)), now);
        let due = g.deadline().unwrap();
        pauses.push(due.duration_since(now).as_millis());
        now = due;
        assert_eq!(starts(&run(&mut g, Event::Deadline, now)), [0]);
    };
    (0..9).for_each(|_| crash(MS));
    crash(Duration::from_secs(10));
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 100]);
}

#[test]
fn restart_decides_before_the_mode() {
    let cases = [
        (Restart::on_failure, 1, true),
        (Restart::on_failure, 0, false),
        (Restart::always, 0, true),
        (Restart::never, 1, false),
    ];
    for mode in [SuperviseMode::stop_on_failure, SuperviseMode::wait_all_successful] {
        for (policy, code, again) in cases {
            let (mut g, t, _) = begun(mode, &[("a", restart(policy)), ("b", Rules::default())]);
            run(&mut g, Event::Ended(0, Status::Exited(code)), t);
            assert_eq!(g.deadline() == Some(t + 100 * MS), again, "{policy:?} {code}");
            let leaves = mode == SuperviseMode::wait_all_successful && code == 0;
            assert_eq!(g.is_stopping(), !again && !leaves);
        }
    }
}

#[test]
fn a_shutdown_ends_pauses_and_restarts() {
    let rules = [
        ("a", restart(Restart::always)),
        ("b", restart(Restart::always)),
        ("c", after(&[0])),
    ];
    let (mut g, t, _) = begun(SuperviseMode::stop_on_failure, &rules);
    run(&mut g, Event::Ended(0, Status::Exited(1)), t);
    let actions = run(&mut g, Event::Signal(SIGINT), t);
    let told: Vec<usize> = (0..3)
        .filter(|c| actions.contains(&Action::Signal(*c, SIGINT)))
        .collect();
    assert_eq!(told, [1, 2]);
    run(&mut g, Event::Ended(1, Status::Exited(1)), t);
    run(&mut g, Event::Ended(2, Status::Signaled(SIGINT)), t);
    assert_eq!(g.result(), Some(130));
}

#[test]
fn who_could_not_start_a_second_time_ends_the_group() {
    let (mut g, t, _) = begun(SuperviseMode::stop_on_failure, &[("a", restart(Restart::always))]);
    run(&mut g, Event::Ended(0, Status::Exited(1)), t);
    assert_eq!(g.step(Event::Deadline, t + 100 * MS, true), [Action::Start(0)]);
    g.step(Event::NotStarted(0), t + 100 * MS, true);
    assert_eq!(g.result(), Some(127));
}

#[test]
fn a_death_sentence_ends_everything_at_once() {
    let (mut g, t, _) = begun(SuperviseMode::stop_on_failure, &[("a", restart(Restart::always))]);
    assert_eq!(
        run(&mut g, Event::Abandoned(libc::SIGHUP), t),
        [Action::Signal(0, SIGKILL)]
    );
    run(&mut g, Event::Ended(0, Status::Signaled(SIGKILL)), t);
    assert_eq!(g.result(), Some(129));
}

#[test]
fn time_does_not_pass_while_vagga_is_stopped() {
    let (mut g, t, _) = begun(SuperviseMode::stop_on_failure, &[("db", ready_within(60))]);
    run(&mut g, Event::Signal(SIGTSTP), t + 10_000 * MS);
    run(&mut g, Event::Signal(SIGCONT), t + 1_000_000 * MS);
    assert_eq!(g.deadline(), Some(t + 1_050_000 * MS));
}
