//! What becomes of the output of processes: the form of its lines, and the files that are put aside.

pub mod lines;
pub mod rotation;
