//! From a snapshot to trees, their knots and the processes of each container. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::{Process, Snapshot, KNOT, STANDBY, TREE};

/// Where the master file is if the command line does not say.
const MASTER: &str = crate::lithos::config::master::DEFAULT_PATH;
/// Name of the program that runs a command once.
const CMD: &str = "lithos_cmd";

/// A tree and its knots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its PID; 0 for knots whose tree does not run.
    pub pid: u32,
    /// Its master file, as on its command line.
    pub master: String,
    /// Knots by sandbox, process and index.
    pub knots: Vec<Knot>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knot {
    /// PID of the knot.
    pub pid: u32,
    /// Sandbox, process, index: `SB/PROC.N` split at the first `/` and the last `.`.
    pub name: (String, String, String),
    /// Its instance as JSON, from the command line; empty if it is not there.
    pub instance: String,
    /// Its direct children; one when all is well.
    pub heads: Vec<Head>,
    /// Another container waits to follow it.
    pub standby: bool,
}

/// A direct child of a knot, with sums over it and all below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// Its PID.
    pub pid: u32,
    /// When it started, clock ticks since boot.
    pub start: u64,
    /// Processes.
    pub processes: u64,
    /// Threads.
    pub threads: u64,
    /// Resident memory, bytes.
    pub rss: u64,
    /// Memory on swap, bytes.
    pub swap: u64,
    /// Clock ticks: user, system, and both of children waited for.
    pub times: [u64; 4],
}

impl Knot {
    /// `SB/PROC.N`.
    pub fn full_name(&self) -> String {
        let (sandbox, process, index) = &self.name;
        format!("{sandbox}/{process}.{index}")
    }
}

/// All trees by PID; knots that no running tree has for its children come with the tree of the same master file, else
/// with one of PID 0. Containers of `lithos_cmd` are left out.
pub fn forest(snapshot: &Snapshot) -> Vec<Tree> {
    let all = &snapshot.processes;
    let mut trees: Vec<Tree> = all.iter().filter_map(|(pid, p)| tree(all, *pid, p)).collect();
    let children = children(all);
    for (pid, process) in all.iter().filter(|(_, p)| p.name == KNOT) {
        let parent = all.get(&process.parent).map_or("", |p| p.name.as_str());
        // A knot below a knot is one that is being started; its parent is shown.
        if parent == CMD || parent == KNOT {
            continue;
        }
        if let Some(knot) = knot(all, &children, *pid, process) {
            let master = after(&process.words, &["--master"]).unwrap_or(MASTER);
            home(&mut trees, process.parent, master).knots.push(knot);
        }
    }
    let waiting = waiting(all);
    for tree in &mut trees {
        for knot in &mut tree.knots {
            knot.standby = waiting.contains(&(tree.pid, knot.full_name().as_str()));
        }
        sort(&mut tree.knots);
    }
    trees.sort_by_key(|t| t.pid);
    trees
}

/// Parents and names of the containers that wait for their turn.
fn waiting(all: &BTreeMap<u32, Process>) -> BTreeSet<(u32, &str)> {
    let standbys = all.values().filter(|p| p.name == STANDBY);
    standbys
        .filter_map(|p| Some((p.parent, after(&p.words, &["--name"])?)))
        .collect()
}

/// By sandbox, process and index.
pub fn sort(knots: &mut [Knot]) {
    knots.sort_by(|a, b| order(a).cmp(&order(b)));
}

/// Numbers before other indexes, and by their value.
fn order(knot: &Knot) -> (&str, &str, Option<u64>, u32) {
    let (sandbox, process, index) = &knot.name;
    (sandbox, process, index.parse().ok(), knot.pid)
}

/// Sandbox and instance (as JSON) of everything that a knot runs, commands of `lithos_cmd` too.
pub fn instances(snapshot: &Snapshot) -> Vec<(String, String)> {
    let knots = snapshot.processes.values().filter(|p| p.name == KNOT);
    let instance = |knot: &Process| {
        let (sandbox, _) = after(&knot.words, &["--name"])?.split_once('/')?;
        let instance = after(&knot.words, &["--config"]).unwrap_or_default();
        Some((sandbox.to_string(), instance.to_string()))
    };
    knots.filter_map(instance).collect()
}

