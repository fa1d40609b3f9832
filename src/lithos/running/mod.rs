//! What runs, as the kernel tells it: trees, knots, and the processes in their containers. Read-only, and no
//! configuration is needed; processes may end while one looks, which is never an error.

mod forest;
mod scan;

#[cfg(test)]
pub(in crate::lithos) use forest::samples;
pub use forest::{forest, instances, sort, Head, Knot, Tree};
pub use scan::{scan, Process, Snapshot};

/// Ticks of the clock in `/proc/PID/stat` in a second: USER_HZ, 100 on every architecture we build for (time(7)).
pub const TICKS: u64 = 100;
