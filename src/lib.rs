//! One toolkit from `git clone` to a self-healing cluster: vagga, lithos, cantal, verwalter.
//!
//! Rooms, from the ground up; a room uses those above it, never those below, and tools never import one
//! another (see `docs/`): [`sys`] (the kernel), [`config`] (guarded YAML), [`container`]
//! (a root file system as data and its interpreter), `metrics` (shared-memory metric files), `cli` (command lines),
//! then the tools.
#![deny(unsafe_code)]

#[cfg(any(feature = "vagga", feature = "lithos"))]
pub mod cli;
#[cfg(any(
    feature = "vagga",
    feature = "lithos",
    feature = "cantal",
    feature = "verwalter"
))]
pub mod config;
pub mod container;
#[cfg(feature = "lithos")]
pub mod lithos;
#[cfg(any(feature = "lithos", feature = "cantal", feature = "verwalter"))]
pub mod metrics;
#[allow(unsafe_code)]
pub mod sys;
#[cfg(feature = "test-tools")]
pub mod test_tools;
#[cfg(feature = "vagga")]
pub mod vagga;
