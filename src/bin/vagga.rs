//! The `vagga` executable; everything is in the library.
fn main() {
    std::process::exit(orchestration::vagga::main());
}
