//! The same rules by the older packet filter of the kernel (ip_tables), for kernels that are built without nf_tables.
//!
//! Its binary interface belongs to the program of the same kernel, so `iptables-restore` of this machine is run. The
//! rules of a table are in chains of their own, named after it; nothing else of the filter is touched. Only address
//! translation for IPv4 is done here: nothing old filters what crosses a bridge between two of its ports and can be
//! replaced at once. Such rules do not end with vagga; the next run that takes the same cable replaces them.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::sys::netlink::nftables::{Hook, Match, Rule, Table, Verdict};

/// The program by its names: the second one may speak nf_tables, and then fails like we did.
const PROGRAMS: [&str; 2] = ["iptables-legacy-restore", "iptables-restore"];
/// Where distributions keep it, when `PATH` of an ordinary user does not lead there.
const SYSTEM: [&str; 2] = ["/usr/sbin", "/sbin"];
/// The lock of the program is a file only root may open, and it guards the host's network, not ours.
const LOCK: (&str, &str) = ("XTABLES_LOCKFILE", "/dev/null");
const HOOKS: [Hook; 4] = [Hook::Input, Hook::Prerouting, Hook::Forward, Hook::Postrouting];

/// Puts the rules of the table in the place of those of the same name. Errors: that of the last program tried.
pub fn install(table: &Table) -> io::Result<()> {
    let hooks = HOOKS
        .into_iter()
        .filter(|hook| table.chains.iter().any(|c| c.hook == *hook));
    for hook in hooks {
        // A jump cannot be asked for; what is not there cannot be deleted.
        let _ = feed(&removal(&table.name, hook));
    }
    feed(&script(table))
}

/// Removes what [`install`] has made. Errors: there was nothing.
pub fn remove(name: &str) -> io::Result<()> {
    let removed = HOOKS.map(|hook| feed(&removal(name, hook)));
    let mut errors = Vec::new();
    for result in removed {
        match result {
            Ok(()) => return Ok(()),
            Err(e) => errors.push(e),
        }
    }
    errors.pop().map_or(Ok(()), Err)
}

/// All chains and rules, as iptables-restore(8) reads them.
pub fn script(table: &Table) -> String {
    let mut text = String::new();
    for kind in ["nat", "filter"] {
        let chains = table.chains.iter().filter(|c| kind_of(c.hook).0 == kind);
        let mut body = String::new();
        for chain in chains {
            let (_, hook, short) = kind_of(chain.hook);
            let name = format!("{}-{short}", table.name);
            body.push_str(&format!(":{name} - [0:0]\n-I {hook} -j {name}\n"));
            for rule in &chain.rules {
                body.push_str(&format!("-A {name}{}\n", words(rule)));
            }
        }
        if !body.is_empty() {
            text.push_str(&format!("*{kind}\n{body}COMMIT\n"));
        }
    }
    text
}

fn removal(name: &str, hook: Hook) -> String {
    let (kind, hook, short) = kind_of(hook);
    format!("*{kind}\n-D {hook} -j {name}-{short}\n-F {name}-{short}\n-X {name}-{short}\nCOMMIT\n")
}

/// Table, built-in chain, and the end of the name of ours (28 bytes in all, of which a device takes 15).
fn kind_of(hook: Hook) -> (&'static str, &'static str, &'static str) {
    match hook {
        Hook::Input => ("filter", "INPUT", "in"),
        Hook::Forward => ("filter", "FORWARD", "forward"),
        Hook::Prerouting => ("nat", "PREROUTING", "pre"),
        Hook::Postrouting => ("nat", "POSTROUTING", "post"),
    }
}

fn words(rule: &Rule) -> String {
    let conditions = rule.matches.iter().map(|condition| match condition {
        Match::From(device) => format!(" -i {device}"),
        Match::To(device) => format!(" -o {device}"),
        Match::NotTo(device) => format!(" ! -o {device}"),
        Match::Source(ip, prefix) => format!(" -s {ip}/{prefix}"),
        Match::Destination(ip, prefix) => format!(" -d {ip}/{prefix}"),
        Match::TcpPort(port) => format!(" -p tcp --dport {port}"),
        Match::UdpPort(port) => format!(" -p udp --dport {port}"),
    });
    let verdict = match rule.verdict {
        Verdict::Accept => " -j ACCEPT".to_string(),
        Verdict::Drop => " -j DROP".to_string(),
        Verdict::Masquerade => " -j MASQUERADE".to_string(),
        Verdict::Redirect(ip, port) => format!(" -j DNAT --to-destination {ip}:{port}"),
    };
    conditions.chain([verdict]).collect()
}

/// Runs the first program that can do it; a script takes effect as a whole or not at all, for each of the tables in it.
fn feed(script: &str) -> io::Result<()> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no program iptables-restore");
    for name in PROGRAMS {
        let found = SYSTEM
            .map(|dir| Path::new(dir).join(name))
            .into_iter()
            .find(|path| path.exists());
        match run(&found.unwrap_or_else(|| name.into()), script) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => last = io::Error::other(format!("{name}: {e}")),
        }
    }
    Err(last)
}

fn run(program: &Path, script: &str) -> io::Result<()> {
    let mut child = Command::new(program)
        .arg("--noflush")
        .env(LOCK.0, LOCK.1)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let written = match child.stdin.take() {
        Some(mut input) => input.write_all(script.as_bytes()),
        None => Ok(()),
    };
    let output = child.wait_with_output()?;
    match output.status.success() {
        true => written,
        false => Err(io::Error::other(one_line(&output.stderr))),
    }
}

fn one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::netlink::nftables::{Chain, Family};
    use std::net::Ipv4Addr;

    fn table(chains: Vec<Chain>) -> Table {
        Table {
            family: Family::Ip,
            name: "vagga".into(),
            chains,
        }
    }

    #[test]
    fn rules_are_said_in_the_older_language() {
        let ip = Ipv4Addr::new(127, 0, 0, 53);
        let ask = Rule {
            matches: vec![
                Match::From("vagga".into()),
                Match::Destination(ip, 32),
                Match::UdpPort(53),
            ],
            verdict: Verdict::Redirect(ip, 53),
        };
        let accept = Rule {
            matches: vec![
                Match::NotTo("x".into()),
                Match::Source(Ipv4Addr::new(10, 0, 0, 0), 8),
            ],
            verdict: Verdict::Accept,
        };
        let text = script(&table(vec![
            Chain {
                hook: Hook::Input,
                rules: vec![accept],
            },
            Chain {
                hook: Hook::Prerouting,
                rules: vec![ask],
            },
        ]));
        assert_eq!(
            text,
            "*nat\n:vagga-pre - [0:0]\n-I PREROUTING -j vagga-pre\n\
             -A vagga-pre -i vagga -d 127.0.0.53/32 -p udp --dport 53 -j DNAT --to-destination 127.0.0.53:53\nCOMMIT\n\
             *filter\n:vagga-in - [0:0]\n-I INPUT -j vagga-in\n-A vagga-in ! -o x -s 10.0.0.0/8 -j ACCEPT\nCOMMIT\n"
        );
        assert_eq!(script(&table(Vec::new())), "");
    }

    #[test]
    fn messages_of_programs_become_one_line() {
        assert_eq!(one_line(b" a\n\nb \n"), "a; b");
    }
}
