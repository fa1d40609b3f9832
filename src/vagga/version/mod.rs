//! The version hash of a container: BLAKE2b over the encoded steps and the files they read.
