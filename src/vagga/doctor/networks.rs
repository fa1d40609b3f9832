//! What networks of children need: network namespaces, bridges, cables and packet filters of the kernel, and for the
//! way to the outside a gateway. Nothing here is needed by commands without `network`, so nothing here is a failure.

use std::io;
use std::path::PathBuf;

use crate::sys::netlink::nftables::{Chain, Family, Hook, Match, Rule, Table, Verdict};
use crate::sys::netlink::{LinkKind, Netlink};
use crate::vagga::ids::IdMaps;
use crate::vagga::network::gateway::Gateway;
use crate::vagga::network::legacy;

use super::explain::{self, Stage};
use super::facts::{number, program, Surroundings};
use super::findings::finding;
use super::probe::{attempt_networks, Trial};
use super::{Finding, Level};

/// Name of the devices and tables of the experiment; they end with its namespace.
const TRIAL: &str = "doctor";

/// The facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Networks {
    /// The experiment; `None` when there are no maps to try.
    pub trial: Option<Trial>,
    /// `net.ipv4.ip_forward`.
    pub ip_forward: Option<i64>,
    /// `vagga _create_netns` has been run.
    pub gateway: bool,
    /// sudo, which `_create_netns` of an ordinary user needs.
    pub sudo: Option<PathBuf>,
}

impl Networks {
    /// Looks at the host and makes the experiment.
    pub fn look(maps: Option<&IdMaps>) -> Networks {
        Networks {
            trial: maps.map(attempt_networks),
            ip_forward: number("/proc/sys/net/ipv4/ip_forward"),
            gateway: Gateway::of_caller().open().is_some(),
            sudo: program("sudo"),
        }
    }

    /// A host that has everything.
    #[cfg(test)]
    pub fn healthy() -> Networks {
        Networks {
            trial: Some(Trial {
                clone: Ok(()),
                maps: Ok(()),
                inside: Stage::NETWORKS.map(|stage| (stage, 0)).to_vec(),
            }),
            ip_forward: Some(1),
            gateway: true,
            sudo: Some("/usr/bin/sudo".into()),
        }
    }
}

/// Tries one stage in the network of this process.
pub fn attempt(stage: Stage) -> io::Result<()> {
    match stage {
        Stage::Bridge => Netlink::route()?.add_link(TRIAL, LinkKind::Bridge),
        Stage::Cable => {
            let (peer, netns) = ("doctor_peer", None);
            Netlink::route()?.add_link("doctor_cable", LinkKind::Veth { peer, netns })
        }
        Stage::Filter => filter(Family::Ip, Hook::Postrouting, Verdict::Masquerade),
        Stage::BridgeFilter => filter(Family::Bridge, Hook::Forward, Verdict::Drop),
        _ => Ok(()),
    }
}

fn filter(family: Family, hook: Hook, verdict: Verdict) -> io::Result<()> {
    let rules = vec![Rule {
        matches: vec![Match::To(TRIAL.into())],
        verdict,
    }];
    let table = Table {
        family,
        name: TRIAL.into(),
        chains: vec![Chain { hook, rules }],
    };
    let older = |e| match family {
        Family::Ip => legacy::install(&table).map_err(|_| e),
        Family::Bridge => Err(e),
    };
    Netlink::netfilter()
        .and_then(|mut filter| filter.replace_table(&table, false))
        .or_else(older)
}

/// One finding per check; nothing when not even a user namespace could be made, which has a line of its own.
pub fn judge(facts: &Networks, s: &Surroundings) -> Vec<Finding> {
    let Some(trial) = facts.trial.as_ref() else {
        return Vec::new();
    };
    if let Err(errno) = trial.clone {
        return vec![failed("networks", Stage::Network, errno, s)];
    }
    if trial.maps.is_err() {
        return Vec::new();
    }
    let mut out: Vec<Finding> = trial.inside.iter().map(|t| device(*t, s)).collect();
    out.push(gateway(facts, s));
    out
}

fn failed(check: &'static str, stage: Stage, errno: i32, s: &Surroundings) -> Finding {
    let e = io::Error::from_raw_os_error(errno);
    let what = format!("{} failed: {e}: {}", stage.what(), lost(stage));
    finding(Level::Warn, check, what, explain::remedy(stage, errno, s))
}

