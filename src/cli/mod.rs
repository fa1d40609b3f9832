//! Command lines: a tool declares one [`Tool`] table, and parser, help, manual page and completion are made of it.
//!
//! Nothing in this room knows a tool, and nothing here does what an option asks for.

pub mod completion;
pub mod manual;
pub mod output;
mod parser;
#[cfg(test)]
mod samples;
mod table;
mod tool;

pub use parser::{Grammar, Outcome, Parsed};
pub use table::{Arity, Flag, Positional, Value};
pub use tool::{Command, Manual, Offer, Tool};
