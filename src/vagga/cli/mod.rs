//! The command line: one table of flags makes parser, help, man page and completion.

pub mod globals;
pub mod suggest;
