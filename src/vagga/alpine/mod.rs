//! Alpine Linux: repositories of apk v2 read by ourselves, so that no apk is needed to make a system or to change it.
//!
//! From the pure to the practical: [`version`], [`dependency`], [`digest`], [`package`], [`universe`], [`resolve`];
//! [`segment`], [`keys`], [`index`], [`apk`] read files that are not trusted. What they leave is what apk leaves, so
//! that apk in the container goes on from there.

pub mod apk;
pub mod dependency;
pub mod digest;
pub mod index;
pub mod keys;
pub mod package;
pub mod resolve;
pub mod segment;
mod shipped_keys;
pub mod universe;
pub mod version;
