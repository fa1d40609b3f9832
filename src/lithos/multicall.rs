//! All tools of lithos in one executable that acts by the name it is called by. The released files are names of that one:
//! built once, one copy on the disk and in memory. A plain `cargo build` makes a program of each.

use std::path::Path;

use crate::cli::output::complain;

/// What a program does; the result is its exit code.
type Main = fn() -> i32;

/// Names and what they are.
const TOOLS: &[(&str, Main)] = &[
    ("lithos_check", super::check::main),
    ("lithos_clean", super::clean::main),
    ("lithos_cmd", super::cmd::main),
    ("lithos_crypt", super::crypt::main),
    ("lithos_knot", super::knot::main),
    ("lithos_mkdev", super::mkdev::main),
    ("lithos_ps", super::ps::main),
    ("lithos_switch", super::switch::main),
    ("lithos_tree", super::tree::main),
];

/// Entry point of the executable; returns the exit code, 127 for a name that is no tool.
pub fn main() -> i32 {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name().unwrap_or_default();
    match TOOLS.iter().find(|(tool, _)| name == *tool) {
        Some((_, main)) => main(),
        None => {
            let names: Vec<&str> = TOOLS.iter().map(|(tool, _)| *tool).collect();
            complain(&format!(
                "Fatal error: call me by the name of a tool: {}\n",
                names.join(", ")
            ));
            127
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every program of a plain build is also a name of the one executable.
    #[test]
    fn no_tool_is_forgotten() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
        let files = std::fs::read_dir(dir).unwrap();
        let names = files.map(|f| f.unwrap().file_name().into_string().unwrap());
        let mut tools: Vec<String> = names
            .filter_map(|n| n.strip_suffix(".rs").map(str::to_string))
            .filter(|n| n.starts_with("lithos_"))
            .collect();
        tools.sort();
        assert_eq!(
            tools,
            TOOLS.iter().map(|(n, _)| n.to_string()).collect::<Vec<_>>()
        );
    }
}
