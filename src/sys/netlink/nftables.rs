//! Packet filters by nf_tables (nfnetlink, linux/netfilter/nf_tables.h), without the program `nft`.
//!
//! Tables are values that print as nft(8) reads them. [`Netlink::replace_table`] puts one in the place of the table of
//! the same name in a single transaction: packets see the old or the new one. Only what tables of this toolkit need
//! can be said here.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;

use super::message::Message;
use super::Netlink;

/// nfnetlink messages: NFNL_SUBSYS_NFTABLES.
const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = SUBSYSTEM;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const NEW_RULE: u16 = SUBSYSTEM | 6;
/// NFTA_TABLE_*, NFTA_CHAIN_*, NFTA_RULE_*.
const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_TYPE: u16 = 7;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
/// NFT_TABLE_F_OWNER: the table ends with the socket that made it (Linux 5.12).
const OWNED: u32 = 2;
/// NFTA_EXPR_*, NFTA_LIST_ELEM, NFTA_DATA_*, NFTA_VERDICT_CODE.
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
/// Registers.
const VERDICT: u32 = 0;
const FIRST: u32 = 1;
const SECOND: u32 = 2;
/// NFT_META_*.
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_L4PROTO: u32 = 16;
/// Bytes of a device's name in a register.
const NAME: usize = 16;

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ip,
    /// Everything that a bridge passes from port to port.
    Bridge,
}

/// Where in the kernel's path a chain is asked, with its usual priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// What is for this host (`type filter`).
    Input,
    /// Before routing; changes destinations (`type nat`).
    Prerouting,
    /// After routing; changes sources (`type nat`).
    Postrouting,
    /// What goes through, from one device to another (`type filter`).
    Forward,
}

/// What a packet must be like. All conditions of a rule must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// It came in here.
    From(String),
    /// It goes out there.
    To(String),
    /// It goes out anywhere but there.
    NotTo(String),
    /// IPv4 source in this network.
    Source(Ipv4Addr, u8),
    /// IPv4 destination in this network.
    Destination(Ipv4Addr, u8),
    /// TCP to this port.
    TcpPort(u16),
    /// UDP to this port.
    UdpPort(u16),
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It vanishes, and nobody is told.
    Drop,
    /// Its source becomes the address of the device it leaves by.
    Masquerade,
    /// Its destination becomes this one.
    Redirect(Ipv4Addr, u16),
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Conditions, in order.
    pub matches: Vec<Match>,
    /// What then.
    pub verdict: Verdict,
}

/// One chain; the name is that of its hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Where it is asked.
    pub hook: Hook,
    /// Its rules in order; a packet that fits none goes on.
    pub rules: Vec<Rule>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it sees.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its chains.
    pub chains: Vec<Chain>,
}

impl Family {
    fn number(self) -> u8 {
        match self {
            Family::Ip => libc::NFPROTO_IPV4 as u8,
            Family::Bridge => libc::NFPROTO_BRIDGE as u8,
        }
    }
}

impl Hook {
    /// (name, type, NF_INET_* number, priority).
    fn place(self) -> (&'static str, &'static str, u32, i32) {
        match self {
            Hook::Input => ("input", "filter", 1, 0),
            Hook::Prerouting => ("prerouting", "nat", 0, -100),
            Hook::Forward => ("forward", "filter", 2, 0),
            Hook::Postrouting => ("postrouting", "nat", 4, 100),
        }
    }
}

impl Netlink {
    /// Puts the table in the place of the one of the same name, if there is one. `owned`: it ends with this socket,
    /// however that ends.
    ///
    /// Errors: Unsupported or NotFound where the kernel lacks nf_tables, the family, or a kind of rule;
    /// InvalidInput for `owned` before Linux 5.12.
    pub fn replace_table(&mut self, table: &Table, owned: bool) -> io::Result<()> {
        let family = table.family.number();
        let mut batch = vec![batch_mark(BATCH_BEGIN)];
        // Deleting needs it to exist; creating what exists is no error.
        for kind in [NEW_TABLE, DELETE_TABLE, NEW_TABLE] {
            let mut m = of_family(
                kind,
                family,
                if kind == NEW_TABLE { libc::NLM_F_CREATE } else { 0 },
            );
            m.put_str(TABLE_NAME, &table.name);
            if owned && kind == NEW_TABLE {
                m.put_be32(TABLE_FLAGS, OWNED);
            }
            batch.push(m);
        }
        for chain in &table.chains {
            batch.push(new_chain(family, &table.name, chain));
            batch.extend(
                chain
                    .rules
                    .iter()
                    .map(|r| new_rule(family, &table.name, chain, r)),
            );
        }
        self.commit(&format!("set up nftables table {}", table.name), batch)
    }

