//! Real networks, in user and network namespaces of their own.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use super::nftables::{Chain, Family, Hook, Match, Rule, Table, Verdict};
use super::*;
use crate::sys::namespace::{setns, unshare};
use crate::sys::process::{exit_now, fork, wait, Fork, Namespaces, Status, WaitOptions};

const A: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 2);

/// Runs the test in a process in fresh user and network namespaces.
fn alone(test: impl FnOnce() -> io::Result<()>) {
    let Fork::Parent(child) = fork(Namespaces::USER | Namespaces::NET).unwrap() else {
        let end = test();
        if let Err(e) = &end {
            eprintln!("{e}");
        }
        exit_now(if end.is_ok() { 0 } else { 1 });
    };
    let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
    assert_eq!(status, Status::Exited(0), "the reason is on stderr");
}

fn must(condition: bool, what: &str) -> io::Result<()> {
    match condition {
        true => Ok(()),
        false => Err(io::Error::other(what.to_string())),
    }
}

fn net() -> io::Result<File> {
    File::open("/proc/thread-self/ns/net")
}

/// A bridge with one cable to another namespace; returns (first, second). The process ends up in the second.
fn cable() -> io::Result<(Netlink, Netlink, File, File)> {
    let first_ns = net()?;
    let mut first = Netlink::route()?;
    unshare(Namespaces::NET)?;
    let second_ns = net()?;
    let mut second = Netlink::route()?;
    first.add_link("br0", LinkKind::Bridge)?;
    let netns = Some(second_ns.as_fd());
    first.add_link("port1", LinkKind::Veth { peer: "eth0", netns })?;
    first.set_master("port1", Some("br0"))?;
    first.add_address("br0", Address::v4(A, 24))?;
    second.add_address("eth0", Address::v4(B, 24))?;
    for name in ["lo", "port1", "br0"] {
        first.set_up(name, true)?;
    }
    second.set_up("lo", true)?;
    second.set_up("eth0", true)?;
    for (side, name) in [(&mut first, "port1"), (&mut second, "eth0")] {
        must(side.wait_running(name, Duration::from_secs(5))?, name)?;
    }
    must(first.wait_running("br0", Duration::from_secs(5))?, "br0")?;
    Ok((first, second, first_ns, second_ns))
}

fn connects(to: Ipv4Addr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::new(to.into(), port), Duration::from_millis(400)).is_ok()
}

#[test]
fn a_bridge_and_a_cable_carry_packets() {
    alone(|| {
        let (mut first, mut second, first_ns, second_ns) = cable()?;
        let listener = TcpListener::bind((B, 0))?;
        let port = listener.local_addr()?.port();
        setns(first_ns.as_fd(), Namespaces::NET)?;
        must(connects(B, port), "connection over the bridge")?;
        let bridge = first.link("br0")?;
        must(bridge.up && bridge.kind == "bridge", "the bridge is listed")?;
        must(first.link("port1")?.master == Some(bridge.index), "its port too")?;
        must(
            first.addresses("br0")?.contains(&Address::v4(A, 24)),
            "address listed",
        )?;
        let known = first.neighbours()?;
        must(known.iter().any(|n| n.ip == IpAddr::V4(B)), "neighbour listed")?;
        second.add_route(&Route::default_via(A.into()))?;
        let default = Route {
            device: Some("eth0".into()),
            ..Route::default_via(A.into())
        };
        must(second.routes()?.contains(&default), "default route listed")?;
        second.delete_route(&Route::default_via(A.into()))?;
        must(!second.routes()?.contains(&default), "default route gone")?;
        first.set_neighbour("br0", B.into(), &[2, 0, 0, 0, 0, 9])?;
        must(!connects(B, port), "a wrong hardware address leads nowhere")?;
        first.delete_neighbour("br0", B.into())?;
        must(connects(B, port), "and is forgotten")?;
        first.set_master("port1", None)?;
        must(first.link("port1")?.master.is_none(), "out of the bridge")?;
        drop(second_ns);
        first.delete_link("port1")?;
        let gone = second.link("eth0").map_err(|e| e.kind());
        must(gone == Err(io::ErrorKind::NotFound), "both ends of a cable go")
    });
}

