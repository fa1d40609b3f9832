//! Histories of one command and of groups, and the rules that hold in every history.

use super::*;
use proptest::prelude::*;

use libc::{SIGCONT, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN};

const GRACE: Duration = Duration::from_secs(2);

fn group(mode: SuperviseMode, names: &[&str]) -> (Group, Instant) {
    let rules: Vec<(&str, Rules)> = names.iter().map(|n| (*n, Rules::default())).collect();
    let (g, t, actions) = begun(mode, &rules);
    assert_eq!(
        actions.iter().filter(|a| matches!(a, Action::Start(_))).count(),
        names.len()
    );
    (g, t)
}

/// A group whose children that may start have started, as processes 100, 101, …; and the actions so far.
fn begun(mode: SuperviseMode, rules: &[(&str, Rules)]) -> (Group, Instant, Vec<Action>) {
    let mut g = Group::new(Policy::Supervise { mode, grace: GRACE });
    for (name, rules) in rules {
        g.add(name, rules.clone());
    }
    let now = Instant::now();
    let actions = run(&mut g, Event::Begin, now);
    (g, now, actions)
}

/// One event and all the starts that follow from it; all actions.
fn run(g: &mut Group, event: Event, now: Instant) -> Vec<Action> {
    let mut all = g.step(event, now, true);
    let mut next = 0;
    while let Some(action) = all.get(next).cloned() {
        next += 1;
        if let Action::Start(child) = action {
            if g.may_start(child) {
                all.extend(g.step(Event::Started(child, 100 + child as i32), now, true));
            }
        }
    }
    all
}

fn single() -> (Group, Instant) {
    let mut g = Group::new(Policy::Single);
    g.add("x", Rules::default());
    let now = Instant::now();
    assert_eq!(run(&mut g, Event::Begin, now), [Action::Start(0)]);
    (g, now)
}

#[test]
fn first_end_stops_the_group_even_with_success() {
    let (mut g, t) = group(SuperviseMode::stop_on_failure, &["a", "b"]);
    let actions = g.step(Event::Ended(0, Status::Exited(0)), t, true);
    assert_eq!(
        actions,
        [
            Action::Out("---------- Process a:100 exited with code 0. Shutting down -----------".into()),
            Action::Signal(1, SIGTERM)
        ]
    );
    assert_eq!(g.result(), None);
    assert!(g
        .step(Event::Ended(1, Status::Signaled(SIGTERM)), t, true)
        .is_empty());
    assert_eq!(g.result(), Some(0), "later statuses do not change the result");
}

#[test]
fn success_only_leaves_a_group_that_waits_for_all() {
    let (mut g, t) = group(SuperviseMode::wait_all_successful, &["a", "b", "c"]);
    let actions = g.step(Event::Ended(0, Status::Exited(0)), t, true);
    assert!(matches!(
        &actions[..],
        [Action::Note {
            child: 0,
            detail: true,
            ..
        }]
    ));
    let actions = g.step(Event::Ended(1, Status::Exited(200)), t, true);
    assert_eq!(
        actions[0],
        Action::Out("---------- Process b:101 exited with code 200. Shutting down -----------".into())
    );
    g.step(Event::Ended(2, Status::Exited(0)), t, true);
    assert_eq!(g.result(), Some(200));
}

#[test]
fn death_by_signal_is_named() {
    let (mut g, t) = group(SuperviseMode::stop_on_failure, &["a"]);
    let actions = g.step(Event::Ended(0, Status::Signaled(SIGKILL)), t, true);
    assert_eq!(
        actions,
        [Action::Out(
            "---------- Process a:100 killed by signal SIGKILL[9]. Shutting down -----------".into()
        )]
    );
    assert_eq!(g.result(), Some(137));
}

