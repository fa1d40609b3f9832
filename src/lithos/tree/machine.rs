//! The supervisor as a state machine: configuration and events in, actions out. No clock, no process, no file: the
//! shell (`supervisor`) tells what happened and does what is asked, the model test does the same in a simulated world.
//!
//! | state    | started | failed  | ready | ended   | time      | not wanted | other configuration | terminate |
//! |----------|---------|---------|-------|---------|-----------|------------|---------------------|-----------|
//! | waiting  | –       | –       | –     | –       | starting  | gone       | starting, at once   | gone      |
//! | starting | running | waiting | –     | waiting | –         | stop       | stop                | stop      |
//! | running  | –       | waiting | ready | waiting | –         | stop       | stop (a few)        | stop      |
//!
//! `stop` is said once; what was told to stop starts again without delay if it is still wanted. Times are milliseconds
//! of a clock that never goes back.

mod backoff;
mod desired;
#[cfg(test)]
mod model;
mod rollout;
mod slot;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_derive::{Deserialize, Serialize};

use super::figures::{Counts, Figures};
use desired::Word;
pub use desired::{split_name, Backoff, Entries, Entry, Instance, Port, Reading, Readings};
use slot::{Slot, State};

/// Pause between two starts that fail before anything runs, whatever `restart-timeout` says: nothing slows them down
/// otherwise, milliseconds.
const LEAST_AFTER_FAILURE: u64 = 1000;

/// Something that happened to a container, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The container exists; its init.
    Started(i32),
    /// There is none, or none any more: it could not be set up.
    Failed {
        /// A knot was started for it; otherwise something it needs was not to be had.
        counted: bool,
    },
    /// The service says whether it is ready.
    Ready(bool),
    /// The container is gone.
    Ended(End),
    /// The process ended and was started again inside of the container.
    Restarted(End),
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// It does not count as a failure.
    pub normal: bool,
    /// For want of memory.
    pub oom: bool,
}

impl End {
    /// Of what never ran.
    const FAILURE: End = End {
        normal: false,
        oom: false,
    };
}

/// A container that was found running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `SB/PROC.N`.
    pub name: String,
    /// Its init.
    pub pid: i32,
    /// Configuration it runs with.
    pub json: String,
    /// When it was started; `None`: unknown, which counts as now.
    pub started: Option<u64>,
    /// Ends in quick succession before this start.
    pub ends: u32,
}

/// What the shell has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a container, with its sockets.
    Start(Instance),
    /// Tell the knot of a container to stop.
    Stop(String),
    /// Remove what is left of a container that ended.
    Clean {
        /// `SB/PROC.N`.
        name: String,
        /// Its control group too: it will not start again.
        for_good: bool,
    },
    /// Everything has ended: leave.
    Finish,
}

/// What a reload means for one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does not run and will.
    Start,
    /// It runs and is not wanted any more.
    Stop,
    /// It runs with another configuration.
    Replace,
    /// It runs and stays.
    Keep,
}

/// What is known about an entry of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    /// Never read without error; what runs goes on.
    Unknown,
    /// The last good configuration.
    Is(Entry),
    /// Not in the configuration any more.
    Removed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    wanted: Wanted,
    slots: BTreeMap<u32, Slot>,
}

/// The state of everything supervised. It goes through an exec as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// By `SB/PROC`.
    groups: BTreeMap<String, Group>,
    stopping: bool,
    random: u64,
    /// Counters.
    #[serde(default)]
    pub figures: Figures,
}

impl Machine {
    /// Nothing configured, nothing running. The seed makes the jitter of delays.
    pub fn new(seed: u64) -> Machine {
        Machine {
            groups: BTreeMap::new(),
            stopping: false,
            random: seed,
            figures: Figures::default(),
        }
    }

    /// Takes what was good last before this program started, for entries it knows nothing better about.
    pub fn restore(&mut self, last_good: BTreeMap<String, Entry>) {
        for (key, entry) in last_good {
            let group = self.groups.entry(key).or_insert_with(Group::unknown);
            if group.wanted == Wanted::Unknown {
                group.wanted = Wanted::Is(entry);
            }
        }
    }

