//! Rules that hold in every history, whatever happens in whatever order.

use super::*;
use crate::vagga::config::command::Restart;

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
        (0usize..3).prop_map(Event::Ready),
        Just(Event::Deadline),
    ]
}

/// Children wait for those before them only: no rings, as the configuration guarantees.
fn rules() -> impl Strategy<Value = Vec<Rules>> {
    let one = |index: usize| {
        let after = proptest::collection::vec(0..index.max(1), 0..2);
        let restart = prop_oneof![
            Just(Restart::never),
            Just(Restart::on_failure),
            Just(Restart::always)
        ];
        (after, proptest::option::of(1u64..20), restart).prop_map(move |(after, ready, restart)| Rules {
            after: if index == 0 { Vec::new() } else { after },
            ready_within: ready.map(Duration::from_secs),
            restart,
        })
    };
    (one(0), one(1), one(2)).prop_map(|(a, b, c)| vec![a, b, c])
}

/// What a kernel would know: which children have a process.
struct World {
    alive: [bool; 3],
    terminal_given: bool,
    killed: bool,
    started: [usize; 3],
    /// Cannot be started.
    broken: Option<usize>,
}

impl World {
    /// Whether the event can happen now.
    fn allows(&self, event: Event) -> bool {
        match event {
            Event::Ended(c, _) | Event::Stopped(c, _) | Event::Ready(c) => self.alive[c],
            _ => true,
        }
    }

    fn apply(
        &mut self,
        g: &mut Group,
        event: Event,
        now: Instant,
        foreground: bool,
    ) -> Result<(), TestCaseError> {
        if let Event::Ended(c, _) = event {
            self.alive[c] = false;
        }
        let mut queue = g.step(event, now, foreground);
        while !queue.is_empty() {
            match queue.remove(0) {
                Action::Start(c) => {
                    prop_assert!(!self.alive[c], "one process at a time");
                    if g.may_start(c) && self.broken == Some(c) {
                        queue.extend(g.step(Event::NotStarted(c), now, foreground));
                    } else if g.may_start(c) {
                        prop_assert!(!g.is_stopping());
                        self.alive[c] = true;
                        self.started[c] += 1;
                        queue.extend(g.step(Event::Started(c, 100 + c as i32), now, foreground));
                    }
                }
                Action::Signal(c, s) => {
                    prop_assert!(self.alive[c], "the dead get no signals");
                    self.killed |= s == SIGKILL;
                }
                Action::GiveTerminal(c) => {
                    prop_assert!(self.alive[c]);
                    self.terminal_given = true;
                }
                Action::TakeTerminal => self.terminal_given = false,
                _ => {}
            }
        }
        Ok(())
    }
}

proptest! {
    /// The dead get no signals, a shutdown always has a deadline or has killed, nobody starts before those it waits
    /// for or during a shutdown, and the terminal is ours when all have ended.
    #[test]
    fn any_history_keeps_the_rules(
        rules in rules(),
        all in any::<bool>(),
        broken in proptest::option::of(0usize..6),
        history in proptest::collection::vec((events(), any::<bool>(), 1u64..4), 0..60),
    ) {
        let mode = if all { SuperviseMode::wait_all_successful } else { SuperviseMode::stop_on_failure };
        let mut g = Group::new(Policy::Supervise { mode, grace: GRACE });
        for (n, rules) in rules.iter().enumerate() {
            g.add(&n.to_string(), rules.clone());
        }
        let mut world = World { alive: [false; 3], terminal_given: false, killed: false, started: [0; 3], broken };
        let mut now = Instant::now();
        world.apply(&mut g, Event::Begin, now, true)?;
        for (event, foreground, seconds) in history {
            if !world.allows(event) {
                continue;
            }
            now += Duration::from_secs(seconds);
            world.apply(&mut g, event, now, foreground)?;
            world.apply(&mut g, Event::Deadline, now, foreground)?;
            let alive = world.alive.iter().any(|a| *a);
            prop_assert!(!(g.is_stopping() && alive) || g.deadline().is_some() || world.killed);
            prop_assert!(g.result().is_none() || !alive);
            prop_assert!(!g.is_stopping() || alive || g.result().is_some());
            prop_assert!(alive || !world.terminal_given);
            // Nothing to wait for, no timer, no end: it would hang.
            prop_assert!(alive || g.deadline().is_some() || g.result().is_some());
            for (n, rules) in rules.iter().enumerate() {
                let waited = rules.after.iter().all(|other| world.started[*other] > 0);
                prop_assert!(world.started[n] == 0 || waited);
            }
        }
    }

    /// However often everything fails, a signal ends the group as soon as its children have ended.
    #[test]
    fn a_signal_always_ends_it(rules in rules(), broken in proptest::option::of(0usize..6), codes in proptest::collection::vec(0u8..3, 0..20)) {
        let mut g = Group::new(Policy::Supervise { mode: SuperviseMode::stop_on_failure, grace: GRACE });
        for (n, rules) in rules.iter().enumerate() {
            g.add(&n.to_string(), rules.clone());
        }
        let mut world = World { alive: [false; 3], terminal_given: false, killed: false, started: [0; 3], broken };
        let mut now = Instant::now();
        world.apply(&mut g, Event::Begin, now, true)?;
        for (n, code) in codes.into_iter().enumerate() {
            if world.alive[n % 3] {
                world.apply(&mut g, Event::Ended(n % 3, Status::Exited(code)), now, true)?;
            }
            now = g.deadline().unwrap_or(now).max(now);
            world.apply(&mut g, Event::Deadline, now, true)?;
        }
        world.apply(&mut g, Event::Signal(SIGTERM), now, true)?;
        for c in 0..3 {
            if world.alive[c] {
                world.apply(&mut g, Event::Ended(c, Status::Signaled(SIGTERM)), now, true)?;
            }
        }
        prop_assert!(g.result().is_some());
    }
}
