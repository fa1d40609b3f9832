//! `vagga _network`: partitions of the network of the children, from a bridge command.
//!
//! Every call replaces all rules at once, on the bridge, over which every packet between children goes: nothing
//! depends on what was before, children need not cooperate, and what is cut vanishes without a word to anybody, as
//! on a broken cable. ARP, IPv6 and broadcasts are cut too.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;

use crate::sys::namespace;
use crate::sys::netlink::nftables::{Chain, Family, Hook, Match, Rule, Table, Verdict};
use crate::sys::process::Namespaces;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::run::environ::Variables;
use crate::vagga::run::program::Program;

use super::{install, NAMESPACES, TABLE};

/// Name of the tables with the cuts.
const CUTS: &str = "vagga_partition";
/// Between clusters of nodes.
const SEPARATOR: &str = "--";

/// A node as the bridge knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    ip: Ipv4Addr,
    device: String,
    name: String,
}

/// Who may talk to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Partition {
    /// Pairs of indices, both ways.
    joined: BTreeSet<(usize, usize)>,
    /// Nodes that only see the bridge.
    isolated: BTreeSet<usize>,
}

/// Why a command line cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// Exit 2.
    Usage,
    /// Exit 1.
    Wrong(String),
}

/// `vagga _network KIND …`. Exit codes: 1 for failures, 2 for a command line without sense (with `usage`), 126 outside
/// of a container; of `run` that of the program.
pub fn command(args: &[String], usage: &str) -> Result<u8, Failure> {
    let nodes = nodes()?;
    let fault = |fault| match fault {
        Fault::Usage => Failure::new(exit::NETWORK_USAGE, usage),
        Fault::Wrong(text) => fail(text),
    };
    match args.split_first() {
        Some((kind, rest)) if kind == "run" => run(&nodes, rest).map_err(fault),
        Some((kind, rest)) => {
            let partition = decide(kind, rest, &nodes).map_err(fault)?;
            apply(&tables(&partition, &nodes)).map_err(|e| fail(e.to_string()))?;
            Ok(0)
        }
        None => Err(fault(Fault::Usage)),
    }
}

fn fail(message: String) -> Failure {
    Failure::new(exit::NETWORK, format!("_network: {message}"))
}

/// The nodes of this run.
fn nodes() -> Result<Vec<Node>, Failure> {
    match fs::read_to_string(TABLE) {
        Ok(text) => Ok(text.lines().filter_map(read_node).collect()),
        Err(_) if !Path::new("/work").is_dir() => Err(Failure::new(
            exit::CONFIG,
            "_network: works inside of a !BridgeCommand only, and this is no container: there is no /work",
        )),
        Err(e) => Err(fail(format!(
            "this is not inside of a supervise command with a network: {TABLE}: {e}"
        ))
        .with_hint("run it in a !BridgeCommand of a !Supervise command whose children have `network`")),
    }
}

/// `IP DEVICE NAME`, where the name is all that remains.
fn read_node(line: &str) -> Option<Node> {
    let mut words = line.splitn(3, ' ');
    Some(Node {
        ip: words.next()?.parse().ok()?,
        device: words.next()?.to_string(),
        name: words.next()?.to_string(),
    })
}

fn index(nodes: &[Node], name: &str) -> Result<usize, Fault> {
    let known: Vec<&str> = nodes.iter().map(|n| n.name.as_str()).collect();
    known
        .iter()
        .position(|n| *n == name)
        .ok_or_else(|| Fault::Wrong(format!("Node {name:?} is not found among {known:?}")))
}

