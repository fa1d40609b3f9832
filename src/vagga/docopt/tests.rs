//! Tests of the docopt reader: rules, variables, hostile texts.

use proptest::prelude::*;

use super::*;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(String::from).collect()
}

fn document(text: &str) -> Document {
    Document::new("t", None, text, Section::Common).unwrap()
}

fn read(text: &str, line: &str) -> Result<Values, String> {
    match document(text).read("t", &words(line))? {
        Reading::Values(values) => Ok(values),
        Reading::Help(_) => Err("help".to_string()),
    }
}

fn var(values: &Values, name: &str) -> String {
    let found = values.variables.iter().find(|(n, _)| n == name);
    found
        .map(|(_, v)| v.clone())
        .unwrap_or_else(|| "unset".to_string())
}

fn fits(text: &str, line: &str) -> bool {
    read(text, line).is_ok()
}

const TEST: &str = "\
Usage: vagga t [options] [<files>...]

Options:
  -k, --keyword <expr>  Only matching tests [default: smoke]
  -v, --verbose         Say more
";

#[test]
fn example_of_the_manual() {
    let args = ["-v".to_string(), "a b.py".to_string()];
    let Ok(Reading::Values(v)) = document(TEST).read("t", &args) else {
        panic!("does not fit");
    };
    for (name, value) in [
        ("VAGGAOPT_VERBOSE", "true"),
        ("VAGGACLI_VERBOSE", "--verbose"),
        ("VAGGAOPT_KEYWORD", "smoke"),
        ("VAGGACLI_KEYWORD", "--keyword smoke"),
        ("VAGGAOPT_FILES", "a b.py"),
        ("VAGGACLI_FILES", " 'a b.py'"),
        ("VAGGAOPT_T", "true"),
        ("VAGGACLI_T", "t"),
        ("VAGGAOPT_HELP", ""),
        ("VAGGACLI_HELP", ""),
    ] {
        assert_eq!(var(&v, name), value, "{name}");
    }
    assert_eq!(v.variables.len(), 10);
}

#[test]
fn spellings_of_values() {
    let text =
        "Usage: vagga t [options]\n\nOptions:\n  -F, --first <x>  One\n  --second X  Two\n  -t=<n>  Three\n";
    let v = read(text, "-Fhello --second world -t 3").unwrap();
    assert_eq!(var(&v, "VAGGAOPT_FIRST"), "hello");
    assert_eq!(var(&v, "VAGGACLI_FIRST"), "--first hello");
    assert_eq!(var(&v, "VAGGAOPT_SECOND"), "world");
    assert_eq!(var(&v, "VAGGACLI_T"), "-t 3");
    let v = read(text, "--first=xxx").unwrap();
    assert_eq!(var(&v, "VAGGAOPT_FIRST"), "xxx");
    assert_eq!(var(&v, "VAGGAOPT_SECOND"), "");
    assert_eq!(
        read(text, "--first").unwrap_err(),
        "Flag '--first' needs a value."
    );
    assert!(!fits(text, "--first a --first b"));
    assert!(!fits(text, "extra"));
}

#[test]
fn repeated_flags_are_counted() {
    let text = "Usage: vagga t [options]\n\nOptions:\n  -v, --verbose ...  Say more\n  -f ...   Force\n";
    let v = read(text, "-vvvv --verbose -ff").unwrap();
    assert_eq!(var(&v, "VAGGAOPT_VERBOSE"), "5");
    assert_eq!(
        var(&v, "VAGGACLI_VERBOSE"),
        "--verbose --verbose --verbose --verbose --verbose"
    );
    assert_eq!(var(&v, "VAGGACLI_F"), "-ff");
    assert_eq!(var(&read(text, "").unwrap(), "VAGGAOPT_VERBOSE"), "");
    let usage_only = "Usage: vagga t [-v...] [-xx]";
    let v = read(usage_only, "-v -xvx").unwrap();
    assert_eq!(
        (var(&v, "VAGGAOPT_V"), var(&v, "VAGGAOPT_X")),
        ("2".into(), "2".into())
    );
}

