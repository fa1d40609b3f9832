//! One container: from its configuration to a supervised process, and back to an exit code.
//!
//! Nothing here knows about other containers or starts a second one.

pub mod message;
