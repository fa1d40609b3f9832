//! The command line: one table of flags makes parser, help, man page and completion.

pub mod arguments;
mod builtin;
pub mod builtins;
mod capsule;
pub mod completion;
pub mod dispatch;
pub mod globals;
mod images;
mod invocation;
pub mod listing;
pub mod manual;
mod manual_config;
pub mod names;
mod networks;
mod output;
pub mod parser;
pub mod prerequisites;
#[cfg(test)]
mod prerequisites_tests;
mod run;
#[cfg(test)]
pub mod samples;
pub mod table;