#[test]
fn repeated_values_repeat_the_name() {
    let text = "Usage: vagga t [options] [<x>...]\n\nOptions:\n  --test <n> ...  Names [default: p q]\n";
    let v = read(text, "--test a --test=it's b").unwrap();
    assert_eq!(var(&v, "VAGGAOPT_TEST"), "a it's");
    assert_eq!(var(&v, "VAGGACLI_TEST"), r#"--test a --test 'it'"'"'s'"#);
    assert_eq!(var(&v, "VAGGACLI_X"), " b");
    let v = read(text, "").unwrap();
    assert_eq!(var(&v, "VAGGACLI_TEST"), "--test p --test q");
    assert_eq!(var(&v, "VAGGACLI_X"), "");
}

#[test]
fn words_are_escaped_for_the_shell() {
    for (word, escaped) in [
        ("", "''"),
        ("a1@%+=:,./-", "a1@%+=:,./-"),
        ("a_b", "'a_b'"),
        ("a b", "'a b'"),
        ("it's", r#"'it'"'"'s'"#),
        ("$x", "'$x'"),
        ("é", "'é'"),
    ] {
        assert_eq!(escape(word), escaped);
    }
}

#[test]
fn help_needs_options_in_some_usage_line() {
    for arg in ["--help", "-h"] {
        match document(TEST).read("t", &words(arg)) {
            Ok(Reading::Help(text)) => {
                assert!(text.starts_with("vagga t\n\nUsage: vagga t [options]"), "{text}");
                assert!(
                    text.ends_with("Common options:\n  -h, --help  This help\n"),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        document("Usage: vagga t [options] <x>").read("t", &words("-h")),
        Ok(Reading::Help(_))
    ));
    assert_eq!(
        read("Usage: vagga t [<x>]", "--help").unwrap_err(),
        "Invalid arguments."
    );
}

#[test]
fn own_meaning_of_h_wins() {
    let text = "Usage: vagga t [options]\n\nOptions:\n  -h, --host <h>  Where\n";
    let v = read(text, "-h here").unwrap();
    assert_eq!(var(&v, "VAGGAOPT_HOST"), "here");
    assert_eq!(read(text, "--help").unwrap_err(), "help");
}

#[test]
fn unknown_flags_are_named_with_a_suggestion() {
    assert_eq!(read(TEST, "--bad-arg").unwrap_err(), "Unknown flag: '--bad-arg'");
    assert_eq!(
        read(TEST, "--keywrd").unwrap_err(),
        "Unknown flag: '--keywrd'. Did you mean '--keyword'?"
    );
    assert_eq!(read(TEST, "-z").unwrap_err(), "Unknown flag: '-z'");
    assert!(read(TEST, "--verb").is_err(), "no abbreviations");
}

#[test]
fn supervise_options() {
    let d = Document::new(
        "t",
        Some("Text"),
        "Usage: vagga t [options] <c>",
        Section::Supervise,
    )
    .unwrap();
    let Ok(Reading::Values(v)) = d.read("t", &words("--only a --only b --exclude=c x")) else {
        panic!("does not fit");
    };
    assert_eq!(v.only, ["a", "b"]);
    assert_eq!(v.exclude, ["c"]);
    assert_eq!(var(&v, "VAGGAOPT_ONLY"), "a b");
    assert_eq!(var(&v, "VAGGAOPT_C"), "x");
    assert_eq!(d.option_names(), ["-h", "--help", "--only", "--exclude"]);
    assert!(d.help().starts_with("Text\n\nUsage:"));
}

#[test]
fn groups_alternatives_and_commands() {
    let text =
        "Usage:\n  vagga t add <name> [--force]\n  vagga t (del|rm) <name>...\n  vagga t list [-a | -b]\n";
    assert!(fits(text, "add x --force"));
    assert!(fits(text, "--force add x"));
    assert!(!fits(text, "add"));
    assert!(!fits(text, "del --force x"));
    let v = read(text, "rm x y").unwrap();
    assert_eq!(var(&v, "VAGGAOPT_NAME"), "x y");
    assert_eq!(
        (var(&v, "VAGGAOPT_RM"), var(&v, "VAGGAOPT_DEL")),
        ("true".into(), "".into())
    );
    assert!(fits(text, "list -b"));
    assert!(!fits(text, "list -ab"));
    assert!(!fits(text, "other"));
    assert_eq!(document(text).usage(), text.trim_end());
}

#[test]
fn alternatives_share_a_flag_with_two_names() {
    let text = "Usage:\n  vagga t [--watch|-w]\n\nOptions:\n  --watch, -w          enable watch\n";
    assert_eq!(var(&read(text, "-w").unwrap(), "VAGGACLI_WATCH"), "--watch");
    assert!(fits(text, "--watch") && fits(text, ""));
}

#[test]
fn double_dash_ends_options() {
    let text = "Usage:\n  vagga t [options] [--tests=<tests>] [--] [<rest>...]\n\nOptions:\n  --tests=<tests>   Tests to run\n  <rest>  Words\n";
    let v = read(text, "--tests=a -- -x --y").unwrap();
    assert_eq!(var(&v, "VAGGAOPT_TESTS"), "a");
    assert_eq!(var(&v, "VAGGACLI_REST"), " -x --y");
    assert_eq!(var(&v, "VAGGAOPT___"), "true");
    assert_eq!(
        var(&read("Usage: vagga t [<x>]", "-- -v").unwrap(), "VAGGAOPT_X"),
        "-v"
    );
    assert!(fits("Usage: vagga t -- <x>", "-- y"));
    assert!(!fits("Usage: vagga t -- <x>", "y"));
    assert!(fits("Usage: vagga t --", "--"));
    assert!(fits("Usage: vagga t [-]", "-"));
}

#[test]
fn optional_brackets_hold_independent_items() {
    let text = "Usage: vagga t [<x> <y>] [(a b)]";
    assert!(fits(text, "1") && fits(text, "1 2") && fits(text, "1 a b"));
    assert!(!fits("Usage: vagga t [(a b)]", "a"));
}

#[test]
fn loops_over_nothing_end() {
    for text in [
        "Usage: vagga t [options]...",
        "Usage: vagga t [[<x>]...]...",
        "Usage: vagga t ()...",
    ] {
        assert!(fits(text, ""), "{text}");
    }
    assert!(!fits("Usage: vagga t [[-a]...]...", "x"));
}

#[test]
fn long_lists_fit() {
    let args: Vec<String> = (0..60_000).map(|n| n.to_string()).collect();
    assert!(document("Usage: vagga t [options] <x>...")
        .read("t", &args)
        .is_ok());
}

#[test]
fn ambiguous_patterns_end_in_time() {
    let text = format!("Usage: vagga t {} end", "(<x>...)... ".repeat(12));
    let args: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    assert!(document(&text).read("t", &args).is_err());
}

#[test]
fn broken_texts_are_explained() {
    let deep = format!("Usage: vagga t {}", "[".repeat(5000));
    for (text, part) in [
        ("Options: -x", "no `Usage:` section"),
        ("Usage:\n\n", "no usage line"),
        ("Usage: vagga t [<x>", "`]` is missing"),
        ("Usage: vagga t <x>]", "closing bracket"),
        ("Usage: vagga ... t", "must follow something"),
        ("Usage: vagga t <x", "`<` without `>`"),
        (
            "Usage: vagga t [options]\n\n  -x words here",
            "neither ARG nor <arg>",
        ),
        ("Usage: vagga t [options]\n\n  -x  A\n  -x  B", "described twice"),
        (
            "Usage: vagga t [options]\n\n  -x  A [default: 1]",
            "without value",
        ),
        (
            "Usage: vagga t --y\n\n  --y <x>  A",
            "value of \"--y\" is missing",
        ),
        (deep.as_str(), "nested more than"),
    ] {
        let error = Document::new("t", None, text, Section::Common).unwrap_err();
        assert!(error.contains(part), "{text:.40}: {error}");
    }
}

#[test]
fn usage_lines_continue_and_options_may_follow_directly() {
    let text = "usage: vagga t [options]\n           <x>\nOptions:\n  -a  A\n";
    assert!(fits(text, "-a 1"));
    assert!(!fits(text, "-a"));
}

#[test]
fn option_beside_shortcut_is_required() {
    let text = "Usage: vagga t [options] --name=<n>\n\nOptions:\n  --name=<n>  Name\n  -q  Quiet\n";
    assert!(fits(text, "-q --name x"));
    assert!(!fits(text, "-q"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s)(.{0,20}usage: vagga t)?[-a-cA-C<>\\[\\]()|. =:\n]{0,60}(options|\\[default: x\\]|[^\0]){0,5}",
                      args in proptest::collection::vec("[-a-c=é ]{0,5}", 0..6)) {
        if let Ok(d) = Document::new("t", Some("- x"), &text, Section::Supervise) {
            let _ = d.read("t", &args);
            let _ = d.option_names();
        }
    }

    #[test]
    fn grammatical_texts_are_accepted(items in proptest::collection::vec(
        prop_oneof![Just("[options]"), Just("<x>..."), Just("[-a]"), Just("(b|[c])"), Just("--d=<e>"), Just("[--]")], 0..12),
        args in proptest::collection::vec("-a|b|c|--d=1|--|x", 0..8)) {
        let text = format!("Usage: vagga t {}\n\n  -f  F\n", items.join(" "));
        let d = Document::new("t", None, &text, Section::Common).unwrap();
        let _ = d.read("t", &args);
    }

    #[test]
    fn escaped_words_have_no_loose_characters(word in "[^\0]{0,20}") {
        let text = escape(&word);
        // The first quote inside of the outer ones always begins an escape.
        let inner = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
        let undone = inner.map_or(text.clone(), |t| t.replace("'\"'\"'", "'"));
        prop_assert_eq!(undone, word);
    }
}
