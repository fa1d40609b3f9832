//! The command line: one table of flags makes parser, help, man page and completion.

pub mod builtins;
pub mod globals;
pub mod parser;
pub mod table;
