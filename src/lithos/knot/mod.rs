//! One container: from its configuration to a supervised process, and back to an exit code.
//!
//! Nothing here knows about other containers or starts a second one.

mod alone;
pub mod compose;
pub mod design;
mod disks;
mod flags;
mod hosts;
mod inner;
mod launch;
pub mod load;
pub mod message;
mod opened;
mod profile;
mod ready;
mod relay;
mod report;
mod secret_files;
mod service;
pub mod stamps;
pub mod state;
mod supervise;

pub use launch::main;
