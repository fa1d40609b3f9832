//! The table of completions of the manual, and what goes beyond it.

use proptest::prelude::*;

use super::super::samples::{command, config, container, group};
use super::*;

fn sample() -> Config {
    let mut tagged = command();
    tagged.common.tags = vec!["t".into()];
    let mut with_tags = group([("no", tagged.clone()), ("yes", tagged)]);
    with_tags.common.aliases = vec!["grp".into()];
    let mut options = command();
    options.common.options = Some("Usage: vagga opts [options]\n\nOptions:\n  -k, --keep  Keep\n".into());
    let mut c = config([
        ("yes", MainCommand::Command(command())),
        ("no", MainCommand::Command(command())),
        (
            "dont_care",
            MainCommand::Supervise(group([("yes", command()), ("no", command())])),
        ),
    ]);
    c.containers.clear();
    c.containers.insert("ubuntu".into(), container());
    let mut data = container();
    data.data_dirs = vec!["/data".into()];
    c.containers.insert("data".into(), data);
    c.commands
        .insert("zz_tagged".into(), MainCommand::Supervise(with_tags));
    c.commands.insert("zz_opts".into(), MainCommand::Command(options));
    c
}

fn complete(c: &Config, words: &str, current: &str) -> String {
    let mut args: Vec<String> = words.split_whitespace().map(String::from).collect();
    args.push("--".into());
    args.push(current.into());
    candidates(c, &args).lines().collect::<Vec<_>>().join(" ")
}

const GLOBALS: &str =
    "-V --version -E --env --environ -e --use-env --ignore-owner-check --no-image-download --no-build \
                       --no-version-check --no-net --no-network --isolate-network";
const BUILTINS: &str =
    "_build _build_shell _clean _create_netns _destroy_netns _init_storage_dir _list _pack_image \
                        _push_image _run _run_in_netns _version_hash _check_overlayfs_support _base_dir \
                        _relative_work_dir _update_symlinks";

#[test]
fn table_of_the_manual() {
    let mut c = sample();
    c.commands.retain(|n, _| !n.starts_with("zz"));
    let long: String = GLOBALS
        .split(' ')
        .filter(|n| n.starts_with("--"))
        .collect::<Vec<_>>()
        .join(" ");
    let no_build = GLOBALS.replace(" --no-build", "");
    let five = "--only --exclude --no-image-download --no-build --no-version-check";
    for (words, current, expected) in [
        ("", "", "dont_care no yes"),
        ("", "-", GLOBALS),
        ("", "--", &long),
        ("", "y", "yes"),
        ("", "d", "dont_care"),
        ("", "does", ""),
        ("", "--e", "--env --environ"),
        ("yes", "", ""),
        ("--unknown-option", "", "dont_care no yes"),
        ("-E test=123", "", "dont_care no yes"),
        ("--no-build", "-", &no_build),
        ("dont_care", "", five),
        ("--no-version-check -E HOME=/work dont_care", "", five),
        (
            "dont_care --no-build",
            "",
            "--only --exclude --no-image-download --no-version-check",
        ),
        ("dont_care --only", "", "no yes"),
        ("dont_care --only yes", "", "no"),
        (
            "dont_care --only yes",
            "-",
            "--exclude --no-image-download --no-build --no-version-check",
        ),
        ("", "_", BUILTINS),
        ("", "_r", "_run _run_in_netns _relative_work_dir"),
        ("", "_ran", ""),
        ("_build", "", "data ubuntu"),
        ("_build", "-", "--force"),
        ("_build --force", "", "data ubuntu"),
        ("_run", "", "ubuntu"),
        (
            "_run",
            "-",
            "-W --writable --no-image-download --no-build --no-version-check",
        ),
        ("_run -W", "", "ubuntu"),
        ("_run", "ud", ""),
        ("_run unknown_container", "", ""),
    ] {
        assert_eq!(complete(&c, words, current), expected, "{words:?} {current:?}");
    }
    assert_eq!(candidates(&c, &[]), "dont_care\nno\nyes\n");
    assert_eq!(
        candidates(&c, &["dont_care".into(), "--only".into()]),
        "no\nyes\n"
    );
}

#[test]
fn what_the_original_did_not_offer() {
    let c = sample();
    for (words, current, expected) in [
        ("", "g", "grp"),
        ("", "--no-p", "--no-prerequisites"),
        ("", "--c", "--containers-only"),
        ("", "--h", "--help"),
        ("", "_h", "_help _hardlink"),
        ("-E", "", ""),
        ("-EA=b", "z", "zz_opts zz_tagged"),
        ("-m yes", "n", "no"),
        ("-m yes", "_", ""),
        ("grp --only", "", "no t yes"),
        ("grp --only t", "", "no yes"),
        ("zz_opts", "-", "-k --keep -h --help"),
        ("zz_opts", "", ""),
        ("_run --writ", "", "ubuntu"),
        ("_run", "--writ", "--writable --writeable"),
        ("_run ubuntu", "-", ""),
        ("_clean", "--un", "--unused --unused-volumes"),
        ("_clean --at-least", "", ""),
        ("_list", "--no", "--no-aliases"),
        ("_help", "y", "yes"),
        ("_help", "_v", "_version_hash _verify"),
        ("_completion", "", "bash zsh fish"),
    ] {
        assert_eq!(complete(&c, words, current), expected, "{words:?} {current:?}");
    }
}

#[test]
fn scripts_exist() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(script(shell).is_some_and(|s| s.contains("vagga")));
    }
    assert_eq!(script("csh"), None);
}

proptest! {
    #[test]
    fn candidates_begin_with_the_current_word(words in proptest::collection::vec(
        "(-{1,2}[a-zA-Z=-]{0,8}|_run|_build|_clean|yes|dont_care|zz_tagged|zz_opts|--only|-m|--|x)", 0..6)) {
        let c = sample();
        for line in candidates(&c, &words).lines() {
            let current = match words.as_slice() {
                [.., dashes, last] if dashes == "--" => last.as_str(),
                _ => "",
            };
            prop_assert!(line.starts_with(current));
        }
    }
}

#[test]
fn descriptions_come_from_the_table_and_the_project() {
    let mut c = sample();
    c.commands.clear();
    let mut described = command();
    described.common.description = Some("Says\tyes\nand more".into());
    c.commands.insert("yes".into(), MainCommand::Command(described));
    let described = |words: &[&str]| {
        let mut args = vec!["--describe".to_string()];
        args.extend(words.iter().map(ToString::to_string));
        candidates(&c, &args)
    };
    assert_eq!(described(&["--", ""]), "yes\tSays yes\n");
    assert!(described(&["_build", "--", "--f"]).starts_with("--force\tBuild even if"));
    assert!(described(&["_build", "--", "u"]).starts_with("ubuntu\tcontainer\n"));
    assert!(described(&["--", "_bu"]).contains("_build\tBuild a container"));
}
