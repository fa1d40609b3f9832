//! The manual page, made of the table: `vagga _man | man -l -`.

use std::fmt::Write;

use super::builtins;
use super::table::{Arity, BuiltIn, GLOBAL, GLOBAL_POSITIONALS, SUPERVISE};
use crate::cli::manual::{definitions, escape, flag, item, positional};

const FRONT: &str = r#".SH NAME
vagga \- containers for development, without a daemon and without root
.SH SYNOPSIS
.B vagga
[\fIOPTIONS\fR] [\fICOMMAND\fR] [\fIARGS\fR ...]
.SH DESCRIPTION
A project is a directory with a file \fIvagga.yaml\fR that declares containers (how to build a root file system) and
commands (what to run in which container).
.PP
.B vagga
alone lists the commands of the project on standard error and exits with 127.
.B vagga
\fICOMMAND\fR builds the containers that the command needs, if their versions are not there yet, and runs it.
.PP
Options end at \fICOMMAND\fR; everything behind it belongs to the command.
"#;

const EXIT: &[(&str, &str)] = &[
    (
        "N",
        "The command's own exit code; 128 + N when it was killed by signal N.",
    ),
    (
        "29",
        "The version of a container is known only after building, or --no-build forbids to build it.",
    ),
    (
        "121",
        "Unknown command or container, failed build, too few subordinate ids, wrong options of a command.",
    ),
    (
        "122",
        "The command line could not be read, or root was about to work in somebody else's project.",
    ),
    (
        "124",
        "The container could not be set up: mounts, volumes, working directory, program not found.",
    ),
    ("126", "No configuration, or problems in it."),
    (
        "127",
        "The list of commands was shown, or no process of a group was selected.",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("VAGGA_SETTINGS", "Text of settings, as YAML or JSON."),
    ("VAGGAENV_NAME", "Sets the variable NAME for commands."),
    (
        "VAGGA_DEBUG_CMDENV",
        "When not empty, messages about failed commands of a build show their environment.",
    ),
    (
        "RUST_LOG",
        "What is logged: error, warn (the default), info, debug; also TARGET=LEVEL.",
    ),
    (
        "RUST_LOG_STYLE",
        "Colour of the log: auto (the default), always, never.",
    ),
];

/// The page in roff.
pub fn page() -> String {
    let mut text = format!(
        ".TH VAGGA 1 \"\" \"vagga {}\" \"\"\n{FRONT}",
        env!("CARGO_PKG_VERSION")
    );
    text.push_str(".SH OPTIONS\n");
    item(&mut text, &["-h", "--help"], None, "Show the help and exit");
    GLOBAL.iter().for_each(|f| flag(&mut text, f));
    GLOBAL_POSITIONALS.iter().for_each(|p| positional(&mut text, p));
    text.push_str(".SH OPTIONS OF SUPERVISED GROUPS\n");
    SUPERVISE.iter().for_each(|f| flag(&mut text, f));
    text.push_str(".SH BUILT-IN COMMANDS\n");
    builtins::ALL.iter().for_each(|b| builtin(&mut text, b));
    definitions(&mut text, "EXIT STATUS", EXIT);
    definitions(&mut text, "ENVIRONMENT", ENVIRONMENT);
    text
}

fn builtin(text: &mut String, b: &BuiltIn) {
    let _ = write!(text, ".SS {}", escape(b.name));
    for positional in b.positionals {
        let name = positional.name.to_uppercase();
        let _ = match positional.arity {
            Arity::Required => write!(text, " {name}"),
            Arity::Optional => write!(text, " [{name}]"),
            Arity::Rest => write!(text, " [{name} ...]"),
        };
    }
    let _ = writeln!(text, "\n{}.", escape(&b.describe()));
    b.flags.iter().for_each(|f| flag(text, f));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_the_table_is_on_the_page() {
        let page = page();
        assert!(page.starts_with(".TH VAGGA 1 "));
        let of_builtins = builtins::ALL.iter().flat_map(|b| b.flags);
        for name in GLOBAL
            .iter()
            .chain(SUPERVISE)
            .chain(of_builtins)
            .flat_map(|f| f.names)
        {
            assert!(page.contains(&escape(name)), "{name}");
        }
        for b in builtins::ALL {
            assert!(page.contains(&format!("\n.SS {}", b.name)), "{}", b.name);
        }
        assert!(!page.contains("\n\n"));
    }
}
