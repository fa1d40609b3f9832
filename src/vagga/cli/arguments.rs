//! Arguments of the project's own commands, and their help.

use super::globals::{self, BuildMode};
use super::parser::{Grammar, Outcome};
use super::table::{Flag, Key, SUPERVISE};
use crate::vagga::config::{MainCommand, Run};
use crate::vagga::docopt::{Document, Reading, Section};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::run::Arguments;

/// What the arguments of a command ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Print this and end with 0.
    Help(String),
    /// Run it, perhaps with a build mode of its own (options of supervised groups).
    Run(Arguments, Option<BuildMode>),
}

/// Reads the arguments of the command `name`. Errors: exit 121 when they do not fit `options`, else 122.
pub fn read(name: &str, command: &MainCommand, args: &[String]) -> Result<Request, Failure> {
    if let Some(document) = document(name, command)? {
        return with_options(&document, name, args);
    }
    let words = |run: &Run, accepts: Option<bool>| {
        if accepts.unwrap_or(matches!(run, Run::Command(_))) {
            let words = args.to_vec();
            let arguments = Arguments {
                words,
                ..Arguments::default()
            };
            Ok(Request::Run(arguments, None))
        } else {
            with_flags(name, command, &[], args)
        }
    };
    match command {
        MainCommand::Command(c) => words(&c.run, c.accepts_arguments),
        MainCommand::CapsuleCommand(c) => words(&c.run, c.accepts_arguments),
        MainCommand::Supervise(_) => with_flags(name, command, SUPERVISE, args),
    }
}

/// The `options` text of a command, read. Errors: exit 121, only for this command.
pub fn document(name: &str, command: &MainCommand) -> Result<Option<Document>, Failure> {
    let common = command.common();
    let Some(text) = &common.options else {
        return Ok(None);
    };
    let section = match command {
        MainCommand::Supervise(_) => Section::Supervise,
        _ => Section::Common,
    };
    Document::new(name, common.description.as_deref(), text, section)
        .map(Some)
        .map_err(|e| {
            Failure::new(
                exit::LAUNCHER,
                format!("Error parsing `options` in command {name:?}: {e}"),
            )
        })
}

/// What `_help NAME` prints.
pub fn help(name: &str, command: &MainCommand) -> Result<String, Failure> {
    if let Some(document) = document(name, command)? {
        return Ok(document.help().to_string());
    }
    let usage = format!("Usage:\n  vagga {name} <OPTIONS>\n");
    Ok(match command.common().description.as_deref().map(str::trim_end) {
        Some(text) if !text.is_empty() => format!("{text}\n\n{usage}"),
        _ => usage,
    })
}

fn with_options(document: &Document, name: &str, args: &[String]) -> Result<Request, Failure> {
    match document.read(name, args) {
        Ok(Reading::Help(text)) => Ok(Request::Help(text)),
        Ok(Reading::Values(values)) => {
            let arguments = Arguments {
                words: Vec::new(),
                variables: values.variables,
                only: values.only,
                exclude: values.exclude,
            };
            Ok(Request::Run(arguments, None))
        }
        Err(message) => {
            let usage = document.usage();
            Err(Failure::new(exit::LAUNCHER, format!("{message}\n\n{usage}")))
        }
    }
}

/// For commands without positional arguments: one that takes no arguments knows `--help` only.
fn with_flags(
    name: &str,
    command: &MainCommand,
    flags: &[Flag],
    args: &[String],
) -> Result<Request, Failure> {
    let program = format!("vagga {name}");
    let grammar = Grammar {
        program: &program,
        about: command.common().description.as_deref().unwrap_or_default(),
        flags,
        positionals: &[],
        stops: false,
        keeps_dashes: false,
    };
    match grammar.parse(args) {
        Outcome::Help(text) => Ok(Request::Help(text)),
        Outcome::Wrong(text) => Err(usage_error(text)),
        Outcome::Right(parsed) => {
            let arguments = Arguments {
                only: parsed.values(Key::Only),
                exclude: parsed.values(Key::Exclude),
                ..Arguments::default()
            };
            Ok(Request::Run(arguments, globals::build_mode(&parsed)))
        }
    }
}

