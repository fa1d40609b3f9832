//! Choosing the packages of a new system: roots of a variant, then the closure over (Pre-)Depends.
//!
//! Pure: an [`Index`] in, a list of [`Choice`]s or one clear sentence out. Like apt it takes
//! the first alternative that can be had unless another one is chosen already, and never follows Recommends.
//! There is no backtracking: in a fresh system of one release the first choice is right, and a conflict is
//! reported with both names.

use std::collections::{HashMap, HashSet, VecDeque};

use super::choice::Choice;
use super::packages::{Index, Package};
use super::relation::{self, Relation};
use super::variant::Variant;
use super::version;

/// Chooses the packages of `variant` and those named in `also`, in an order in which their `preinst` scripts
/// may run (what is pre-depended on comes first).
///
/// Errors: a package or dependency that cannot be had, a conflict.
pub fn resolve(index: &Index, arch: &str, variant: Variant, also: &[String]) -> Result<Vec<Choice>, String> {
    let universe = Universe::new(index, arch);
    let mut chosen = Chosen::new(&universe);
    for package in universe.candidates() {
        if variant.wants(package) {
            chosen.add(package, false);
        }
    }
    if chosen.order.is_empty() {
        return Err(format!("the package index has no essential packages for {arch}"));
    }
    for name in variant
        .extra()
        .iter()
        .copied()
        .chain(also.iter().map(String::as_str))
    {
        let relation = Relation {
            name,
            constraint: None,
        };
        let package = chosen
            .best(&relation)
            .ok_or_else(|| format!("package {name:?} is not available for {arch}"))?;
        chosen.add(package, false);
    }
    chosen.close()?;
    chosen.check_conflicts()?;
    Ok(chosen.install_order())
}

/// The candidates (highest version of each name) and who provides what.
struct Universe<'a> {
    arch: &'a str,
    by_name: HashMap<&'a str, Package<'a>>,
    providers: HashMap<&'a str, Vec<(Package<'a>, Option<&'a str>)>>,
}

impl<'a> Universe<'a> {
    fn new(index: &'a Index, arch: &'a str) -> Universe<'a> {
        let mut by_name: HashMap<&str, Package<'_>> = HashMap::with_capacity(index.len());
        for package in index.iter().filter(|p| p.arch() == arch || p.arch() == "all") {
            by_name
                .entry(package.name())
                .and_modify(|old| {
                    if version::compare(package.version(), old.version()).is_gt() {
                        *old = package;
                    }
                })
                .or_insert(package);
        }
        let mut universe = Universe {
            arch,
            by_name,
            providers: HashMap::new(),
        };
        for package in universe.candidates() {
            for provided in relation::groups(package.provides(), arch).flatten() {
                let version = provided.constraint.map(|(_, v)| v);
                universe
                    .providers
                    .entry(provided.name)
                    .or_default()
                    .push((package, version));
            }
        }
        universe
    }

    /// All candidates, by name.
    fn candidates(&self) -> Vec<Package<'a>> {
        let mut all: Vec<_> = self.by_name.values().copied().collect();
        all.sort_unstable_by_key(Package::name);
        all
    }

    /// Everything that satisfies `relation`: the package of that name, then providers by priority and name.
    fn satisfying(&self, relation: &Relation<'_>) -> Vec<Package<'a>> {
        let real = self
            .by_name
            .get(relation.name)
            .filter(|p| relation.admits(p.version()));
        let mut providers: Vec<Package<'a>> = self
            .providers
            .get(relation.name)
            .into_iter()
            .flatten()
            .filter(|(_, version)| {
                relation.constraint.is_none() || version.is_some_and(|v| relation.admits(v))
            })
            .map(|(package, _)| *package)
            .collect();
        providers.sort_by_key(|p| (p.priority(), p.name()));
        real.copied().into_iter().chain(providers).collect()
    }
}

/// The choice in the making.
struct Chosen<'u, 'a> {
    universe: &'u Universe<'a>,
    order: Vec<(Package<'a>, bool)>,
    names: HashSet<&'a str>,
    queue: VecDeque<Package<'a>>,
}

impl<'u, 'a> Chosen<'u, 'a> {
    fn new(universe: &'u Universe<'a>) -> Chosen<'u, 'a> {
        Chosen {
            universe,
            order: Vec::new(),
            names: HashSet::new(),
            queue: VecDeque::new(),
        }
    }