/// A child that has not become a knot yet has the name of the tree too.
fn tree(all: &BTreeMap<u32, Process>, pid: u32, process: &Process) -> Option<Tree> {
    let forked = all.get(&process.parent).is_some_and(|p| p.name == TREE);
    (process.name == TREE && !forked).then(|| Tree {
        pid,
        master: after(&process.words, &["-C", "--config"])
            .unwrap_or(MASTER)
            .to_string(),
        knots: Vec::new(),
    })
}

fn home<'a>(trees: &'a mut Vec<Tree>, parent: u32, master: &str) -> &'a mut Tree {
    let own = trees.iter().position(|t| t.pid == parent && t.pid != 0);
    let at = own.or_else(|| trees.iter().position(|t| t.master == master));
    let at = at.unwrap_or_else(|| {
        trees.push(Tree {
            pid: 0,
            master: master.to_string(),
            knots: Vec::new(),
        });
        trees.len() - 1
    });
    &mut trees[at]
}

fn children(all: &BTreeMap<u32, Process>) -> BTreeMap<u32, Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, process) in all {
        children.entry(process.parent).or_default().push(*pid);
    }
    children
}

/// None for a knot without a proper name.
fn knot(
    all: &BTreeMap<u32, Process>,
    children: &BTreeMap<u32, Vec<u32>>,
    pid: u32,
    process: &Process,
) -> Option<Knot> {
    let name = after(&process.words, &["--name"])?;
    let (sandbox, rest) = name.split_once('/')?;
    let (entry, index) = rest.rsplit_once('.')?;
    let heads = children.get(&pid).map(Vec::as_slice).unwrap_or_default();
    let heads = heads
        .iter()
        .filter(|head| all.get(head).is_some_and(|p| p.name != KNOT));
    Some(Knot {
        pid,
        name: (sandbox.to_string(), entry.to_string(), index.to_string()),
        instance: after(&process.words, &["--config"])
            .unwrap_or_default()
            .to_string(),
        heads: heads.map(|head| sums(all, children, *head)).collect(),
        standby: false,
    })
}

fn sums(all: &BTreeMap<u32, Process>, children: &BTreeMap<u32, Vec<u32>>, head: u32) -> Head {
    let mut sum = Head {
        pid: head,
        start: all.get(&head).map_or(0, |p| p.start),
        ..Head::default()
    };
    let mut seen = BTreeSet::new();
    let mut waiting = vec![head];
    while let Some(pid) = waiting.pop() {
        let Some(process) = all.get(&pid).filter(|_| seen.insert(pid)) else {
            continue;
        };
        sum.processes += 1;
        sum.threads += process.threads;
        sum.rss += process.rss;
        sum.swap += process.swap;
        sum.times
            .iter_mut()
            .zip(process.times)
            .for_each(|(to, n)| *to += n);
        waiting.extend(children.get(&pid).into_iter().flatten());
    }
    sum
}

/// The value of an option: the next word, or what is attached to it.
fn after<'a>(words: &'a [String], names: &[&str]) -> Option<&'a str> {
    let mut rest = words.iter().skip(1);
    while let Some(word) = rest.next() {
        if word == "--" {
            return None;
        }
        for name in names {
            if word == name {
                return rest.next().map(String::as_str);
            }
            let attached = word.strip_prefix(name);
            let value = attached.and_then(|v| {
                if name.starts_with("--") {
                    v.strip_prefix('=')
                } else {
                    Some(v)
                }
            });
            if value.is_some() {
                return value;
            }
        }
    }
    None
}

#[cfg(test)]
pub(in crate::lithos) mod samples {
    use super::*;