    /// Takes over a container that runs already; before [`configure`](Machine::configure). `false`: there is one of that
    /// name, or it has no proper name.
    pub fn adopt(&mut self, found: Found, now: u64) -> bool {
        let Some((key, index)) = split_name(&found.name) else {
            return false;
        };
        let group = self.groups.entry(key.to_string()).or_insert_with(Group::unknown);
        if group.slots.get(&index).is_some_and(|slot| slot.json().is_some()) {
            return false;
        }
        let state = State::Running {
            pid: found.pid,
            json: found.json,
            ready: true,
            stop: false,
        };
        let slot = Slot {
            state,
            started: Some(found.started.unwrap_or(now).min(now)),
            ends: found.ends,
        };
        let slot_start = slot.started.unwrap_or(now);
        group.slots.insert(index, slot);
        let started = slot_start;
        self.figures.count(key, |counts| {
            counts.running += 1;
            counts.last_start = counts.last_start.max(started);
        });
        true
    }

    /// Takes a new configuration: what could be read replaces what was, what is not in it is retired, and what could not
    /// be read stays as it was.
    pub fn configure(&mut self, readings: &Readings, now: u64) -> Vec<Action> {
        if self.stopping {
            return Vec::new();
        }
        self.know(readings, now);
        self.settle_all(now)
    }

    /// The part of [`configure`](Machine::configure) before anything is done.
    pub fn know(&mut self, readings: &Readings, now: u64) {
        for key in desired::good_keys(readings) {
            self.groups.entry(key).or_insert_with(Group::unknown);
        }
        for (key, group) in &mut self.groups {
            match desired::word_about(readings, key) {
                Word::Nothing => {}
                Word::Removed => group.wanted = Wanted::Removed,
                Word::Is(entry) => group.want(entry, now),
            }
        }
        let entries = self.groups.values().filter_map(Group::entry);
        self.figures.containers = entries.map(|entry| entry.instances.len() as u64).sum();
        self.count_configured();
    }

    /// Gives every configured entry its counters.
    pub fn count_configured(&mut self) {
        for (key, group) in &self.groups {
            let configured = group.entry().is_some_and(|entry| !entry.instances.is_empty());
            if configured && !self.figures.entries.contains_key(key) {
                self.figures.entries.insert(key.clone(), Counts::default());
            }
        }
    }

    /// Tells what happened to a container. What comes too late, or about something unknown, has no effect.
    pub fn handle(&mut self, name: &str, event: Event, now: u64) -> Vec<Action> {
        let Some((key, index)) = split_name(name) else {
            return Vec::new();
        };
        let started = matches!(event, Event::Started(_));
        let gone = self.take_event(key, index, event, now);
        let mut actions = self.settle(key, now);
        if started && self.slot(key, index).is_some_and(Slot::is_stopping) {
            // It was said to who set it up; the container itself may not have heard.
            actions.push(Action::Stop(name.to_string()));
        }
        if gone {
            let slots = self.groups.get(key).map(|group| &group.slots);
            let for_good = slots.is_none_or(|slots| !slots.contains_key(&index));
            let name = name.to_string();
            actions.insert(0, Action::Clean { name, for_good });
        }
        self.finish(actions)
    }

    /// Starts what is due.
    pub fn tick(&mut self, now: u64) -> Vec<Action> {
        let is_due = |slot: &Slot| matches!(slot.state, State::Waiting { until } if until <= now);
        let due = self
            .groups
            .iter()
            .filter(|(_, group)| group.slots.values().any(is_due));
        let due: Vec<String> = due.map(|(key, _)| key.clone()).collect();
        due.iter().flat_map(|key| self.settle(key, now)).collect()
    }

    /// Stops everything, for good: nothing takes it back. Said again, what is still there is told again.
    pub fn terminate(&mut self, now: u64) -> Vec<Action> {
        let again = std::mem::replace(&mut self.stopping, true);
        let mut actions = self.settle_all(now);
        if again {
            actions.extend(self.alive().map(|(name, _)| Action::Stop(name)));
        }
        self.finish(actions)
    }

