//! The kernel: every syscall and every `unsafe` of the toolkit, one file per kernel facility.
//!
//! Functions are thin, take and return safe types, report `std::io::Error`, and never log, print or panic.

pub mod at;
pub mod block;
pub mod calendar;
pub mod capability;
pub mod cgroup;
pub mod clock;
pub mod crash;
pub mod descriptors;
pub mod fs;
pub mod handover;
pub mod injection;
pub mod inotify;
pub mod keyring;
pub mod listen;
pub mod loopback;
pub mod machine;
pub mod memory;
pub mod mmap;
pub mod monotonic;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod passing;
pub mod path;
pub mod pidfd;
pub mod poll;
pub mod process;
pub mod random;
pub mod seccomp;
pub mod sibling;
pub mod start;
pub mod tty;
pub mod user;
mod wait;
