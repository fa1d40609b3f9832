//! The `lithos_tree` executable; everything is in the library.
//!
//! With the GNU C library its `main` is ours, which spares the start of Rust's runtime, see `sys::start`.
#![cfg_attr(target_env = "gnu", no_main)]

/// Called by the C runtime; the standard library finds the arguments by itself.
#[cfg(target_env = "gnu")]
#[no_mangle]
extern "C" fn main() -> i32 {
    std::process::exit(orchestration::lithos::tree::main())
}

#[cfg(not(target_env = "gnu"))]
fn main() {
    std::process::exit(orchestration::lithos::tree::main());
}