    /// Removes a table. Errors: NotFound.
    pub fn delete_table(&mut self, family: Family, name: &str) -> io::Result<()> {
        let mut m = of_family(DELETE_TABLE, family.number(), 0);
        m.put_str(TABLE_NAME, name);
        self.commit(
            &format!("delete nftables table {name}"),
            vec![batch_mark(BATCH_BEGIN), m],
        )
    }

    /// Ends and sends a transaction; its last message asks for the acknowledgement.
    fn commit(&mut self, what: &str, mut batch: Vec<Message>) -> io::Result<()> {
        if let Some(last) = batch.last_mut() {
            last.add_flags(libc::NLM_F_ACK as u16);
        }
        batch.push(batch_mark(BATCH_END));
        self.transact(what, batch)
    }
}

/// `struct nfgenmsg`: family, version, resource.
fn of_family(kind: u16, family: u8, flags: i32) -> Message {
    Message::new(kind, (libc::NLM_F_REQUEST | flags) as u16, &[family, 0, 0, 0])
}

/// Begin and end of a transaction name the subsystem as resource.
fn batch_mark(kind: u16) -> Message {
    Message::new(
        kind,
        libc::NLM_F_REQUEST as u16,
        &[0, 0, 0, (SUBSYSTEM >> 8) as u8],
    )
}

fn new_chain(family: u8, table: &str, chain: &Chain) -> Message {
    let (name, kind, number, priority) = chain.hook.place();
    let mut m = of_family(NEW_CHAIN, family, libc::NLM_F_CREATE);
    m.put_str(CHAIN_TABLE, table).put_str(CHAIN_NAME, name);
    let hook = m.open(CHAIN_HOOK);
    m.put_be32(1, number).put(2, &priority.to_be_bytes());
    m.close(hook);
    m.put_str(CHAIN_TYPE, kind);
    m
}

fn new_rule(family: u8, table: &str, chain: &Chain, rule: &Rule) -> Message {
    let mut m = of_family(NEW_RULE, family, libc::NLM_F_CREATE | libc::NLM_F_APPEND);
    m.put_str(RULE_TABLE, table)
        .put_str(RULE_CHAIN, chain.hook.place().0);
    let list = m.open(RULE_EXPRESSIONS);
    for condition in &rule.matches {
        add_match(&mut m, condition);
    }
    add_verdict(&mut m, rule.verdict);
    m.close(list);
    m
}

fn add_match(m: &mut Message, condition: &Match) {
    match condition {
        Match::From(device) => compare_device(m, META_IIFNAME, device, true),
        Match::To(device) => compare_device(m, META_OIFNAME, device, true),
        Match::NotTo(device) => compare_device(m, META_OIFNAME, device, false),
        // Offsets in the header of IPv4.
        Match::Source(ip, prefix) => compare_network(m, 12, *ip, *prefix),
        Match::Destination(ip, prefix) => compare_network(m, 16, *ip, *prefix),
        Match::TcpPort(port) => compare_port(m, libc::IPPROTO_TCP as u8, *port),
        Match::UdpPort(port) => compare_port(m, libc::IPPROTO_UDP as u8, *port),
    }
}

/// One expression: its name and its attributes.
fn expression(m: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    let element = m.open(LIST_ELEMENT);
    m.put_str(EXPRESSION_NAME, name);
    let data = m.open(EXPRESSION_DATA);
    fill(m);
    m.close(data);
    m.close(element);
}

/// `meta KEY` into the first register.
fn load_meta(m: &mut Message, key: u32) {
    expression(m, "meta", |m| {
        m.put_be32(1, FIRST).put_be32(2, key);
    });
}

/// Bytes of the packet into the first register; base 1 = network header, 2 = transport header.
fn load_payload(m: &mut Message, base: u32, offset: u32, length: u32) {
    expression(m, "payload", |m| {
        m.put_be32(1, FIRST)
            .put_be32(2, base)
            .put_be32(3, offset)
            .put_be32(4, length);
    });
}

