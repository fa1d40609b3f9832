//! Networks of supervised children: a bridge with a cable to each child.
//!
//! What there is to be is decided first, as a value ([`topology`]); [`setup`] makes it out of namespaces and devices,
//! in a user namespace of the caller, without any privilege on the host. Nothing stays: descriptors of the launcher
//! keep it, and when vagga ends, however that happens, the kernel takes everything away.

pub mod gateway;
pub mod legacy;
pub mod lookup;
pub mod partition;
pub mod setup;
pub mod topology;

use std::io;

use crate::sys::netlink::nftables::{Family, Table};
use crate::sys::netlink::Netlink;

/// Puts rules into the current network: by nf_tables, by ip_tables where the kernel lacks that. Errors say what it lacks.
fn install(table: &Table) -> io::Result<()> {
    Netlink::netfilter()
        .and_then(|mut filter| filter.replace_table(table, false))
        .or_else(|e| instead(e, table))
}

/// What a kernel without nf_tables does: address translation by ip_tables.
fn instead(e: io::Error, table: &Table) -> io::Result<()> {
    if !unknown(&e) || table.family != Family::Ip {
        return Err(lacking(e, table.family));
    }
    legacy::install(table).map_err(|older| {
        let newer = lacking(e, table.family);
        io::Error::new(newer.kind(), format!("{newer}; ip_tables instead: {older}"))
    })
}

/// This kernel has no nf_tables at all.
fn by_ip_tables() -> bool {
    Netlink::netfilter().is_err_and(|e| unknown(&e))
}

/// The rules in the language of the filter that [`install`] asks.
fn said(table: &Table) -> String {
    match by_ip_tables() {
        true => legacy::script(table),
        false => table.to_string(),
    }
}

/// The kernel knows nothing of such rules.
fn unknown(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::NotFound)
}

/// The error, with what to do when the kernel knows nothing of such rules.
fn lacking(e: io::Error, family: Family) -> io::Error {
    let missing = match family {
        Family::Ip => "nf_tables with address translation",
        Family::Bridge => "nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE)",
    };
    match unknown(&e) {
        true => io::Error::new(
            e.kind(),
            format!("{e}: this kernel lacks {missing}, see `vagga _doctor`"),
        ),
        false => e,
    }
}

/// Where bridge commands find what is below.
pub const VISIBLE: &str = "/tmp/vagga";
/// The network and host name namespaces of all children, as files: `bridge`, `net.IP`, `uts.IP`.
pub const NAMESPACES: &str = "/tmp/vagga/namespaces";
/// The children, see [`topology::Topology::table`].
pub const TABLE: &str = "/tmp/vagga/network";