    /// Everything is being stopped.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Nothing is being started, and what runs has said whether it is ready.
    pub fn is_settled(&self) -> bool {
        let mut slots = self.groups.values().flat_map(|group| group.slots.values());
        slots.all(|slot| {
            !matches!(
                slot.state,
                State::Starting { .. } | State::Running { ready: false, .. }
            )
        })
    }

    /// When to call [`tick`](Machine::tick); `None`: nothing waits for a time.
    pub fn deadline(&self) -> Option<u64> {
        self.waiting().min()
    }

    /// Number of starts that wait for their time.
    pub fn queue(&self) -> usize {
        self.waiting().count()
    }

    /// Times of the starts that wait.
    fn waiting(&self) -> impl Iterator<Item = u64> + '_ {
        let slots = self.groups.values().flat_map(|group| group.slots.values());
        slots.filter_map(|slot| match slot.state {
            State::Waiting { until } => Some(until),
            _ => None,
        })
    }

    /// Names of the containers that run or are being started, with the ids of their inits.
    pub fn alive(&self) -> impl Iterator<Item = (String, Option<i32>)> + '_ {
        self.groups.iter().flat_map(|(key, group)| {
            group
                .slots
                .iter()
                .filter_map(move |(index, slot)| match slot.state {
                    State::Waiting { .. } => None,
                    State::Starting { .. } => Some((format!("{key}.{index}"), None)),
                    State::Running { pid, .. } => Some((format!("{key}.{index}"), Some(pid))),
                })
        })
    }

    fn slot(&self, key: &str, index: u32) -> Option<&Slot> {
        self.groups.get(key)?.slots.get(&index)
    }

    /// What would happen to the containers if this were all that is done, by name.
    pub fn preview(&self) -> BTreeMap<String, Verdict> {
        let mut verdicts = BTreeMap::new();
        for (key, group) in &self.groups {
            for (index, slot) in &group.slots {
                let wanted = group
                    .entry()
                    .and_then(|entry| entry.instances.get(*index as usize));
                let verdict = match (&group.wanted, slot.json(), wanted) {
                    (Wanted::Unknown, _, _) => Verdict::Keep,
                    (_, None, Some(_)) => Verdict::Start,
                    (_, None, None) => continue,
                    (_, Some(_), None) => Verdict::Stop,
                    (_, Some(json), Some(wanted)) if json == wanted.json => Verdict::Keep,
                    _ => Verdict::Replace,
                };
                verdicts.insert(format!("{key}.{index}"), verdict);
            }
            for instance in group.entry().iter().flat_map(|entry| &entry.instances) {
                verdicts.entry(instance.name.clone()).or_insert(Verdict::Start);
            }
        }
        verdicts
    }

    /// A container that is alive: its configuration, its last start, and the ends in quick succession before.
    pub fn live(&self, name: &str) -> Option<(&str, Option<u64>, u32)> {
        let (key, index) = split_name(name)?;
        let slot = self.slot(key, index)?;
        Some((slot.json()?, slot.started, slot.ends))
    }

    /// Instances whose sockets have to be open: those alive that the configuration knows.
    pub fn in_use(&self) -> impl Iterator<Item = &Instance> {
        self.groups.values().filter(|_| !self.stopping).flat_map(|group| {
            let alive = group.slots.iter().filter(|(_, slot)| slot.json().is_some());
            alive.filter_map(|(index, _)| group.entry()?.instance(*index))
        })
    }

    /// Instances that run as they are configured, and whose next container is to be prepared.
    pub fn with_standby(&self) -> impl Iterator<Item = &Instance> {
        self.groups.values().filter(|_| !self.stopping).flat_map(|group| {
            let slots = group.slots.iter();
            slots.filter_map(|(index, slot)| standby(group, *index, slot))
        })
    }

    /// The instance of a container that runs as it is configured, if its next container is to be prepared.
    pub fn standby_of(&self, name: &str) -> Option<&Instance> {
        let (key, index) = split_name(name).filter(|_| !self.stopping)?;
        let group = self.groups.get(key)?;
        standby(group, index, group.slots.get(&index)?)
    }

    /// The last good configuration by `SB/PROC`.
    pub fn last_good(&self) -> BTreeMap<&str, &Entry> {
        let known = self
            .groups
            .iter()
            .filter_map(|(key, group)| Some((key.as_str(), group.entry()?)));
        known.collect()
    }

    /// Changes the state of one container. `true`: what was alive is gone.
    fn take_event(&mut self, key: &str, index: u32, event: Event, now: u64) -> bool {
        let Some(group) = self.groups.get_mut(key) else {
            return false;
        };
        let wanted = group.entry().and_then(|entry| entry.instance(index)).cloned();
        let Some(slot) = group.slots.get_mut(&index) else {
            return false;
        };
        let running = matches!(slot.state, State::Running { .. });
        let starting = matches!(slot.state, State::Starting { .. });
        match event {
            Event::Started(pid) if starting => {
                slot.run(pid, wanted.is_some_and(|instance| instance.waits));
                self.figures.count(key, |counts| {
                    counts.started += 1;
                    counts.running += 1;
                    counts.last_start = now;
                });
                false
            }
            Event::Ready(is) => {
                slot.set_ready(is);
                false
            }
            Event::Restarted(end) if running => {
                self.figures.count(key, |counts| {
                    counts.end(end);
                    counts.started += 1;
                    counts.restarts += 1;
                    counts.last_start = now;
                });
                false
            }
            Event::Failed { counted } if starting => {
                let again = slot.wait(wanted.as_ref(), now, &mut self.random, LEAST_AFTER_FAILURE);
                if counted {
                    self.figures.count(key, |counts| {
                        counts.started += 1;
                        counts.end(End::FAILURE);
                        counts.restarts += u64::from(again);
                    });
                }
                true
            }
            Event::Ended(_) | Event::Failed { .. } if running => {
                let (end, least) = match event {
                    Event::Ended(end) => (end, 0),
                    _ => (End::FAILURE, LEAST_AFTER_FAILURE),
                };
                let again = slot.wait(wanted.as_ref(), now, &mut self.random, least);
                self.figures.count(key, |counts| {
                    counts.end(end);
                    counts.restarts += u64::from(again);
                    counts.running = counts.running.saturating_sub(1);
                });
                true
            }
            _ => false,
        }
    }

    fn settle_all(&mut self, now: u64) -> Vec<Action> {
        let keys: Vec<String> = self.groups.keys().cloned().collect();
        keys.iter().flat_map(|key| self.settle(key, now)).collect()
    }

    /// Brings one entry nearer to what it should be; forgets it when nothing is left of it.
    fn settle(&mut self, key: &str, now: u64) -> Vec<Action> {
        let Some(group) = self.groups.get_mut(key) else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        match self.stopping {
            true => group.retire(|_| true, key, &mut actions),
            false => group.settle(key, now, &mut actions),
        }
        let empty = group.slots.is_empty();
        if empty && group.entry().is_none_or(|entry| entry.instances.is_empty()) {
            self.figures.entries.remove(key);
        }
        if empty && group.entry().is_none() {
            self.groups.remove(key);
        }
        actions
    }

    /// Adds the last action of all when its time has come.
    fn finish(&self, mut actions: Vec<Action>) -> Vec<Action> {
        if self.stopping && self.alive().next().is_none() {
            actions.push(Action::Finish);
        }
        actions
    }
}

