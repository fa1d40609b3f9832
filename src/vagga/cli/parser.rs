//! The command lines of vagga and of its built-in commands, for the parser that all tools share.

use super::table::{BuiltIn, Key, Offer, GLOBAL, GLOBAL_POSITIONALS};

/// What a command line of vagga may look like.
pub type Grammar<'a> = crate::cli::Grammar<'a, Key, Offer>;
/// What a command line of vagga says.
pub type Parsed = crate::cli::Parsed<Key>;
/// The result of parsing one.
pub type Outcome = crate::cli::Outcome<Key>;

impl Grammar<'static> {
    /// The command line of `vagga` itself.
    pub const GLOBAL: Grammar<'static> = Grammar {
        program: "vagga",
        about: "Runs the commands of a project in containers, which are built when needed. \
                Without a command: lists the commands of the project.",
        flags: GLOBAL,
        positionals: GLOBAL_POSITIONALS,
        stops: true,
        keeps_dashes: true,
    };
}

impl<'a> Grammar<'a> {
    /// The command line of a built-in; `program` and `about` as in [`Grammar`].
    pub fn of_builtin(builtin: &BuiltIn, program: &'a str, about: &'a str) -> Grammar<'a> {
        Grammar {
            program,
            about,
            flags: builtin.flags,
            positionals: builtin.positionals,
            stops: builtin.stops,
            keeps_dashes: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::cli::table::SUPERVISE;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    fn global(line: &str) -> Parsed {
        match Grammar::GLOBAL.parse(&words(line)) {
            Outcome::Right(parsed) => parsed,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn wrong(grammar: &Grammar<'_>, line: &str) -> String {
        match grammar.parse(&words(line)) {
            Outcome::Wrong(text) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn builtin(name: &str, line: &str) -> Outcome {
        let b = BuiltIn::find(name).unwrap();
        Grammar::of_builtin(b, &format!("vagga {name}"), b.about).parse(&words(line))
    }

    #[test]
    fn options_end_at_the_command() {
        let p = global("-EX=1 --env Y=2 -e Z --no-build cmd --help -x -- y");
        assert_eq!(
            p.options,
            [
                (Key::Env, Some("X=1".into())),
                (Key::Env, Some("Y=2".into())),
                (Key::UseEnv, Some("Z".into())),
                (Key::NoBuild, None),
            ]
        );
        assert_eq!(p.positionals, ["cmd", "--help", "-x", "--", "y"]);
        assert_eq!(global("-- x").positionals, ["--", "x"]);
        assert_eq!(global("").positionals, [""; 0]);
    }

    #[test]
    fn run_multi_takes_words_up_to_an_option() {
        let p = global("-m a b --no-net");
        assert_eq!(p.values(Key::RunMulti), ["a", "b"]);
        assert!(p.has(Key::IsolateNetwork) && p.positionals.is_empty());
        assert_eq!(global("-m").options, []);
        assert_eq!(global("-m a -- b").positionals, ["--", "b"]);
        assert!(wrong(&Grammar::GLOBAL, "-m --no-build").contains("requires an argument"));
    }

    #[test]
    fn messages() {
        for (line, part) in [
            ("--x", "vagga: Unknown option --x\n"),
            ("-x", "vagga: Unknown short option \"x\"\n"),
            (
                "--version=3",
                "vagga: Option --version does not accept an argument\n",
            ),
            (
                "-E",
                "vagga: Option [\"-E\", \"--env\", \"--environ\"] requires an argument\n",
            ),
            ("--no-biuld", "hint: Did you mean --no-build?\n"),
        ] {
            let text = wrong(&Grammar::GLOBAL, line);
            assert!(
                text.starts_with("Usage:\n  vagga [OPTIONS] [COMMAND] [ARGS ...]\n"),
                "{text}"
            );
            assert!(text.contains(part), "{text}");
        }
        let Outcome::Wrong(text) = builtin("_build", "a b") else {
            panic!()
        };
        assert_eq!(
            text,
            "Usage:\n  vagga _build [OPTIONS] [CONTAINER]\nvagga _build: Unexpected argument b\n"
        );
        let Outcome::Wrong(text) = builtin("_version_hash", "") else {
            panic!()
        };
        assert!(
            text.ends_with("vagga _version_hash: Argument container is required\n"),
            "{text}"
        );
    }

    #[test]
    fn help_lists_every_option() {
        let Outcome::Help(text) = Grammar::GLOBAL.parse(&words("--no-build -h")) else {
            panic!()
        };
        for name in GLOBAL.iter().flat_map(|f| f.names) {
            assert!(text.contains(name), "{name}");
        }
        assert_eq!(text, Grammar::GLOBAL.help());
        assert!(
            text.contains("\nPositional arguments:\n  command               A command of"),
            "{text}"
        );
        assert!(
            text.contains("\nOptional arguments:\n  -h,--help             Show this"),
            "{text}"
        );
        assert!(text.lines().all(|l| l.len() <= 79), "{text}");
    }

    #[test]
    fn run_passes_everything_after_the_container() {
        let Outcome::Right(p) = builtin("_run", "-W --no-build bb sh -c -- x") else {
            panic!()
        };
        assert!(p.has(Key::Writable) && p.has(Key::NoBuild));
        assert_eq!(p.positionals, ["bb", "sh", "-c", "--", "x"]);
        assert!(matches!(
            builtin("_run", "--writeable bb true"),
            Outcome::Right(_)
        ));
        assert!(matches!(builtin("_run", "bb"), Outcome::Wrong(_)));
    }

    #[test]
    fn groups_take_lists() {
        let grammar = Grammar {
            program: "vagga s",
            about: "",
            flags: SUPERVISE,
            positionals: &[],
            stops: false,
            keeps_dashes: false,
        };
        let Outcome::Right(p) = grammar.parse(&words("--only a b --no-build --exclude c --only d")) else {
            panic!()
        };
        assert_eq!(p.values(Key::Only), ["a", "b", "d"]);
        assert_eq!(p.values(Key::Exclude), ["c"]);
        assert!(wrong(&grammar, "x").contains("Unexpected argument x"));
        assert!(wrong(&grammar, "--only --exclude x").contains("requires an argument"));
    }

    #[test]
    fn order_of_clean_actions_is_kept() {
        let Outcome::Right(p) = builtin("_clean", "--volumes --tmp -n --unused --at-least 1day") else {
            panic!()
        };
        let keys: Vec<Key> = p.options.iter().map(|(k, _)| *k).collect();
        assert_eq!(
            keys,
            [Key::Volumes, Key::Tmp, Key::DryRun, Key::Unused, Key::AtLeast]
        );
    }

    proptest! {
        #[test]
        fn never_panics(args in proptest::collection::vec("(-{0,3}[a-zA-Zé=]{0,3}|--env(=.?)?|.{0,5})", 0..6)) {
            let _ = Grammar::GLOBAL.parse(&args);
            for b in crate::vagga::cli::builtins::ALL {
                let _ = Grammar::of_builtin(b, "vagga x", b.about).parse(&args);
            }
        }
    }
}
