//! Alpine Linux: repositories of apk v2 read by ourselves, so that no apk is needed to make a system or to change it.
//!
//! From the pure to the practical: [`version`], [`dependency`], [`digest`], [`package`], [`repository`], [`universe`],
//! [`resolve`], [`installed`]; [`segment`], [`keys`], [`index`], [`apk`] read files that are not trusted; [`cache`]
//! fetches them, [`database`], [`unpack`] and [`transaction`] change a root, [`system`] is what steps see. What they
//! leave is what apk leaves, so that apk in the container goes on from there.

pub mod apk;
pub mod cache;
pub mod database;
pub mod dependency;
pub mod digest;
pub mod features;
pub mod index;
pub mod installed;
pub mod keys;
pub mod package;
pub mod repository;
pub mod resolve;
pub mod segment;
mod shipped_keys;
pub mod system;
pub mod transaction;
pub mod universe;
pub mod unpack;
pub mod version;

pub use crate::vagga::debian::Error;
