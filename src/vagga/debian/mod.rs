//! Debian and Ubuntu archives: signatures, indexes, dependency resolution, bootstrap.
