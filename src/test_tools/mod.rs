//! Small programs that only the tests of the built binaries use (feature `test-tools`).

pub mod refuse_syscalls;
