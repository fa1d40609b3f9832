//! A root file system as data: a [`plan::Plan`] of mounts, devices and files, and the one small interpreter
//! that turns it into the root of a process ([`plan::Plan::enter`]).
//!
//! Nothing here knows about the tools that make plans. Every target is resolved beneath the new root by
//! descriptor, so that links in an image cannot lead a mount outside of it.

pub mod dev;
pub mod enter;
pub mod plan;

pub use enter::{OpError, Prepared};
pub use plan::{Base, Op, Plan, Source};