/// What does not work without it.
fn lost(stage: Stage) -> &'static str {
    match stage {
        Stage::Filter => "no way to the outside for children with `network`",
        Stage::BridgeFilter => "`vagga _network` cannot cut connections",
        Stage::Network => "isolate-network and children with `network` will fail",
        _ => "children with `network` will fail",
    }
}

fn device((stage, errno): (Stage, i32), s: &Surroundings) -> Finding {
    let (check, good) = match stage {
        Stage::Bridge => ("bridge", "can be made in network namespaces"),
        Stage::Cable => ("veth", "can be made in network namespaces"),
        Stage::BridgeFilter => ("nf_tables bridge", "filters what crosses bridges"),
        _ => ("nf_tables", "translates addresses in network namespaces"),
    };
    match errno {
        0 => finding(Level::Ok, check, good, None),
        errno => failed(check, stage, errno, s),
    }
}

/// The way to the outside. Not to have it is no fault; to have half of it is one.
fn gateway(facts: &Networks, s: &Surroundings) -> Finding {
    const CHECK: &str = "gateway";
    match (facts.gateway, facts.ip_forward) {
        (true, Some(0)) => finding(
            Level::Warn,
            CHECK,
            "set up, but net.ipv4.ip_forward is 0: children with `network` do not reach the outside",
            Some(explain::sysctl("net.ipv4.ip_forward", 1)),
        ),
        (true, _) => finding(Level::Ok, CHECK, "set up", None),
        (false, _) if !s.root && facts.sudo.is_none() => finding(
            Level::Warn,
            CHECK,
            "not set up, and sudo, which `vagga _create_netns` needs, is not found",
            Some(
                "apt install sudo, as root (only for `ports` and internet of children with `network`)".into(),
            ),
        ),
        (false, _) => finding(
            Level::Ok,
            CHECK,
            "not set up (`vagga _create_netns`, only for `ports` and internet of children with `network`)",
            None,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(facts: &Networks) -> String {
        let findings = judge(facts, &Surroundings::default());
        findings.iter().map(|f| format!("{f}\n")).collect()
    }

    #[test]
    fn nothing_to_say_against_a_healthy_host() {
        let shown = lines(&Networks::healthy());
        assert!(shown.lines().all(|l| l.starts_with("ok ")), "{shown}");
        assert_eq!(shown.lines().count(), 5);
    }

    #[test]
    fn every_missing_part_has_its_remedy() {
        for (index, part) in [
            "modprobe -a bridge",
            "modprobe -a veth",
            "nft_masq",
            "CONFIG_NF_TABLES_BRIDGE",
        ]
        .iter()
        .enumerate()
        {
            let mut facts = Networks::healthy();
            facts.trial.as_mut().unwrap().inside[index].1 = libc::EOPNOTSUPP;
            let shown = lines(&facts);
            let line = shown.lines().nth(index).unwrap();
            assert!(line.starts_with("warn") && line.contains(part), "{shown}");
            assert_eq!(shown.matches("remedy").count(), 1);
        }
    }

    #[test]
    fn no_namespace_is_one_line() {
        let mut facts = Networks::healthy();
        facts.trial.as_mut().unwrap().clone = Err(libc::ENOSPC);
        let shown = lines(&facts);
        assert!(shown.contains("sysctl user.max_net_namespaces=15000"), "{shown}");
        assert_eq!(shown.lines().count(), 1);
        facts.trial = None;
        assert_eq!(lines(&facts), "");
    }

    #[test]
    fn half_a_gateway_is_a_fault() {
        let mut facts = Networks::healthy();
        facts.ip_forward = Some(0);
        assert!(lines(&facts).contains("sudo sysctl net.ipv4.ip_forward=1"));
        facts.gateway = false;
        assert!(lines(&facts).contains("ok    gateway: not set up"));
        facts.sudo = None;
        assert!(lines(&facts).contains("apt install sudo"));
    }

    #[test]
    fn every_stage_can_be_tried_here() {
        let maps = crate::vagga::ids::maximal().unwrap();
        let trial = attempt_networks(&maps);
        assert_eq!(trial.clone, Ok(()));
        assert_eq!(trial.inside.len(), Stage::NETWORKS.len(), "{trial:?}");
    }
}
