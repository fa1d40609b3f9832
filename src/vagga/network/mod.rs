//! Networks of supervised children: a bridge with a cable to each child.
//!
//! What there is to be is decided first, as a value ([`topology`]); [`setup`] makes it out of namespaces and devices,
//! in a user namespace of the caller, without any privilege on the host. Nothing stays: descriptors of the launcher
//! keep it, and when vagga ends, however that happens, the kernel takes everything away.

pub mod gateway;
pub mod lookup;
pub mod partition;
pub mod setup;
pub mod topology;

/// Where bridge commands find what is below.
pub const VISIBLE: &str = "/tmp/vagga";
/// The network and host name namespaces of all children, as files: `bridge`, `net.IP`, `uts.IP`.
pub const NAMESPACES: &str = "/tmp/vagga/namespaces";
/// The children, see [`topology::Topology::table`].
pub const TABLE: &str = "/tmp/vagga/network";