#[test]
fn devices_can_be_described_and_moved() {
    alone(|| {
        let mut here = Netlink::route()?;
        here.add_link("d0", LinkKind::Dummy).or_else(|e| match e.kind() {
            // A kernel without this kind still has to take the rest.
            io::ErrorKind::Unsupported => here.add_link("d0", LinkKind::Bridge),
            _ => Err(e),
        })?;
        here.set_alias("d0", "the child")?;
        here.set_ipv4_option("d0", Ipv4Option::Forwarding, true)?;
        here.set_ipv4_option("d0", Ipv4Option::RouteLocalnet, true)?;
        must(here.link("d0")?.alias == "the child", "alias")?;
        let forwarding = std::fs::read_to_string("/proc/thread-self/net/dev");
        must(forwarding.is_ok_and(|t| t.contains("d0")), "in this namespace")?;
        here.add_link(
            "v0",
            LinkKind::Veth {
                peer: "v1",
                netns: None,
            },
        )?;
        let old = net()?;
        unshare(Namespaces::NET)?;
        here.move_link("v1", net()?.as_fd())?;
        must(Netlink::route()?.link("v1").is_ok(), "moved here")?;
        let names: Vec<String> = here.links()?.into_iter().map(|l| l.name).collect();
        must(names == ["lo", "d0", "v0"], &format!("{names:?}"))?;
        drop(old);
        Ok(())
    });
}

#[test]
fn errors_name_the_attempt() {
    alone(|| {
        let mut here = Netlink::route()?;
        let e = here.set_up("nosuch", true).unwrap_err();
        must(e.kind() == io::ErrorKind::NotFound, "kind")?;
        must(
            e.to_string().contains("switch device nosuch on: "),
            &e.to_string(),
        )?;
        for bad in ["", "sixteen-letters-", "a/b", "a%d", "a\0b"] {
            let e = here.add_link(bad, LinkKind::Bridge).unwrap_err();
            must(e.kind() == io::ErrorKind::InvalidInput, bad)?;
        }
        here.add_link("twice", LinkKind::Bridge)?;
        let e = here.add_link("twice", LinkKind::Bridge).unwrap_err();
        must(e.kind() == io::ErrorKind::AlreadyExists, "exists")?;
        let route = Route::default_via(A.into());
        let e = here.add_route(&route).unwrap_err();
        must(
            e.to_string().starts_with("add route default via 10.9.8.1: "),
            &e.to_string(),
        )
    });
}

fn table(family: Family, chains: Vec<Chain>) -> Table {
    Table {
        family,
        name: "test".into(),
        chains,
    }
}

#[test]
fn destinations_change_and_tables_end_with_their_socket() {
    alone(|| {
        let (_first, _second, first_ns, _second_ns) = cable()?;
        let listener = TcpListener::bind((B, 0))?;
        let port = listener.local_addr()?.port();
        let rules = vec![Rule {
            matches: vec![
                Match::From("eth0".into()),
                Match::Destination(B, 32),
                Match::TcpPort(1234),
            ],
            verdict: Verdict::Redirect(B, port),
        }];
        let hook = Hook::Prerouting;
        let mut filter = Netlink::netfilter()?;
        filter.replace_table(&table(Family::Ip, vec![Chain { hook, rules }]), true)?;
        setns(first_ns.as_fd(), Namespaces::NET)?;
        must(connects(B, 1234), "redirected")?;
        drop(filter);
        must(!connects(B, 1234), "the table ended with its socket")
    });
}

#[test]
fn tables_are_replaced_as_a_whole() {
    alone(|| {
        let mut filter = Netlink::netfilter()?;
        let rules = vec![
            Rule {
                matches: vec![Match::Source(A, 24), Match::NotTo("br0".into())],
                verdict: Verdict::Masquerade,
            },
            Rule {
                matches: vec![Match::UdpPort(53)],
                verdict: Verdict::Accept,
            },
        ];
        let hook = Hook::Postrouting;
        let nat = table(Family::Ip, vec![Chain { hook, rules }]);
        filter.replace_table(&nat, false)?;
        filter.replace_table(&nat, false)?;
        filter.delete_table(Family::Ip, "test")?;
        let e = filter.delete_table(Family::Ip, "test").unwrap_err();
        must(e.kind() == io::ErrorKind::NotFound, &e.to_string())?;
        let bad = Table {
            name: "x".repeat(300),
            ..nat
        };
        must(filter.replace_table(&bad, false).is_err(), "refused as a whole")?;
        must(
            filter
                .replace_table(&table(Family::Ip, Vec::new()), false)
                .is_ok(),
            "still usable",
        )
    });
}

#[test]
fn tables_print_as_nft_reads_them() {
    let rules = vec![Rule {
        matches: vec![Match::From("a".into()), Match::To("b".into())],
        verdict: Verdict::Drop,
    }];
    let hook = Hook::Forward;
    assert_eq!(
        table(Family::Bridge, vec![Chain { hook, rules }]).to_string(),
        "table bridge test {\n    chain forward {\n        type filter hook forward priority 0;\n        \
         iifname \"a\" oifname \"b\" drop\n    }\n}\n"
    );
}
