//! A tool of the tests; everything is in the library.
fn main() {
    std::process::exit(orchestration::test_tools::refuse_syscalls::main());
}
