//! Histories of one command and of groups, and the rules that hold in every history.

use super::*;
use proptest::prelude::*;

use libc::{SIGCONT, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN};

const GRACE: Duration = Duration::from_secs(2);

fn group(mode: SuperviseMode, names: &[&str]) -> (Group, Instant) {
    let mut g = Group::new(Policy::Supervise { mode, grace: GRACE });
    for (n, name) in names.iter().enumerate() {
        g.add(name, 100 + n as i32);
    }
    (g, Instant::now())
}

fn single() -> (Group, Instant) {
    let mut g = Group::new(Policy::Single);
    g.add("x", 100);
    (g, Instant::now())
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
    assert!(g.step(Event::Ended(0, Status::Exited(0)), t, true).is_empty());
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
        g.step(Event::Ended(0, Status::Exited(0)), t, false),
        [Action::TakeTerminal, Action::GiveTerminal(1)]
    );
}

#[test]
fn stopping_one_service_by_hand_does_not_stop_the_group() {
    let (mut g, t) = group(SuperviseMode::stop_on_failure, &["a", "b"]);
    assert!(g.step(Event::Stopped(1, libc::SIGSTOP), t, true).is_empty());
}

fn events() -> impl Strategy<Value = Event> {
    let signal = prop_oneof![
        Just(SIGINT),
        Just(SIGTERM),
        Just(SIGTSTP),
        Just(SIGCONT),
        Just(SIGTTIN)
    ];
    prop_oneof![
        signal.clone().prop_map(Event::Signal),
        (0usize..3, signal.clone()).prop_map(|(c, s)| Event::Stopped(c, s)),
        (0usize..3, 0u8..3).prop_map(|(c, code)| Event::Ended(c, Status::Exited(code))),
        Just(Event::Deadline),
    ]
}

proptest! {
    /// Whatever happens: the dead get no signals, a shutdown always has a deadline or has killed, and the
    /// terminal is ours when all have ended.
    #[test]
    fn any_history_keeps_the_rules(history in proptest::collection::vec((events(), any::<bool>()), 0..40)) {
        let (mut g, mut now) = group(SuperviseMode::stop_on_failure, &["a", "b", "c"]);
        let mut dead = [false; 3];
        let mut given = false;
        let mut killed = false;
        for (event, foreground) in history {
            if let Event::Ended(c, _) | Event::Stopped(c, _) = event {
                if dead[c] {
                    continue;
                }
            }
            if let Event::Ended(c, _) = event {
                dead[c] = true;
            }
            now += Duration::from_secs(1);
            for action in g.step(event, now, foreground) {
                match action {
                    Action::Signal(c, s) => { prop_assert!(!dead[c]); killed |= s == SIGKILL; }
                    Action::GiveTerminal(c) => { prop_assert!(!dead[c]); given = true; }
                    Action::TakeTerminal => given = false,
                    _ => {}
                }
            }
            let alive = dead.iter().any(|d| !d);
            prop_assert!(!(g.is_stopping() && alive) || g.deadline().is_some() || killed);
            prop_assert_eq!(g.result().is_some(), !alive);
            prop_assert!(alive || !given);
        }
    }
}