    /// A process; its command line is split at spaces.
    pub fn process(parent: u32, name: &str, line: &str) -> Process {
        Process {
            parent,
            name: name.to_string(),
            threads: 2,
            start: 1000,
            times: [10, 5, 1, 1],
            rss: 1024,
            swap: 1,
            words: line.split(' ').map(String::from).collect(),
        }
    }

    /// Two sandboxes below one tree: one instance, two, one that fails, one with two heads.
    pub fn snapshot() -> Snapshot {
        let knot = |name: &str| {
            process(
                10,
                KNOT,
                &format!("/usr/bin/lithos_knot --name {name} --master /m --config {{}}"),
            )
        };
        let mut processes = BTreeMap::from([
            (1, process(0, "init", "init")),
            (10, process(1, TREE, "/usr/bin/lithos_tree -C /m")),
            (11, process(10, TREE, "/usr/bin/lithos_tree -C /m")),
            (20, knot("shop/web.0")),
            (21, process(20, "web", "")),
            (22, process(21, "worker", "")),
            (30, knot("shop/web.10")),
            (31, process(30, "web", "")),
            (40, knot("shop/web.2")),
            (50, knot("blog/php.0")),
            (51, process(50, "php", "")),
            (52, process(50, "php", "")),
            (60, process(1, CMD, "lithos_cmd shop x")),
        ]);
        processes.insert(
            61,
            Process {
                parent: 60,
                ..knot("shop/cmd.x.60")
            },
        );
        Snapshot {
            processes,
            boot: 1_000_000,
            uptime: 1000 + 65 * 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knots_are_with_their_trees_in_order() {
        let trees = forest(&samples::snapshot());
        assert_eq!(trees.len(), 1);
        assert_eq!((trees[0].pid, trees[0].master.as_str()), (10, "/m"));
        let names: Vec<String> = trees[0].knots.iter().map(Knot::full_name).collect();
        assert_eq!(names, ["blog/php.0", "shop/web.0", "shop/web.2", "shop/web.10"]);
        let heads: Vec<usize> = trees[0].knots.iter().map(|k| k.heads.len()).collect();
        assert_eq!(heads, [2, 1, 0, 1]);
        assert!(trees[0].knots.iter().all(|knot| !knot.standby));
        let mut snapshot = samples::snapshot();
        let line = "/usr/bin/lithos_knot --name shop/web.2 --master /m --config {}";
        snapshot.processes.insert(41, samples::process(10, STANDBY, line));
        let standbys: Vec<bool> = forest(&snapshot)[0].knots.iter().map(|k| k.standby).collect();
        assert_eq!(standbys, [false, false, true, false]);
        let head = trees[0].knots[1].heads[0];
        assert_eq!(
            (head.pid, head.processes, head.threads, head.rss, head.swap),
            (21, 2, 4, 2048, 2)
        );
        assert_eq!(head.times, [20, 10, 2, 2]);
        assert_eq!(trees[0].knots[1].instance, "{}");
        let running = instances(&samples::snapshot());
        assert_eq!(running.len(), 5, "the command too");
        assert_eq!(running[0], ("shop".to_string(), "{}".to_string()));
    }

    #[test]
    fn knots_that_outlived_their_tree_belong_to_its_successor_or_to_none() {
        let mut snapshot = samples::snapshot();
        for pid in [20, 30] {
            snapshot.processes.get_mut(&pid).unwrap().parent = 1;
        }
        assert_eq!(forest(&snapshot)[0].knots.len(), 4);
        snapshot.processes.remove(&10);
        snapshot.processes.remove(&11);
        let trees = forest(&snapshot);
        assert_eq!((trees.len(), trees[0].pid, trees[0].knots.len()), (1, 0, 4));
    }

    #[test]
    fn options_of_a_command_line() {
        let words: Vec<String> = ["x", "--log-stderr", "--name=a", "-C/m", "--", "--config", "no"]
            .map(String::from)
            .into();
        assert_eq!(after(&words, &["--name"]), Some("a"));
        assert_eq!(after(&words, &["-C", "--config"]), Some("/m"));
        assert_eq!(after(&words, &["--config"]), None);
    }
}
