//! The supervisor of all containers of a machine, `lithos_tree`.
//!
//! `machine` decides, everything else carries out. Nothing here may panic, and nothing that is read, be it configuration,
//! a record or a message, may stop a container that should run.

pub mod figures;
pub mod machine;