/// A nested attribute with a value for a register.
fn put_data(m: &mut Message, kind: u16, value: &[u8]) {
    let data = m.open(kind);
    m.put(DATA_VALUE, value);
    m.close(data);
}

/// Goes on only if the first register is (or is not) this.
fn compare(m: &mut Message, value: &[u8], equal: bool) {
    expression(m, "cmp", |m| {
        m.put_be32(1, FIRST).put_be32(2, u32::from(!equal));
        put_data(m, 3, value);
    });
}

fn compare_device(m: &mut Message, key: u32, device: &str, equal: bool) {
    let mut name = [0; NAME];
    for (to, from) in name.iter_mut().zip(device.bytes().take(NAME - 1)) {
        *to = from;
    }
    load_meta(m, key);
    compare(m, &name, equal);
}

fn compare_network(m: &mut Message, offset: u32, ip: Ipv4Addr, prefix: u8) {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    load_payload(m, 1, offset, 4);
    expression(m, "bitwise", |m| {
        m.put_be32(1, FIRST).put_be32(2, FIRST).put_be32(3, 4);
        put_data(m, 4, &mask.to_be_bytes());
        put_data(m, 5, &[0; 4]);
    });
    compare(m, &(u32::from(ip) & mask).to_be_bytes(), true);
}

fn compare_port(m: &mut Message, protocol: u8, port: u16) {
    load_meta(m, META_L4PROTO);
    compare(m, &[protocol], true);
    load_payload(m, 2, 2, 2);
    compare(m, &port.to_be_bytes(), true);
}

/// A value into a register.
fn immediate(m: &mut Message, register: u32, value: &[u8]) {
    expression(m, "immediate", |m| {
        m.put_be32(1, register);
        put_data(m, 2, value);
    });
}

fn add_verdict(m: &mut Message, verdict: Verdict) {
    match verdict {
        Verdict::Drop => end_with(m, 0),
        Verdict::Accept => end_with(m, 1),
        Verdict::Masquerade => expression(m, "masq", |_| {}),
        Verdict::Redirect(ip, port) => {
            immediate(m, FIRST, &ip.octets());
            immediate(m, SECOND, &port.to_be_bytes());
            // Type 1 is a change of the destination.
            expression(m, "nat", |m| {
                m.put_be32(1, 1).put_be32(2, libc::NFPROTO_IPV4 as u32);
                m.put_be32(3, FIRST).put_be32(5, SECOND);
            });
        }
    }
}

fn end_with(m: &mut Message, code: u32) {
    expression(m, "immediate", |m| {
        m.put_be32(1, VERDICT);
        let data = m.open(2);
        let verdict = m.open(DATA_VERDICT);
        m.put_be32(VERDICT_CODE, code);
        m.close(verdict);
        m.close(data);
    });
}

/// As a file for `nft -f`.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::Ip => "ip",
            Family::Bridge => "bridge",
        };
        writeln!(f, "table {family} {} {{", self.name)?;
        for chain in &self.chains {
            let (name, kind, _, priority) = chain.hook.place();
            writeln!(f, "    chain {name} {{")?;
            writeln!(f, "        type {kind} hook {name} priority {priority};")?;
            chain
                .rules
                .iter()
                .try_for_each(|rule| writeln!(f, "        {rule}"))?;
            writeln!(f, "    }}")?;
        }
        f.write_str("}\n")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for condition in &self.matches {
            match condition {
                Match::From(device) => write!(f, "iifname \"{device}\" "),
                Match::To(device) => write!(f, "oifname \"{device}\" "),
                Match::NotTo(device) => write!(f, "oifname != \"{device}\" "),
                Match::Source(ip, prefix) => write!(f, "ip saddr {ip}/{prefix} "),
                Match::Destination(ip, prefix) => write!(f, "ip daddr {ip}/{prefix} "),
                Match::TcpPort(port) => write!(f, "tcp dport {port} "),
                Match::UdpPort(port) => write!(f, "udp dport {port} "),
            }?;
        }
        match self.verdict {
            Verdict::Accept => f.write_str("accept"),
            Verdict::Drop => f.write_str("drop"),
            Verdict::Masquerade => f.write_str("masquerade"),
            Verdict::Redirect(ip, port) => write!(f, "dnat to {ip}:{port}"),
        }
    }
}