#[test]
fn stuck_children_are_killed_after_the_grace_time() {
    let (mut g, t) = group(SuperviseMode::stop_on_failure, &["a", "stuck"]);
    g.step(Event::Signal(SIGINT), t, true);
    assert_eq!(g.deadline(), Some(t + GRACE));
    assert_eq!(
        g.step(Event::Signal(SIGQUIT), t, true).len(),
        3,
        "later signals are passed on too"
    );
    g.step(Event::Ended(0, Status::Exited(0)), t, true);
    assert!(g.step(Event::Deadline, t, true).is_empty(), "too early");
    let actions = g.step(Event::Deadline, t + GRACE, true);
    assert!(matches!(&actions[0], Action::Out(line) if line.contains("stuck") && !line.contains("a,")));
    assert_eq!(actions[1..], [Action::Signal(1, SIGKILL)]);
    assert_eq!(g.deadline(), None);
    g.step(Event::Ended(1, Status::Signaled(SIGKILL)), t + GRACE, true);
    assert_eq!(g.result(), Some(130));
}

#[test]
fn child_that_does_not_start_ends_the_group_with_127() {
    let (mut g, t) = group(SuperviseMode::wait_all_successful, &["a", "b"]);
    let actions = g.step(Event::NotStarted(1), t, true);
    assert!(matches!(&actions[0], Action::Out(line) if line.contains("b:101 could not be run")));
    g.step(Event::Ended(0, Status::Exited(0)), t, true);
    assert_eq!(g.result(), Some(127));
}

#[test]
fn reader_gets_the_terminal_and_it_comes_back() {
    let (mut g, t) = single();
    assert_eq!(
        g.step(Event::Stopped(0, SIGTTIN), t, true),
        [Action::GiveTerminal(0)]
    );
    assert_eq!(
        g.step(Event::Ended(0, Status::Exited(3)), t, false),
        [Action::TakeTerminal]
    );
    assert_eq!(g.result(), Some(3));
}

#[test]
fn interactive_program_is_suspended_with_vagga_and_resumed() {
    let (mut g, t) = single();
    g.step(Event::Stopped(0, SIGTTIN), t, true);
    for _ in 0..2 {
        assert_eq!(
            g.step(Event::Stopped(0, SIGTSTP), t, false),
            [Action::TakeTerminal, Action::StopSelf(SIGTSTP, true)]
        );
        assert_eq!(g.step(Event::Signal(SIGCONT), t, true), [Action::GiveTerminal(0)]);
    }
}

#[test]
fn in_the_background_a_reader_stops_the_job() {
    let (mut g, t) = single();
    assert_eq!(
        g.step(Event::Stopped(0, SIGTTIN), t, false),
        [Action::TakeTerminal, Action::StopSelf(SIGTTIN, true)][1..]
    );
    assert_eq!(g.step(Event::Signal(SIGCONT), t, true), [Action::GiveTerminal(0)]);
    let (mut g, t) = single();
    g.step(Event::Stopped(0, SIGTTIN), t, false);
    assert_eq!(
        g.step(Event::Signal(SIGCONT), t, false),
        [Action::Signal(0, SIGCONT)],
        "bg does not take the terminal"
    );
}

#[test]
fn program_that_does_not_read_is_stopped_and_continued() {
    let (mut g, t) = single();
    assert_eq!(
        g.step(Event::Signal(SIGTSTP), t, true),
        [Action::Signal(0, SIGTSTP), Action::StopSelf(SIGTSTP, false)]
    );
    assert_eq!(
        g.step(Event::Signal(SIGCONT), t, true),
        [Action::Signal(0, SIGCONT)]
    );
}

#[test]
fn second_reader_waits_for_the_first() {
    let (mut g, t) = group(SuperviseMode::wait_all_successful, &["a", "b"]);
    g.step(Event::Stopped(0, SIGTTIN), t, true);
    assert!(g.step(Event::Stopped(1, SIGTTIN), t, false).is_empty());
    assert_eq!(
        g.step(Event::Ended(0, Status::Exited(0)), t, false)[..2],
        [Action::TakeTerminal, Action::GiveTerminal(1)]
    );
}

#[test]
fn stopping_one_service_by_hand_does_not_stop_the_group() {
    let (mut g, t) = group(SuperviseMode::stop_on_failure, &["a", "b"]);
    assert!(g.step(Event::Stopped(1, libc::SIGSTOP), t, true).is_empty());
}

mod histories;
mod life;