/// The instance of a slot that runs as configured and wants its successor prepared.
fn standby<'a>(group: &'a Group, index: u32, slot: &Slot) -> Option<&'a Instance> {
    let wanted = group.entry()?.instances.get(index as usize)?;
    let runs = matches!(&slot.state, State::Running { json, stop: false, .. } if *json == wanted.json);
    (wanted.standby && runs).then_some(wanted)
}

impl Group {
    fn unknown() -> Group {
        Group {
            wanted: Wanted::Unknown,
            slots: BTreeMap::new(),
        }
    }

    fn entry(&self) -> Option<&Entry> {
        match &self.wanted {
            Wanted::Is(entry) => Some(entry),
            Wanted::Unknown | Wanted::Removed => None,
        }
    }

    /// A new configuration does not wait for the delays of the old one.
    fn want(&mut self, entry: Entry, now: u64) {
        for (index, slot) in &mut self.slots {
            let old = match &self.wanted {
                Wanted::Is(old) => old.instance(*index).map(|instance| &instance.json),
                _ => None,
            };
            let new = entry.instance(*index).map(|instance| &instance.json);
            if matches!(slot.state, State::Waiting { .. }) && old != new {
                slot.state = State::Waiting { until: now };
                slot.ends = 0;
            }
        }
        self.wanted = Wanted::Is(entry);
    }