/// From the command line to who may talk to whom.
fn decide(kind: &str, args: &[String], nodes: &[Node]) -> Result<Partition, Fault> {
    let clusters: Vec<Vec<usize>> = args
        .split(|word| word == SEPARATOR)
        .map(|names| names.iter().map(|name| index(nodes, name)).collect())
        .collect::<Result<_, _>>()?;
    let everybody: Vec<usize> = (0..nodes.len()).collect();
    match kind {
        "fullmesh" if args.is_empty() => Ok(joined(nodes, &[everybody])),
        "isolate" if !args.is_empty() && clusters.len() == 1 => {
            let apart: Vec<usize> = clusters.into_iter().flatten().collect();
            let others = everybody.into_iter().filter(|n| !apart.contains(n)).collect();
            Ok(joined(nodes, &[others]))
        }
        "disjoint" if !args.is_empty() => {
            exactly_once(&clusters, nodes)?;
            let mut partition = joined(nodes, &clusters);
            partition.isolated.clear();
            Ok(partition)
        }
        "split" if !args.is_empty() => Ok(joined(nodes, &clusters)),
        "fullmesh" | "isolate" | "disjoint" | "split" => Err(Fault::Usage),
        _ => Err(Fault::Wrong(format!(
            "Unknown kind {kind:?}: expected fullmesh, isolate, disjoint, split or run"
        ))),
    }
}

/// Nodes of a cluster see each other; those of none are isolated.
fn joined(nodes: &[Node], clusters: &[Vec<usize>]) -> Partition {
    let pairs = |cluster: &Vec<usize>| -> Vec<(usize, usize)> {
        let with_all = |a: &usize| cluster.iter().map(|b| (*a, *b)).collect::<Vec<_>>();
        cluster.iter().flat_map(with_all).collect()
    };
    let seen = |n: &usize| clusters.iter().any(|c| c.contains(n));
    Partition {
        joined: clusters.iter().flat_map(pairs).filter(|(a, b)| a != b).collect(),
        isolated: (0..nodes.len()).filter(|n| !seen(n)).collect(),
    }
}

fn exactly_once(clusters: &[Vec<usize>], nodes: &[Node]) -> Result<(), Fault> {
    for (number, node) in nodes.iter().enumerate() {
        let name = &node.name;
        match clusters.iter().flatten().filter(|n| **n == number).count() {
            0 => return Err(Fault::Wrong(format!("Node {name:?} is missing"))),
            1 => {}
            _ => return Err(Fault::Wrong(format!("Duplicate node {name:?}"))),
        }
    }
    Ok(())
}

/// The rules: between ports of the bridge, and for isolated nodes also towards the outside.
fn tables(partition: &Partition, nodes: &[Node]) -> [Table; 2] {
    let rule = |matches, verdict| Rule { matches, verdict };
    let mut between = Vec::new();
    let mut beyond = Vec::new();
    for (a, node) in nodes.iter().enumerate() {
        let from = || Match::From(node.device.clone());
        let to = |b: usize| nodes.get(b).map(|n| Match::To(n.device.clone()));
        let others = || (0..nodes.len()).filter(move |b| *b != a);
        let is_joined = |b: &usize| partition.joined.contains(&(a, *b));
        // Whatever needs fewer rules: to name those that are reached, or those that are not.
        if others().filter(is_joined).count() * 2 < others().count() {
            let reached = others().filter(is_joined).filter_map(to);
            between.extend(reached.map(|to| rule(vec![from(), to], Verdict::Accept)));
            between.push(rule(vec![from()], Verdict::Drop));
        } else {
            let cut = others().filter(|b| !is_joined(b)).filter_map(to);
            between.extend(cut.map(|to| rule(vec![from(), to], Verdict::Drop)));
        }
        if partition.isolated.contains(&a) {
            beyond.push(rule(vec![Match::Source(node.ip, 32)], Verdict::Drop));
            beyond.push(rule(vec![Match::Destination(node.ip, 32)], Verdict::Drop));
        }
    }
    [(Family::Bridge, between), (Family::Ip, beyond)].map(|(family, rules)| Table {
        family,
        name: CUTS.into(),
        chains: vec![Chain {
            hook: Hook::Forward,
            rules,
        }],
    })
}

fn apply(tables: &[Table]) -> io::Result<()> {
    tables.iter().try_for_each(install)
}

