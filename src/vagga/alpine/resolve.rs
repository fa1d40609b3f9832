//! Which packages make a world: a pure function of what is wanted, what is installed and what the repositories have.
//!
//! Dependencies are followed one by one, the best candidate is taken. When that turns out to have been wrong, what was
//! learned is kept and everything begins anew; each round learns something, and there is a limit.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::dependency::{self, Dependency};
use super::universe::{names, Universe};

/// Most rounds. Real repositories need one or two.
const ROUNDS: usize = 200;

/// Who asks for something, for messages.
type Requirer = Option<usize>;

/// A dependency to be met.
#[derive(Debug, Clone)]
struct Need {
    dependency: Dependency,
    by: Requirer,
    /// Tags of repositories that may be used.
    tags: Vec<String>,
}

/// Why a round ended without result.
enum Stop {
    /// Begin again, and keep to this from the start.
    Learn(Dependency),
    /// There is no solution that we can find.
    Fail(String),
}

/// The places of all packages of the world, dependencies before those that need them.
///
/// Errors: one line that names what cannot be had and who wants it.
pub fn resolve(universe: &Universe, world: &[Dependency]) -> Result<Vec<usize>, String> {
    let mut learned = Vec::new();
    for _ in 0..ROUNDS {
        let mut round = Round::new(universe, world, &learned);
        match round.run() {
            Ok(()) => return Ok(order(universe, world, &round)),
            Err(Stop::Fail(why)) => return Err(why),
            Err(Stop::Learn(dependency)) => learned.push(dependency),
        }
    }
    Err(format!(
        "the dependencies of {} are too entangled",
        world_text(world)
    ))
}

fn world_text(world: &[Dependency]) -> String {
    let words: Vec<String> = world.iter().map(ToString::to_string).collect();
    words.join(" ")
}

/// One try.
struct Round<'u, 'a> {
    universe: &'u Universe<'a>,
    learned: &'u [Dependency],
    queue: VecDeque<Need>,
    /// Needs with a choice between different packages, which others may settle.
    later: VecDeque<Need>,
    /// Chosen packages by name.
    chosen: BTreeMap<&'a str, usize>,
    /// What the chosen ones provide: all, and with a version, which only one may do.
    provided: HashMap<&'a str, Vec<usize>>,
    exclusive: HashMap<&'a str, usize>,
    conflicts: Vec<(Dependency, Requirer)>,
    /// Order of choice.
    sequence: Vec<usize>,
}

