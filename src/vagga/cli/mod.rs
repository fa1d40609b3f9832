//! The command line: one table of flags makes parser, help, man page and completion.

pub mod arguments;
pub mod builtins;
pub mod globals;
pub mod listing;
pub mod names;
pub mod parser;
pub mod prerequisites;
#[cfg(test)]
mod prerequisites_tests;
#[cfg(test)]
pub mod samples;
pub mod table;