    fn settle(&mut self, key: &str, now: u64, actions: &mut Vec<Action>) {
        let plan = match &self.wanted {
            Wanted::Unknown => return self.slots.retain(|_, slot| slot.json().is_some()),
            Wanted::Removed => rollout::Plan::default(),
            Wanted::Is(entry) => rollout::plan(entry, &self.slots),
        };
        // This is done with each event of each container, of which there may be thousands.
        if self.slots.range(plan.exist..).next().is_some() {
            self.retire(|index| index >= plan.exist, key, actions);
        }
        for index in plan.replace {
            if self.slots.get_mut(&index).is_some_and(Slot::stop) {
                actions.push(Action::Stop(format!("{key}.{index}")));
            }
        }
        if self.slots.range(..plan.exist).count() < plan.exist as usize {
            for index in 0..plan.exist {
                self.slots.entry(index).or_insert_with(|| Slot::waiting(now));
            }
        }
        self.start_due(now, actions);
    }

    /// Stops those of the numbers given and forgets what does not run.
    fn retire(&mut self, which: impl Fn(u32) -> bool, key: &str, actions: &mut Vec<Action>) {
        self.slots
            .retain(|index, slot| !which(*index) || slot.json().is_some());
        for (index, slot) in &mut self.slots {
            if which(*index) && slot.stop() {
                actions.push(Action::Stop(format!("{key}.{index}")));
            }
        }
    }

    fn start_due(&mut self, now: u64, actions: &mut Vec<Action>) {
        let Wanted::Is(entry) = &self.wanted else { return };
        for (index, slot) in &mut self.slots {
            let due = matches!(slot.state, State::Waiting { until } if until <= now);
            let Some(instance) = entry.instance(*index).filter(|_| due) else {
                continue;
            };
            slot.started = Some(now);
            slot.state = State::Starting {
                json: instance.json.clone(),
                stop: false,
            };
            actions.push(Action::Start(instance.clone()));
        }
    }
}

impl Slot {
    /// The container exists; it is ready unless it has to say so.
    fn run(&mut self, pid: i32, waits: bool) {
        if let State::Starting { json, stop } = &mut self.state {
            self.state = State::Running {
                pid,
                json: std::mem::take(json),
                ready: !waits,
                stop: *stop,
            };
        }
    }

    fn set_ready(&mut self, is: bool) {
        if let State::Running { ready, .. } = &mut self.state {
            *ready = is;
        }
    }

    /// It is gone: when to start it again, should it still be wanted, at least so long after the last start. `true`: the
    /// same is started again although nobody had stopped it.
    fn wait(&mut self, wanted: Option<&Instance>, now: u64, random: &mut u64, least: u64) -> bool {
        let changed = self.json() != wanted.map(|instance| instance.json.as_str());
        let again = wanted.filter(|_| !changed && !self.is_stopping());
        let until = match again {
            Some(instance) => {
                let started = self.started.unwrap_or(now);
                self.throttle(instance, now, random)
                    .max(started.saturating_add(least))
            }
            None => {
                self.ends = 0;
                now
            }
        };
        self.state = State::Waiting { until };
        again.is_some()
    }

    /// The end was nobody's wish.
    fn throttle(&mut self, instance: &Instance, now: u64, random: &mut u64) -> u64 {
        let started = self.started.unwrap_or(now);
        if backoff::lived_well(instance, now.saturating_sub(started)) {
            self.ends = 0;
        }
        self.ends = self.ends.saturating_add(1);
        started.saturating_add(backoff::delay(instance, self.ends, random))
    }
}

impl Counts {
    fn end(&mut self, end: End) {
        self.deaths += 1;
        self.failures += u64::from(!end.normal);
        self.ooms += u64::from(end.oom);
    }
}
