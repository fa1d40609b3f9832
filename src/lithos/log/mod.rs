//! What supervisors say, and what becomes of the output of processes: the form of its lines, and the files that are put aside.

pub mod journal;
pub mod lines;
pub mod rotation;
pub mod syslog;