/// `run NODE CMD ARG…`: becomes the program, in the node's network and with its host name, and in our file system.
fn run(nodes: &[Node], args: &[String]) -> Result<u8, Fault> {
    let Some((name, words)) = args.split_first().filter(|(_, words)| !words.is_empty()) else {
        return Err(Fault::Usage);
    };
    let node = nodes.get(index(nodes, name)?).ok_or(Fault::Usage)?;
    for (kind, namespace) in [("uts", Namespaces::UTS), ("net", Namespaces::NET)] {
        let path = format!("{NAMESPACES}/{kind}.{}", node.ip);
        File::open(&path)
            .and_then(|file| namespace::setns(file.as_fd(), namespace))
            .map_err(|e| Fault::Wrong(format!("can't enter {path}: {e}")))?;
    }
    let program = Program {
        argv: words.iter().map(OsString::from).collect(),
        search: words.first().is_some_and(|w| !w.contains('/')),
    };
    let environ: Variables = std::env::vars_os().collect();
    Err(Fault::Wrong(program.exec(&environ).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<Node> {
        let text = "172.23.0.1 child0 a\n172.23.0.2 child1 b\n172.23.0.3 child2 c c\n";
        text.lines().filter_map(read_node).collect()
    }

    fn partition(line: &str) -> Result<Partition, Fault> {
        let words: Vec<String> = line.split(' ').map(|w| w.replace('~', " ")).collect();
        decide(&words[0], &words[1..], &three())
    }

    fn shown(line: &str) -> (Vec<(usize, usize)>, Vec<usize>) {
        let p = partition(line).unwrap();
        let half = p
            .joined
            .iter()
            .filter(|(a, b)| a < b)
            .copied()
            .collect::<Vec<_>>();
        assert_eq!(half.len() * 2, p.joined.len(), "both ways");
        (half, p.isolated.into_iter().collect())
    }

    #[test]
    fn kinds_say_who_sees_whom() {
        assert_eq!(shown("fullmesh"), (vec![(0, 1), (0, 2), (1, 2)], vec![]));
        assert_eq!(shown("isolate a"), (vec![(1, 2)], vec![0]));
        assert_eq!(shown("isolate a b c~c"), (vec![], vec![0, 1, 2]));
        assert_eq!(shown("disjoint a -- b c~c"), (vec![(1, 2)], vec![]));
        assert_eq!(shown("split a b -- b c~c"), (vec![(0, 1), (1, 2)], vec![]));
        assert_eq!(shown("split a b"), (vec![(0, 1)], vec![2]));
    }

    #[test]
    fn wrong_lines_have_their_messages() {
        for (line, part) in [
            ("disjoint a", "Node \"b\" is missing"),
            ("disjoint a -- a b c~c", "Duplicate node \"a\""),
            ("isolate nosuch", "Node \"nosuch\" is not found"),
            ("melt a", "Unknown kind \"melt\""),
        ] {
            match partition(line) {
                Err(Fault::Wrong(text)) => assert!(text.contains(part), "{text}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        for line in ["isolate", "disjoint", "split", "fullmesh a", "isolate a -- b"] {
            assert_eq!(partition(line), Err(Fault::Usage), "{line}");
        }
    }

    #[test]
    fn rules_are_few_and_cut_both_ways() {
        let text = |line: &str| {
            let [between, beyond] = tables(&partition(line).unwrap(), &three());
            let rules = |t: &Table| {
                t.chains[0]
                    .rules
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
            };
            (rules(&between), rules(&beyond))
        };
        assert_eq!(text("fullmesh"), (vec![], vec![]));
        let (between, beyond) = text("isolate a");
        assert_eq!(
            between,
            [
                "iifname \"child0\" drop",
                "iifname \"child1\" oifname \"child0\" drop",
                "iifname \"child2\" oifname \"child0\" drop"
            ]
        );
        assert_eq!(
            beyond,
            ["ip saddr 172.23.0.1/32 drop", "ip daddr 172.23.0.1/32 drop"]
        );
    }
}
