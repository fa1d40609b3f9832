//! The machine against a model in a simulated world: whatever is done to tree, knots, processes and configuration, in the
//! end what should run runs exactly once and nothing else does, and at no moment does a name run twice.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Version of the configuration and number of instances; every second version is rolled out a few at a time.
type Said = (u32, u32);

#[derive(Clone)]
enum Sandbox {
    Broken,
    Good(BTreeMap<&'static str, Option<Said>>),
}

/// A knot with its container.
struct Knot {
    name: String,
    json: String,
    started: u64,
    /// The tree has not heard yet that it exists: when it will, and whether it fails instead.
    setup: Option<(u64, bool)>,
    /// When it says that it is ready.
    ready: Option<u64>,
    /// When it will have stopped.
    stops: Option<u64>,
}

struct World {
    random: u64,
    now: u64,
    next_pid: i32,
    knots: BTreeMap<i32, Knot>,
    tree: Option<Machine>,
    /// What survives the death of the tree.
    last_good: BTreeMap<String, Entry>,
    config: BTreeMap<&'static str, Sandbox>,
    /// The model: what each entry should be, told at each reading of the configuration.
    should: BTreeMap<String, Said>,
    log: Vec<String>,
}

const SANDBOXES: [&str; 2] = ["blue", "green"];
const ENTRIES: [&str; 2] = ["web", "job.x"];

fn entry(key: &str, (version, instances): Said) -> Entry {
    let instance = |index: u32| Instance {
        name: format!("{key}.{index}"),
        json: format!("v{version}"),
        restart_timeout: 1000,
        backoff: (version % 3 == 0).then_some(Backoff {
            max: 8000,
            jitter: 50,
        }),
        waits: version % 2 == 0,
        ports: Vec::new(),
        standby: false,
    };
    let rolling = version % 2 == 0;
    let spares = if rolling { version % 3 } else { 0 };
    Entry {
        instances: (0..instances).map(instance).collect(),
        spares: (instances..instances + spares).map(instance).collect(),
        max_unavailable: rolling.then_some((version % 4 / 2) as usize),
    }
}

impl World {
    fn new(seed: u64) -> World {
        World {
            random: seed,
            now: 1_000_000,
            next_pid: 100,
            knots: BTreeMap::new(),
            tree: None,
            last_good: BTreeMap::new(),
            config: BTreeMap::new(),
            should: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    fn pick(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn readings(&self) -> Readings {
        let entries = |sandbox: &str, all: &BTreeMap<&'static str, Option<Said>>| -> Entries {
            let one = |(process, said): (&&str, &Option<Said>)| {
                let key = format!("{sandbox}/{process}");
                let reading = said.map_or_else(
                    || Reading::Broken("typo".into()),
                    |said| Reading::Good(entry(&key, said)),
                );
                (process.to_string(), reading)
            };
            all.iter().map(one).collect()
        };
        let sandboxes = self.config.iter().map(|(name, sandbox)| match sandbox {
            Sandbox::Broken => (name.to_string(), Reading::Broken("typo".into())),
            Sandbox::Good(all) => (name.to_string(), Reading::Good(entries(name, all))),
        });
        Reading::Good(sandboxes.collect())
    }

    /// The model reads the configuration too, in its own words.
    fn model_reads(&mut self) {
        for sandbox in SANDBOXES {
            for process in ENTRIES {
                let key = format!("{sandbox}/{process}");
                match self.config.get(sandbox) {
                    Some(Sandbox::Broken) => {}
                    Some(Sandbox::Good(all)) => match all.get(process) {
                        Some(Some(said)) => drop(self.should.insert(key, *said)),
                        Some(None) => {}
                        None => drop(self.should.remove(&key)),
                    },
                    None => drop(self.should.remove(&key)),
                }
            }
        }
    }

    fn read_configuration(&mut self) {
        let readings = self.readings();
        let Some(tree) = &mut self.tree else { return };
        let actions = tree.configure(&readings, self.now);
        let good = tree.last_good().into_iter();
        self.last_good = good
            .map(|(key, entry)| (key.to_string(), entry.clone()))
            .collect();
        self.model_reads();
        self.act(actions);
    }

    /// A fresh tree that knows only what is on disk and what runs.
    fn start_tree(&mut self) {
        let mut tree = Machine::new(self.random);
        tree.restore(self.last_good.clone());
        // It waits for knots that are still setting up.
        self.knots
            .retain(|_, knot| !matches!(knot.setup, Some((_, true))));
        for (pid, knot) in &mut self.knots {
            knot.setup = None;
            let found = Found {
                name: knot.name.clone(),
                pid: *pid,
                json: knot.json.clone(),
                started: Some(knot.started),
                ends: 0,
            };
            assert!(tree.adopt(found, self.now), "two of {}", knot.name);
        }
        self.tree = Some(tree);
        self.read_configuration();
    }

    fn reload(&mut self) {
        if let Some(tree) = self.tree.take() {
            let text = serde_json::to_string(&tree).unwrap();
            self.tree = Some(serde_json::from_str(&text).unwrap());
            self.read_configuration();
        }
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.log.push(format!("{} {action:?}", self.now));
            match action {
                Action::Start(instance) => self.spawn(instance),
                Action::Stop(name) => {
                    let at = self.now + self.pick(3000);
                    let knot = self.knots.values_mut().find(|knot| knot.name == name);
                    knot.expect("stops only what lives").stops.get_or_insert(at);
                }
                Action::Clean { name, .. } => {
                    assert!(!self.knots.values().any(|knot| knot.name == name), "{name} lives");
                }
                Action::Finish => panic!("nobody asked"),
            }
        }
    }

    fn spawn(&mut self, instance: Instance) {
        assert!(
            !self.knots.values().any(|knot| knot.name == instance.name),
            "{} twice",
            instance.name
        );
        let setup = (self.now + self.pick(200), self.pick(10) == 0);
        self.next_pid += 1;
        let knot = Knot {
            name: instance.name,
            json: instance.json,
            started: self.now,
            setup: Some(setup),
            ready: None,
            stops: None,
        };
        self.knots.insert(self.next_pid, knot);
    }

    fn tell(&mut self, name: &str, event: Event) {
        self.log.push(format!("{} {name} {event:?}", self.now));
        let now = self.now;
        if let Some(tree) = &mut self.tree {
            let actions = tree.handle(name, event, now);
            self.act(actions);
        }
    }

    /// A container ends.
    fn end(&mut self, pid: i32, normal: bool) {
        let Some(knot) = self.knots.remove(&pid) else {
            return;
        };
        match knot.setup {
            Some(_) => self.tell(&knot.name, Event::Failed { counted: true }),
            None => self.tell(&knot.name, Event::Ended(End { normal, oom: false })),
        }
    }

    fn advance(&mut self, by: u64) {
        let until = self.now + by;
        while let Some(at) = self.next_moment().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.happen();
        }
        self.now = until;
    }