/// A usage error whose text already has the form of the parser.
pub fn usage_error(text: String) -> Failure {
    Failure::new(exit::USAGE, text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{command, group};
    use super::*;
    use crate::vagga::config::CommandInfo;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    fn shell() -> CommandInfo {
        CommandInfo {
            run: Run::Shell("true".into()),
            ..command()
        }
    }

    fn run(c: &MainCommand, line: &str) -> Arguments {
        match read("cmd", c, &words(line)) {
            Ok(Request::Run(arguments, _)) => arguments,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn lists_take_everything_literally() {
        let c = MainCommand::Command(command());
        assert_eq!(run(&c, "--help -x -- y").words, ["--help", "-x", "--", "y"]);
        let mut closed = command();
        closed.accepts_arguments = Some(false);
        assert_eq!(
            read("cmd", &MainCommand::Command(closed), &words("x"))
                .unwrap_err()
                .exit,
            122
        );
    }

    #[test]
    fn shell_text_takes_help_only() {
        let mut info = shell();
        info.common.description = Some("Does it".into());
        let c = MainCommand::Command(info);
        let e = read("cmd", &c, &words("x")).unwrap_err();
        assert_eq!(
            (e.exit, e.message.as_str()),
            (122, "Usage:\n  vagga cmd\nvagga cmd: Unexpected argument x")
        );
        let e = read("cmd", &c, &words("--x")).unwrap_err();
        assert!(e.message.contains("Unknown option --x"), "{e}");
        let Ok(Request::Help(text)) = read("cmd", &c, &words("--help")) else {
            panic!()
        };
        assert!(text.starts_with("Usage:\n  vagga cmd\n\nDoes it\n"), "{text}");
        let mut open = shell();
        open.accepts_arguments = Some(true);
        assert_eq!(run(&MainCommand::Command(open), "a b").words, ["a", "b"]);
    }

    #[test]
    fn groups_take_selections_and_build_modes() {
        let c = MainCommand::Supervise(group([("a", command()), ("b", command())]));
        let Ok(Request::Run(arguments, mode)) = read("g", &c, &words("--only a b --no-build --exclude c"))
        else {
            panic!()
        };
        assert_eq!(arguments.only, ["a", "b"]);
        assert_eq!(arguments.exclude, ["c"]);
        assert_eq!(mode, Some(BuildMode::NoBuild));
        assert_eq!(read("g", &c, &words("x")).unwrap_err().exit, 122);
    }

    #[test]
    fn options_become_variables() {
        let mut info = command();
        info.common.options = Some("Usage: vagga cmd [options] [<x>]".into());
        let c = MainCommand::Command(info);
        let arguments = run(&c, "1");
        assert!(arguments.words.is_empty());
        assert!(arguments.variables.contains(&("VAGGAOPT_X".into(), "1".into())));
        let e = read("cmd", &c, &words("1 2")).unwrap_err();
        assert_eq!(
            (e.exit, e.message.as_str()),
            (121, "Invalid arguments.\n\nUsage: vagga cmd [options] [<x>]")
        );
        assert!(matches!(read("cmd", &c, &words("-h")), Ok(Request::Help(_))));
    }

    #[test]
    fn broken_options_are_an_error_of_the_command() {
        let mut info = command();
        info.common.options = Some("Usage: vagga cmd [<x>".into());
        let e = read("cmd", &MainCommand::Command(info), &[]).unwrap_err();
        assert_eq!(e.exit, 121);
        assert!(
            e.message
                .starts_with("Error parsing `options` in command \"cmd\": "),
            "{e}"
        );
    }

    #[test]
    fn help_of_commands() {
        let mut info = command();
        assert_eq!(
            help("cmd", &MainCommand::Command(info.clone())).unwrap(),
            "Usage:\n  vagga cmd <OPTIONS>\n"
        );
        info.common.description = Some("One\nTwo\n".into());
        assert_eq!(
            help("cmd", &MainCommand::Command(info)).unwrap(),
            "One\nTwo\n\nUsage:\n  vagga cmd <OPTIONS>\n"
        );
    }
}
