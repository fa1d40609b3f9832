//! vagga: containers for development.
pub mod alpine;
pub mod archive;
pub mod build;
pub mod check;
pub mod clean;
pub mod cli;
pub mod config;
pub mod debian;
pub mod docopt;
pub mod doctor;
pub mod failure;
pub mod fetch;
pub mod ids;
pub mod image;
pub mod layers;
pub mod log;
pub mod network;
pub mod oci;
pub mod project;
pub mod run;
pub mod selection;
pub mod storage;
pub mod symlinks;
pub mod to_lithos;
pub mod version;

/// Entry point of the `vagga` executable; returns the process exit code.
pub fn main() -> i32 {
    if let Err(e) = crate::sys::start::begin() {
        eprintln!("vagga: can't open /dev/null: {e}");
        return failure::exit::LAUNCHER.into();
    }
    cli::dispatch::main().into()
}