impl<'u, 'a> Round<'u, 'a> {
    fn new(universe: &'u Universe<'a>, world: &[Dependency], learned: &'u [Dependency]) -> Round<'u, 'a> {
        let need = |d: &Dependency| Need {
            dependency: d.clone(),
            by: None,
            tags: d.tag.iter().cloned().collect(),
        };
        let (conflicts, wanted): (Vec<_>, Vec<_>) = world.iter().partition(|d| d.conflict);
        Round {
            universe,
            learned,
            queue: wanted.into_iter().map(need).collect(),
            later: VecDeque::new(),
            chosen: BTreeMap::new(),
            provided: HashMap::new(),
            exclusive: HashMap::new(),
            conflicts: conflicts.into_iter().map(|d| (d.clone(), None)).collect(),
            sequence: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), Stop> {
        loop {
            while let Some(need) = self.queue.pop_front() {
                self.meet(need, false)?;
            }
            if let Some(need) = self.later.pop_front() {
                self.meet(need, true)?;
            } else if !self.add_automatic()? {
                return Ok(());
            }
        }
    }

    fn meet(&mut self, need: Need, now: bool) -> Result<(), Stop> {
        if self.is_met(&need.dependency) {
            return Ok(());
        }
        let all = self.universe.candidates(&need.dependency, &need.tags);
        let fits = |p: &usize| self.obstacle(*p).is_none();
        let free: Vec<usize> = all.iter().map(|p| p.package).filter(fits).collect();
        let wise: Vec<usize> = free
            .iter()
            .copied()
            .filter(|p| self.keeps_to_learned(*p))
            .collect();
        let Some(best) = wise.first().or(free.first()).copied() else {
            return Err(self.dead_end(&need, all.first().map(|p| p.package)));
        };
        let name = |p: usize| self.universe.get(p).map(|p| p.name.as_str());
        if !now && free.iter().any(|other| name(*other) != name(best)) {
            self.later.push_back(need);
            return Ok(());
        }
        self.choose(best, need.tags)
    }

    fn is_met(&self, dependency: &Dependency) -> bool {
        let known = self.provided.get(dependency.name.as_str());
        known.is_some_and(|list| list.iter().any(|p| self.universe.provides(*p, dependency)))
    }

    /// What of the chosen makes a package impossible: the package in the way, or the conflict.
    fn obstacle(&self, nth: usize) -> Option<Obstacle> {
        let package = self.universe.get(nth)?;
        for (name, version) in names(package) {
            let other = self.exclusive.get(name).filter(|_| !version.is_empty());
            if let Some(other) = other.filter(|other| **other != nth) {
                return Some(Obstacle::Package(*other));
            }
        }
        let forbids = |(d, by): &&(Dependency, Requirer)| *by != Some(nth) && self.universe.provides(nth, d);
        if let Some((dependency, by)) = self.conflicts.iter().find(forbids) {
            return Some(Obstacle::Conflict(dependency.clone(), *by));
        }
        conflicts_of(&package.depends).into_iter().find_map(|d| {
            let list = self.provided.get(d.name.as_str())?;
            let other = list
                .iter()
                .find(|p| **p != nth && self.universe.provides(**p, &d))?;
            Some(Obstacle::Package(*other))
        })
    }

    fn keeps_to_learned(&self, nth: usize) -> bool {
        let Some(package) = self.universe.get(nth) else {
            return false;
        };
        self.learned.iter().all(|d| {
            let concerned = names(package).any(|(name, _)| name == d.name);
            !concerned || self.universe.provides(nth, d) != d.conflict
        })
    }

    fn choose(&mut self, nth: usize, tags: Vec<String>) -> Result<(), Stop> {
        let Some(package) = self.universe.get(nth) else {
            return Ok(());
        };
        for (name, version) in names(package) {
            self.provided.entry(name).or_default().push(nth);
            if !version.is_empty() {
                self.exclusive.insert(name, nth);
            }
        }
        self.chosen.insert(&package.name, nth);
        self.sequence.push(nth);
        let needs = dependency::parse_list(&package.depends)
            .map_err(|why| Stop::Fail(format!("package {}: {why}", package.full_name())))?;
        for dependency in needs {
            if dependency.conflict {
                self.conflicts.push((dependency, Some(nth)));
            } else {
                let tags = tags.clone();
                self.queue.push_back(Need {
                    dependency,
                    by: Some(nth),
                    tags,
                });
            }
        }
        Ok(())
    }

    /// Nothing fits. What is in the way may have been chosen too early: then the next round knows.
    fn dead_end(&self, need: &Need, candidate: Option<usize>) -> Stop {
        let learn = |d: &Dependency| (!self.learned.contains(d)).then(|| Stop::Learn(d.clone()));
        if let Some(stop) = self
            .provided
            .get(need.dependency.name.as_str())
            .and_then(|_| learn(&need.dependency))
        {
            return stop;
        }
        let obstacle = candidate.and_then(|c| self.obstacle(c));
        if let Some(stop) = self.lesson(candidate, obstacle.as_ref()).and_then(|d| learn(&d)) {
            return stop;
        }
        Stop::Fail(self.explain(need, candidate, obstacle))
    }

    /// What to keep to so that the obstacle is not chosen again.
    fn lesson(&self, candidate: Option<usize>, obstacle: Option<&Obstacle>) -> Option<Dependency> {
        let (candidate, obstacle) = (self.universe.get(candidate?)?, obstacle?);
        match obstacle {
            Obstacle::Package(other) => {
                let other = self.universe.get(*other)?;
                let conflicts = conflicts_of(&candidate.depends);
                let own = conflicts
                    .into_iter()
                    .find(|d| names(other).any(|(name, _)| name == d.name));
                own.or_else(|| Dependency::parse(&format!("!{}={}", other.name, other.version)))
            }
            Obstacle::Conflict(..) => {
                Dependency::parse(&format!("!{}={}", candidate.name, candidate.version))
            }
        }
    }

    fn explain(&self, need: &Need, candidate: Option<usize>, obstacle: Option<Obstacle>) -> String {
        let wanted = format!("{} (wanted by {})", need.dependency, self.name_of(need.by));
        match (candidate, obstacle) {
            (Some(c), Some(Obstacle::Package(other))) => format!(
                "{wanted} cannot be had: {} does not go together with {}",
                self.name_of(Some(c)),
                self.name_of(Some(other))
            ),
            (Some(c), Some(Obstacle::Conflict(d, by))) => {
                format!(
                    "{wanted} cannot be had: {} is excluded by {d} of {}",
                    self.name_of(Some(c)),
                    self.name_of(by)
                )
            }
            _ => format!("{wanted} cannot be had: {}", self.offers(&need.dependency)),
        }
    }

    /// What there is of a name of which nothing fits.
    fn offers(&self, dependency: &Dependency) -> String {
        let mut some: Vec<String> = self
            .universe
            .providers(&dependency.name)
            .iter()
            .filter_map(|p| self.universe.get(p.package))
            .map(|p| p.full_name())
            .collect();
        some.sort();
        some.dedup();
        match some.is_empty() {
            true => "no repository has it".to_string(),
            false => {
                some.truncate(5);
                format!("there is only {}", some.join(", "))
            }
        }
    }

    fn name_of(&self, by: Requirer) -> String {
        match by.and_then(|nth| self.universe.get(nth)) {
            Some(package) => package.full_name(),
            None => "the container".to_string(),
        }
    }

    /// Adds packages whose `install_if` is fulfilled; true if there was one.
    fn add_automatic(&mut self) -> Result<bool, Stop> {
        let mut added = false;
        for nth in &self.universe.automatic {
            let Some(package) = self.universe.get(*nth) else {
                continue;
            };
            let conditions = dependency::parse_list(&package.install_if).unwrap_or_default();
            let wanted = !conditions.is_empty() && conditions.iter().all(|d| self.is_met(d) != d.conflict);
            if !wanted || self.chosen.contains_key(package.name.as_str()) {
                continue;
            }
            // The best of this name, which may be a newer one, under the same condition.
            let best = self
                .universe
                .candidates(&Dependency::any(&package.name), &[])
                .first()
                .map(|p| p.package);
            if best == Some(*nth) && self.obstacle(*nth).is_none() && self.can_be_met(&package.depends) {
                self.choose(*nth, Vec::new())?;
                added = true;
            }
        }
        Ok(added)
    }

    /// Nobody asked for it: a package that comes by itself must not make everything fail.
    fn can_be_met(&self, depends: &str) -> bool {
        dependency::parse_list(depends).is_ok_and(|list| {
            let exists = |d: &Dependency| self.is_met(d) || !self.universe.candidates(d, &[]).is_empty();
            list.iter().all(|d| d.conflict || exists(d))
        })
    }
}

/// What is in the way of a package.
enum Obstacle {
    Package(usize),
    Conflict(Dependency, Requirer),
}

fn conflicts_of(depends: &str) -> Vec<Dependency> {
    let words = depends.split_ascii_whitespace().filter(|w| w.starts_with('!'));
    words.filter_map(Dependency::parse).collect()
}

/// Dependencies first; circles are cut where they are entered. A stack of our own, since chains may be of any length.
fn order(universe: &Universe, world: &[Dependency], round: &Round) -> Vec<usize> {
    let mut done = Vec::new();
    let mut seen = HashSet::new();
    let wanted = world.iter().flat_map(|d| met_by(universe, round, d));
    let roots: Vec<usize> = wanted.chain(round.sequence.iter().copied()).collect();
    for root in roots {
        let mut stack = vec![(root, false)];
        while let Some((nth, expanded)) = stack.pop() {
            if expanded {
                done.push(nth);
            } else if seen.insert(nth) {
                stack.push((nth, true));
                let depends = universe.get(nth).map_or("", |p| p.depends.as_str());
                let needs = dependency::parse_list(depends).unwrap_or_default();
                let below = needs.iter().rev().filter(|d| !d.conflict);
                stack.extend(below.flat_map(|d| met_by(universe, round, d)).map(|p| (p, false)));
            }
        }
    }
    done
}

/// The chosen packages that meet a dependency.
fn met_by(universe: &Universe, round: &Round, dependency: &Dependency) -> Vec<usize> {
    let list = round.provided.get(dependency.name.as_str());
    let list = list.map_or(&[][..], Vec::as_slice);
    list.iter()
        .copied()
        .filter(|p| universe.provides(*p, dependency))
        .collect()
}

#[cfg(test)]
#[path = "tests/resolve.rs"]
mod tests;
