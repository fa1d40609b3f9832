//! Debian and Ubuntu archives: signatures, indexes, dependency resolution, bootstrap.
//!
//! A release is bootstrapped without debootstrap and without root: `InRelease` is fetched and verified, `Packages`
//! read, the packages of a variant chosen, fetched, unpacked by our own confined writer and configured by dpkg in
//! the container. From the pure to the practical: [`deb822`], [`version`], [`relation`], [`release`], [`packages`],
//! [`resolve`], [`sources`].

pub mod deb822;
pub mod packages;
pub mod relation;
pub mod release;
pub mod resolve;
pub mod version;