    fn add(&mut self, package: Package<'a>, automatic: bool) {
        if self.names.insert(package.name()) {
            self.order.push((package, automatic));
            self.queue.push_back(package);
        }
    }

    /// Adds what the chosen packages depend on until nothing is missing.
    fn close(&mut self) -> Result<(), String> {
        while let Some(package) = self.queue.pop_front() {
            for field in [package.pre_depends(), package.depends()] {
                for group in relation::groups(field, self.universe.arch) {
                    if group.iter().any(|r| self.chosen_for(r).is_some()) {
                        continue;
                    }
                    let found = group.iter().find_map(|r| self.best(r));
                    let found = found.ok_or_else(|| self.unsatisfied(package, &group))?;
                    self.add(found, true);
                }
            }
        }
        Ok(())
    }

    fn chosen_for(&self, relation: &Relation<'_>) -> Option<Package<'a>> {
        self.universe
            .satisfying(relation)
            .into_iter()
            .find(|p| self.names.contains(p.name()))
    }

    /// The preferred package for `relation` that does not conflict with what is chosen already.
    fn best(&self, relation: &Relation<'_>) -> Option<Package<'a>> {
        self.universe.satisfying(relation).into_iter().find(|p| {
            self.names.contains(p.name()) || self.order.iter().all(|(c, _)| self.conflict(*c, *p).is_none())
        })
    }

    fn unsatisfied(&self, package: Package<'_>, group: &[Relation<'_>]) -> String {
        let wanted: Vec<String> = group.iter().map(ToString::to_string).collect();
        let rival = group.iter().find_map(|relation| {
            let candidate = self.universe.satisfying(relation).into_iter().next()?;
            self.order
                .iter()
                .find_map(|(c, _)| Some(format!("{} {}", candidate.name(), self.conflict(*c, candidate)?)))
        });
        let why = rival.map_or("which is not available".to_string(), |r| format!("but {r}"));
        format!(
            "{} {} depends on {}, {why}",
            package.name(),
            package.version(),
            wanted.join(" | ")
        )
    }

    /// Why `a` and `b` cannot be installed together.
    fn conflict(&self, a: Package<'_>, b: Package<'_>) -> Option<String> {
        let against = |by: Package<'_>, on: Package<'_>| {
            [("conflicts with", by.conflicts()), ("breaks", by.breaks())]
                .into_iter()
                .find_map(|(verb, field)| {
                    relation::groups(field, self.universe.arch)
                        .flatten()
                        .find(|r| by.name() != on.name() && self.hits(r, on))
                        .map(|r| (verb, r.to_string()))
                })
        };
        match (against(a, b), against(b, a)) {
            (Some((verb, _)), _) => Some(format!("is ruled out: {} {verb} it", a.name())),
            (None, Some((verb, what))) => Some(format!("{verb} {what}, which is chosen ({})", a.name())),
            (None, None) => None,
        }
    }

    fn hits(&self, relation: &Relation<'_>, package: Package<'_>) -> bool {
        if relation.name == package.name() {
            return relation.admits(package.version());
        }
        !package.provides().is_empty()
            && relation::groups(package.provides(), self.universe.arch)
                .flatten()
                .any(|p| {
                    p.name == relation.name
                        && (relation.constraint.is_none()
                            || p.constraint.is_some_and(|(_, v)| relation.admits(v)))
                })
    }

    fn check_conflicts(&self) -> Result<(), String> {
        for (package, _) in &self.order {
            for field in [package.conflicts(), package.breaks()] {
                for relation in relation::groups(field, self.universe.arch).flatten() {
                    let other = self
                        .order
                        .iter()
                        .find(|(o, _)| o.name() != package.name() && self.hits(&relation, *o));
                    if let Some((other, _)) = other {
                        return Err(format!(
                            "{} {} conflicts with {} {}, but both are needed",
                            package.name(),
                            package.version(),
                            other.name(),
                            other.version()
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Depth first: pre-dependencies, dependencies, the package. Users and directories come first of all.
    fn install_order(&self) -> Vec<Choice> {
        let position: HashMap<&str, usize> = self
            .order
            .iter()
            .enumerate()
            .map(|(i, (p, _))| (p.name(), i))
            .collect();
        let mut done = vec![false; self.order.len()];
        let mut sorted = Vec::with_capacity(self.order.len());
        let first = ["base-passwd", "base-files"];
        let starts = first
            .iter()
            .filter_map(|n| position.get(n).copied())
            .chain(0..self.order.len());
        for (nth, start) in starts.enumerate() {
            // The first ones go alone: in a fresh system their scripts only need what essential packages have.
            if nth < first.len() && position.contains_key("base-passwd") {
                if let Some(flag) = done.get_mut(start).filter(|f| !**f) {
                    *flag = true;
                    sorted.push(start);
                }
            } else {
                self.visit(start, &position, &mut done, &mut sorted);
            }
        }
        sorted
            .into_iter()
            .filter_map(|i| self.order.get(i))
            .map(|(p, auto)| choice(*p, *auto))
            .collect()
    }

    fn visit(
        &self,
        start: usize,
        position: &HashMap<&str, usize>,
        done: &mut [bool],
        sorted: &mut Vec<usize>,
    ) {
        let mut stack = vec![(start, false)];
        while let Some((at, children_done)) = stack.pop() {
            if children_done {
                sorted.push(at);
                continue;
            }
            let Some(flag) = done.get_mut(at) else { continue };
            if std::mem::replace(flag, true) {
                continue;
            }
            stack.push((at, true));
            let Some((package, _)) = self.order.get(at) else {
                continue;
            };
            for field in [package.depends(), package.pre_depends()] {
                for group in relation::groups(field, self.universe.arch) {
                    let needed = group.iter().filter_map(|r| self.chosen_for(r)).next();
                    stack.extend(needed.and_then(|p| position.get(p.name())).map(|i| (*i, false)));
                }
            }
        }
    }
}

fn choice(package: Package<'_>, automatic: bool) -> Choice {
    Choice {
        name: package.name().to_string(),
        version: package.version().to_string(),
        arch: package.arch().to_string(),
        archive: package.archive(),
        filename: package.filename().to_string(),
        size: package.size(),
        sha256: package.sha256().to_ascii_lowercase(),
        automatic,
    }
}

#[cfg(test)]
mod tests {
    use super::super::choice::{from_text, to_text};
    use super::super::packages::tests::index;
    use super::*;
    use proptest::prelude::*;

    fn names(packages: &[(&str, &str, &str)], variant: Variant) -> Result<Vec<String>, String> {
        let choices = resolve(&index(packages), "amd64", variant, &[])?;
        assert_eq!(from_text(&to_text(&choices)).as_ref(), Some(&choices));
        Ok(choices.into_iter().map(|c| c.name).collect())
    }

    const ESSENTIAL: &str = "Essential: yes\nPriority: required";

    #[test]
    fn variants_differ() {
        let all = [
            ("base", "1", ESSENTIAL),
            ("tool", "1", "Priority: required"),
            ("nice", "1", "Priority: standard"),
            ("apt", "1", "Depends: libapt"),
            ("libapt", "1", ""),
            ("build-essential", "1", "Depends: gcc"),
            ("gcc", "1", ""),
        ];
        assert_eq!(names(&all, Variant::Essential).unwrap(), ["base"]);
        assert_eq!(names(&all, Variant::Apt).unwrap(), ["base", "libapt", "apt"]);
        assert_eq!(
            names(&all, Variant::Minbase).unwrap(),
            ["base", "tool", "libapt", "apt"]
        );
        assert_eq!(names(&all, Variant::Buildd).unwrap().len(), 6);
        assert_eq!(names(&all, Variant::Standard).unwrap().len(), 5);
    }

    #[test]
    fn highest_version_wins_and_pre_depends_come_first() {
        let all = [
            ("z", "1", ESSENTIAL),
            ("z", "2", &format!("{ESSENTIAL}\nPre-Depends: y (>= 2)")),
            ("y", "1", ""),
            ("y", "2-1", "Depends: x"),
            ("x", "1", "Depends: z"),
            ("base-passwd", "1", ESSENTIAL),
        ];
        let choices = resolve(&index(&all), "amd64", Variant::Essential, &[]).unwrap();
        let got: Vec<_> = choices
            .iter()
            .map(|c| (c.name.as_str(), c.version.as_str(), c.automatic))
            .collect();
        assert_eq!(
            got,
            [
                ("base-passwd", "1", false),
                ("x", "1", true),
                ("y", "2-1", true),
                ("z", "2", false)
            ]
        );
    }

    #[test]
    fn alternatives_and_providers() {
        let all = [
            (
                "a",
                "1",
                &*format!("{ESSENTIAL}\nDepends: none | first | second, virt, awk, v (>= 2)"),
            ),
            ("first", "1", ""),
            ("second", "1", ""),
            ("p-opt", "1", "Provides: virt"),
            ("p-req", "1", "Priority: required\nProvides: virt, v (= 2)"),
            ("mawk", "1", &*format!("{ESSENTIAL}\nProvides: awk")),
            ("gawk", "1", "Provides: awk"),
        ];
        assert_eq!(
            names(&all, Variant::Essential).unwrap(),
            ["p-req", "mawk", "first", "a"].map(String::from).to_vec()
        );
    }

    #[test]
    fn missing_and_conflicting_are_named() {
        let missing = names(
            &[
                ("a", "1", &format!("{ESSENTIAL}\nDepends: b (>= 2) | c")),
                ("b", "1", ""),
            ],
            Variant::Essential,
        );
        assert_eq!(
            missing.unwrap_err(),
            "a 1 depends on b (>= 2) | c, which is not available"
        );
        let all = [
            ("a", "1", &*format!("{ESSENTIAL}\nConflicts: b")),
            ("b", "1", ESSENTIAL),
        ];
        assert_eq!(
            names(&all, Variant::Essential).unwrap_err(),
            "a 1 conflicts with b 1, but both are needed"
        );
        let all = [
            ("a", "1", &*format!("{ESSENTIAL}\nConflicts: b")),
            ("c", "1", &*format!("{ESSENTIAL}\nDepends: b | d")),
            ("b", "1", ""),
            ("d", "1", "Conflicts: mta\nProvides: mta"),
        ];
        assert_eq!(names(&all, Variant::Essential).unwrap(), ["a", "d", "c"]);
        assert!(names(&all[..3], Variant::Essential)
            .unwrap_err()
            .contains("a conflicts with it"));
        assert!(names(&[], Variant::Essential).is_err());
        assert!(resolve(&index(&all), "amd64", Variant::Apt, &[])
            .unwrap_err()
            .contains("\"apt\""));
    }

    proptest! {
        /// Whatever is chosen satisfies all dependencies of what is chosen.
        #[test]
        fn closure_is_complete(edges in proptest::collection::vec((0usize..12, 0usize..12, 0usize..12), 0..40)) {
            let mut depends: Vec<Vec<String>> = vec![Vec::new(); 12];
            for (from, to, or) in edges {
                depends[from].push(format!("p{to} | p{or}"));
            }
            let owned: Vec<(String, String)> = depends.iter().enumerate().map(|(i, d)| {
                let essential = if i < 2 { "Essential: yes\n" } else { "" };
                (format!("p{i}"), format!("{essential}Depends: {}", d.join(", ")))
            }).collect();
            let all: Vec<(&str, &str, &str)> = owned.iter().map(|(n, e)| (n.as_str(), "1", e.as_str())).collect();
            let got: HashSet<String> = names(&all, Variant::Essential).unwrap().into_iter().collect();
            prop_assert!(got.contains("p0") && got.contains("p1"));
            for (i, groups) in depends.iter().enumerate().filter(|(i, _)| got.contains(&format!("p{i}"))) {
                for group in groups {
                    prop_assert!(group.split(" | ").any(|n| got.contains(n)), "p{} needs {}", i, group);
                }
            }
        }
    }
}