    fn next_moment(&self) -> Option<u64> {
        let knots = self.knots.values().flat_map(|knot| {
            [knot.setup.map(|(at, _)| at), knot.ready, knot.stops]
                .into_iter()
                .flatten()
        });
        knots.chain(self.tree.as_ref().and_then(Machine::deadline)).min()
    }

    /// Everything that is due now.
    fn happen(&mut self) {
        for pid in self.knots.keys().copied().collect::<Vec<_>>() {
            let now = self.now;
            let Some(knot) = self.knots.get_mut(&pid) else {
                continue;
            };
            let name = knot.name.clone();
            let due = |at: Option<u64>| at.is_some_and(|at| at <= now);
            if due(knot.stops) {
                self.end(pid, true);
            } else if due(knot.setup.map(|(at, _)| at)) {
                match knot.setup.take() {
                    Some((_, true)) => {
                        self.knots.remove(&pid);
                        self.tell(&name, Event::Failed { counted: true });
                    }
                    _ => {
                        knot.ready = Some(now + 300);
                        self.tell(&name, Event::Started(pid));
                    }
                }
            } else if due(knot.ready) {
                knot.ready = None;
                self.tell(&name, Event::Ready(true));
            }
        }
        if let Some(tree) = &mut self.tree {
            let actions = tree.tick(self.now);
            self.act(actions);
        }
    }

    fn change(&mut self) {
        let sandbox = SANDBOXES[self.pick(2) as usize];
        let process = ENTRIES[self.pick(2) as usize];
        let said = (self.pick(6) as u32, self.pick(4) as u32);
        let what = self.pick(10);
        let place = self
            .config
            .entry(sandbox)
            .or_insert(Sandbox::Good(BTreeMap::new()));
        match (what, &mut *place) {
            (0, _) => *place = Sandbox::Broken,
            (1, _) => drop(self.config.remove(sandbox)),
            (2, Sandbox::Good(all)) => drop(all.insert(process, None)),
            (3, Sandbox::Good(all)) => drop(all.remove(process)),
            (_, Sandbox::Good(all)) => drop(all.insert(process, Some(said))),
            (_, Sandbox::Broken) => *place = Sandbox::Good([(process, Some(said))].into()),
        }
    }

    fn random_pid(&mut self) -> Option<i32> {
        let n = self.knots.len() as u64;
        let at = (n > 0).then(|| self.pick(n))?;
        self.knots.keys().nth(at as usize).copied()
    }

    fn step(&mut self) {
        let operation = self.pick(12);
        self.log.push(format!("{} operation {operation}", self.now));
        match operation {
            0..=3 => self.change(),
            4 | 5 => self.reload(),
            6 => self.tree = None,
            7 if self.tree.is_none() => self.start_tree(),
            8 | 9 => {
                let normal = self.pick(2) == 0;
                if let Some(pid) = self.random_pid() {
                    self.end(pid, normal);
                }
            }
            _ => {
                let by = self.pick(5000);
                self.advance(by);
            }
        }
        let names: BTreeSet<_> = self.knots.values().map(|knot| &knot.name).collect();
        assert_eq!(names.len(), self.knots.len(), "a name runs twice");
    }

    fn runs(&self) -> BTreeMap<String, String> {
        let up = self.knots.values().filter(|knot| knot.setup.is_none());
        up.map(|knot| (knot.name.clone(), knot.json.clone())).collect()
    }

    fn should_run(&self) -> BTreeMap<String, String> {
        let all = self.should.iter().flat_map(|(key, (version, instances))| {
            (0..*instances).map(move |index| (format!("{key}.{index}"), format!("v{version}")))
        });
        all.collect()
    }
}

#[test]
fn a_thousand_interleavings_end_as_the_model_says() {
    let mut busy = 0;
    for seed in 0..1000 {
        let mut world = World::new(seed);
        world.start_tree();
        for _ in 0..60 {
            world.step();
        }
        if world.tree.is_none() {
            world.start_tree();
        }
        world.reload();
        world.advance(600_000);
        assert_eq!(
            world.runs(),
            world.should_run(),
            "seed {seed}\n{}",
            world.log.join("\n")
        );
        assert_eq!(world.runs().len(), world.knots.len(), "seed {seed}");
        busy += world.knots.len();
    }
    assert!(busy > 2000, "the worlds were empty: {busy}");
}
