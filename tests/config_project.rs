//! Reading whole projects: lookup, messages, mixins, local files, settings. One test per promise to users.

#![cfg(feature = "vagga")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Once;

use orchestration::vagga::config::load_project;
use orchestration::vagga::failure::Failure;
use orchestration::vagga::project::Project;

thread_local! {
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Collects warnings by thread, that is by test.
struct Log;

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            LOGGED.with(|logged| logged.borrow_mut().push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// A directory with files, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(files: &[(&str, &str)]) -> Dir {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        static LOGGER: Once = Once::new();
        LOGGER.call_once(|| {
            log::set_logger(&Log).expect("the first logger");
            log::set_max_level(log::LevelFilter::Warn);
        });
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vagga-config-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("create a directory");
        let dir = Dir(path);
        for (name, text) in files {
            let file = dir.0.join(name);
            std::fs::create_dir_all(file.parent().expect("a parent")).expect("create a directory");
            std::fs::write(file, text).expect("write a file");
        }
        dir
    }

    fn load(&self) -> Result<Project, Failure> {
        load_project(&self.0, &|_| None)
    }

    fn load_at(&self, sub: &str) -> Result<Project, Failure> {
        load_project(&self.0.join(sub), &|_| None)
    }

    /// The message without the name of the directory.
    fn error(&self) -> String {
        let failure = self.load().expect_err("the project is refused");
        assert_eq!(failure.exit, 126);
        failure.message.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn error_of(text: &str) -> String {
    Dir::new(&[("vagga.yaml", text)]).error()
}

fn project_of(text: &str) -> Project {
    Dir::new(&[("vagga.yaml", text)])
        .load()
        .expect("the project is sound")
}

fn commands(project: &Project) -> Vec<&str> {
    project.config.commands.keys().map(String::as_str).collect()
}

fn logged() -> Vec<String> {
    LOGGED.with(|logged| logged.take())
}

fn command(name: &str) -> String {
    format!("commands:\n  {name}: !Command {{ container: c, run: x }}\ncontainers:\n  c: {{}}\n")
}

#[test]
fn without_a_configuration() {
    let dir = Dir::new(&[("vagga.yml", "")]);
    let failure = dir.load().expect_err("nothing is there");
    assert_eq!(failure.exit, 126);
    assert!(failure.message.contains("Config not found in path"));
    assert!(failure.hint.is_some());
    assert!(logged()
        .iter()
        .any(|line| line.contains("typo") && line.contains("vagga.yaml")));
}

#[test]
fn the_nearest_directory_is_the_project() {
    let (a, b, m) = (command("a"), command("b"), command("m"));
    let b = format!("mixins: [m.yaml]\n{b}");
    let files = [
        ("vagga.yaml", a.as_str()),
        (".vagga/vagga.yaml", &b),
        (".vagga/m.yaml", &m),
        ("sub/dir/x", ""),
    ];
    let dir = Dir::new(&files);
    let project = dir.load_at("sub/dir").expect("found upwards");
    assert_eq!(project.root, dir.0);
    assert_eq!(project.work_dir, Path::new("sub/dir"));
    assert_eq!(commands(&project), ["b", "m"]);
    assert_eq!(project.origins.commands["m"], dir.0.join(".vagga/m.yaml"));

    let dir = Dir::new(&[("vagga.yaml", &a), ("sub/vagga.local.yaml", &command("l"))]);
    let project = dir.load_at("sub").expect("a local file is enough");
    assert_eq!(project.root, dir.0.join("sub"));
    assert_eq!(commands(&project), ["l"]);
}

#[test]
fn a_missing_key_is_told_in_the_last_two_lines() {
    let error = error_of("containers:\n  c: {}\ncommands:\n  test: !Command\n    container: c\n");
    let lines: Vec<&str> = error.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        lines,
        [
            "vagga.yaml:5:5: Validation Error: Field run is expected",
            "vagga.yaml:5:5: Decode error at .commands.test: missing field `run`",
        ]
    );
}

#[test]
fn messages_show_the_place() {
    let text = "commands:\n  test: !Command\n    contianer: c\n    container: c\n    run: x\n";
    let expected = "vagga.yaml:3:5: Validation Error: Keys {\"contianer\"} are not expected (did you mean \
                    \"container\"?) container: Container to run in.\n        contianer: c\n        ^\n";
    assert_eq!(error_of(text), expected);
}

#[test]
fn what_is_refused() {
    let c = "containers: {c: {}}\ncommands:\n  x: ";
    let cases = [
        ("commands: {x: !Comand {container: c, run: y}}", "The tag Comand is not expected (did you mean !Command?)"),
        ("commands: {x: {container: c, run: y}}", "One of the tags [\"Command\", \"Supervise\", \"CapsuleCommand\"] expected"),
        ("_foo: 1\nfoo: 2", "1: Validation Error: Keys {\"foo\"} are not expected"),
        ("commands:\n  x: !Command\n    run: y\n    container: c\n    isolate-network: yes", "Decode error at .commands.x.isolate_network: bad boolean \"yes\""),
        ("commands: {x: !Command {container: c, run: []}}", "`run` must contain at least a command"),
        ("containers: {c: {volumes: {tmp: !Empty }}}", "Path must be absolute"),
        ("a: 1\nb: 2\na: 3", "vagga.yaml:3:1: Parse Error: Duplicate key"),
        ("a:\n\tb: 1", "vagga.yaml:2:1: Tokenizer Error: Tab"),
        ("containers: *nope", "Unknown alias \"nope\""),
        ("containers: {crash: {setup: [!Container crash]}}", "Container \"crash\" has cyclic dependency"),
        ("containers: {a: {setup: [!Container b]}, b: {setup: [!Container c]}, c: {setup: [!Build {container: b}]}}", "has cyclic dependency"),
        ("containers: {a: {setup: [!Container nope]}}", "Container \"nope\" referenced from \"a\" is not found"),
        ("containers: {a: {uids: [5-1]}}", "Error parsing range \"5-1\""),
        ("containers: {a: {uids: [x]}}", "Error parsing range \"x\""),
        ("containers: {a: {setup: [!Frobnicate x]}}", "The tag Frobnicate is not expected"),
        ("containers: {a: {setup: [!Install foo]}}", "Value must be sequence"),
        ("containers: {a: {setup: [!Cmd []]}}", "at least 1 element"),
        ("containers: {a: {setup: [!Copy {source: /work/a, path: /b, colour: red}]}}", "Keys {\"colour\"} are not expected"),
        ("containers: {a: {setup: [!Copy {source: /work/a, path: b}]}}", "Path must be absolute"),
        ("containers: {a: {setup: [!Tar {url: x, subdir: /a}]}}", "Path must not be absolute"),
        ("containers: {a: {setup: [!Tar {url: x, subdir: ../a}]}}", "The /../ is not allowed"),
        ("containers: {a: !*Include ../x.yaml }", "Only relative paths without parent directories"),
        ("containers: {a: !*Include x.yaml }", "x.yaml: Error reading file"),
        ("containers: {a: !*IncludeSeq x.yaml }", "aren't supported yet"),
        ("containers: {a: {setup: [!*Unpack [x]]}}", "must be sequence"),
        ("commands: {", "Unclosed"),
    ];
    for (text, fragment) in cases {
        let error = error_of(text);
        assert!(
            error.contains(fragment),
            "{text:?} gives\n{error}\nwithout {fragment:?}"
        );
    }
    let error = error_of(&format!(
        "{c}!Command {{container: c, run: y, network: {{ip: 172.23.0.1}}}}"
    ));
    assert!(error.contains("Keys {\"network\"} are not expected"), "{error}");
}

#[test]
fn all_violations_are_told() {
    let error = error_of(
        "containers: {c: {volumes: {/x: !Tmpfs {mode: 99999}}}}\ncommands: {x: !Command {container: c, run: y, user-id: -1}}",
    );
    assert!(error.contains("Value must be at most 1023"), "{error}");
    assert!(error.contains("Value must be at least 0"), "{error}");
}

#[test]
fn the_version_comes_first() {
    let error = error_of("minimum-vagga: 9999.0.0\ncontainers: {a: {setup: [!Frobnicate x]}}");
    let mut lines = error.lines();
    let first = lines.next().expect("a line");
    assert!(
        first.ends_with("Minimum Vagga Error: Please upgrade vagga to at least \"9999.0.0\""),
        "{first}"
    );
    let second = lines.next().expect("a second line");
    assert!(second.contains("The tag Frobnicate is not expected"), "{second}");
    let own = env!("CARGO_PKG_VERSION");
    for version in [own.to_string(), format!("v{own}"), "v0.8.1".into()] {
        project_of(&format!("minimum-vagga: {version}"));
    }
}

#[test]
fn a_cycle_is_the_last_line() {
    let error = error_of("containers: {crash: {setup: [!Container crash]}}");
    assert_eq!(
        error.lines().last(),
        Some("Container \"crash\" has cyclic dependency")
    );
}

#[test]
fn numbers_and_texts() {
    let project = project_of(
        "containers:\n  c:\n    environ: {V: 1.10, N: NULL}\n    resolv-conf-path: Null\n    hosts-file-path: ~\n    volumes:\n      \
         /a: !Tmpfs {size: 1_000 ki, mode: 0o755}\n      /b: !Tmpfs {size: 1M}\n      /c: !Tmpfs\n      /d: !Persistent d\n",
    );
    let dump = serde_json::to_value(&project.config).expect("JSON");
    let container = &dump["containers"]["c"];
    assert_eq!(container["environ"]["V"], "1.10");
    assert_eq!(container["environ"]["N"], "NULL");
    assert!(container["resolv_conf_path"].is_null());
    assert!(container["hosts_file_path"].is_null());
    assert_eq!(container["volumes"]["/a"]["Tmpfs"]["size"], 1_024_000);
    assert_eq!(container["volumes"]["/a"]["Tmpfs"]["mode"], 493);
    assert_eq!(container["volumes"]["/b"]["Tmpfs"]["size"], 1_000_000);
    assert_eq!(container["volumes"]["/c"]["Tmpfs"]["size"], 100 << 20);
    assert_eq!(container["volumes"]["/d"]["Persistent"]["name"], "d");
    assert_eq!(container["uids"][0]["end"], 65536);
}

#[test]
fn includes_merges_and_unpacking() {
    let files = [
        (
            "vagga.yaml",
            "_b: &b [!Alpine v3.8]\ncontainers:\n  <<: [!*Include ./sub/x.yaml, {y: {auto-clean: true}}]\n  a:\n    setup:\n    \
             - !*Unpack [*b, !*Include steps.yaml]\n  y: {}\ncommands:\n  hello: !*Include hello.yaml\n",
        ),
        ("sub/x.yaml", "x: !*Include inner.yaml\ny: {auto-clean: true}\n"),
        ("sub/inner.yaml", "setup: [!UbuntuUniverse ]\n"),
        ("steps.yaml", "- !Sh |\n  echo \"it's\"\n- !EnsureDir /x\n"),
        ("hello.yaml", "!Command\ncontainer: a\nrun: >-\n  one\n  two\n"),
    ];
    let project = Dir::new(&files).load().expect("sound");
    let dump = serde_json::to_value(&project.config).expect("JSON");
    assert_eq!(dump["containers"]["a"]["setup"][1]["Sh"], "echo \"it's\"\n");
    assert_eq!(dump["containers"]["a"]["setup"][2]["EnsureDir"], "/x");
    assert_eq!(dump["containers"]["x"]["setup"][0], "UbuntuUniverse");
    assert_eq!(dump["containers"]["y"]["auto_clean"], false);
    assert_eq!(dump["commands"]["hello"]["Command"]["run"]["Shell"], "one two");
}

#[test]
fn problems_in_included_files_name_them() {
    let files = [
        ("vagga.yaml", "containers:\n  a: !*Include sub/x.yaml\n"),
        ("sub/x.yaml", "setup:\n- !Shh x\n"),
    ];
    let error = Dir::new(&files).error();
    assert!(
        error.contains("sub/x.yaml:2:3: Validation Error: The tag Shh"),
        "{error}"
    );
    let error = Dir::new(&[("vagga.yaml", "containers: !*Include vagga.yaml\n")]).error();
    assert!(error.contains("includes itself"), "{error}");
}

#[test]
fn columns_are_those_of_the_file() {
    let error =
        error_of("commands: {'it''s a long name of a command': !Command {container: c, run: x, bad: 1}}");
    assert!(
        error.starts_with("vagga.yaml:1:78: Validation Error: Keys {\"bad\"}"),
        "{error}"
    );
    let error = error_of("containers: {a: {setup: [!UbuntuUniverse, !Sh \"\\x41\", !Bad x]}}");
    assert!(
        error.starts_with("vagga.yaml:1:55: Validation Error: The tag Bad"),
        "{error}"
    );
}

#[test]
fn mixins_by_rank() {
    let main = format!(
        "mixins: [1.yaml, 2.yaml, sub/n.yaml, nope.yaml, ../up.yaml, bad.yaml, new.yaml]\n{}",
        command("o")
    );
    let named = |name: &str, description: &str| {
        format!("commands:\n  {name}: !Command {{ container: c, run: x, description: {description} }}\n")
    };
    let nested = format!("mixins: [m.yaml]\n{}", named("n", "outer"));
    let inner = format!(
        "{}  n: !Command {{ container: c, run: inner }}\n",
        named("deep", "inner")
    );
    let files = [
        ("vagga.yaml", main.as_str()),
        ("1.yaml", &named("m", "first")),
        ("2.yaml", &named("m", "second")),
        ("sub/n.yaml", &nested),
        ("sub/m.yaml", &inner),
        ("bad.yaml", "commands: ["),
        (
            "new.yaml",
            "minimum-vagga: 9999\ncontainers: {x: {setup: [!Future x]}}",
        ),
    ];
    let project = Dir::new(&files).load().expect("mixins cannot spoil a project");
    assert_eq!(commands(&project), ["deep", "m", "n", "o"]);
    let description = |name: &str| project.config.commands[name].common().description.clone();
    assert_eq!(description("m").as_deref(), Some("second"));
    assert_eq!(description("n").as_deref(), Some("outer"));
    let warnings = logged();
    let skipped = warnings.iter().filter(|line| line.contains("Skipping mixin"));
    assert_eq!(skipped.count(), 4, "{warnings:#?}");
    let upgrade: Vec<_> = warnings
        .iter()
        .filter(|line| line.contains("Please upgrade vagga"))
        .collect();
    assert_eq!(upgrade.len(), 1);
    assert!(!upgrade[0].contains("Future"));
}

#[test]
fn local_files_win() {
    let described =
        |d: &str| format!("commands:\n  x: !Command {{ container: c, run: x, description: {d} }}\n");
    let main = format!("{}containers: {{c: {{}}}}\n", described("main"));
    let all = [
        ("vagga.yaml", main.as_str()),
        ("vagga.local.yaml", &described("third")),
        (".vagga.local.yaml", &described("second")),
        (".vagga/local.yaml", &described("first")),
    ];
    for (count, expected) in [(4, "first"), (3, "second"), (2, "third"), (1, "main")] {
        let project = Dir::new(&all[..count]).load().expect("sound");
        assert_eq!(
            project.config.commands["x"].common().description.as_deref(),
            Some(expected)
        );
    }
}

#[test]
fn circles_of_mixins_end() {
    let files = [
        ("vagga.yaml", "mixins: [a.yaml]"),
        ("a.yaml", "mixins: [b.yaml]"),
        ("b.yaml", "mixins: [a.yaml, vagga.yaml]"),
    ];
    Dir::new(&files).load().expect("a circle adds nothing");
}

#[test]
fn settings_override_each_other() {
    let home = Dir::new(&[
        (
            ".config/vagga/settings.yaml",
            "cache-dir: ~/c1\nenviron: {A: 1, B: 1}\nubuntu-mirror: one\n",
        ),
        (".vagga/settings.yaml", "cache-dir: ~/c2\nenviron: {B: 2}\n"),
    ]);
    let dir = Dir::new(&[
        ("vagga.yaml", ""),
        (
            ".vagga.settings.yaml",
            "ubuntu-mirror: two\ndebian-mirror: d\nbuild-lock-wait: true\n",
        ),
    ]);
    let site = format!(
        "storage-dir: /s\npropagate-environ: [X]\nsite-settings:\n  {}:\n    storage-dir: ~/site\n    proxy-env-vars: false\n    \
         propagate-environ: [Y*]\n  /elsewhere: {{ alpine-mirror: no }}\n",
        dir.0.display()
    );
    std::fs::write(home.0.join(".vagga.yaml"), site).expect("write");
    let home_dir = home.0.display().to_string();
    let env = |name: &str| match name {
        "HOME" => Some(home_dir.clone()),
        "VAGGA_SETTINGS" => Some(r#"{"environ": {"C": "\u0033"}, "index-all-images": true}"#.into()),
        _ => None,
    };
    let settings = load_project(&dir.0, &env).expect("sound").settings;
    assert_eq!(settings.cache_dir, Some(home.0.join("c2")));
    assert_eq!(settings.storage_dir, Some(home.0.join("site")));
    assert_eq!(settings.ubuntu_mirror.as_deref(), Some("two"));
    assert_eq!(settings.debian_mirror.as_deref(), Some("d"));
    assert_eq!(settings.propagate_environ, ["X", "Y*"]);
    let environ: Vec<_> = settings.environ.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(environ, ["A=1", "B=2", "C=3"]);
    assert!(!settings.proxy_env_vars && settings.build_lock_wait && settings.index_all_images);
    assert_eq!(settings.alpine_mirror, None);
}

#[test]
fn project_settings_stay_in_the_project() {
    let refused = [
        "storage-dir: /x",
        "cache_dir: /x",
        "push-image-script: x",
        "auto-apply-sysctl: true",
        "site-settings: {}",
    ];
    for text in refused {
        let error = Dir::new(&[("vagga.yaml", ""), (".vagga/settings.yaml", text)]).error();
        assert!(
            error.contains("settings.yaml:1:1: Validation Error: Keys {"),
            "{error}"
        );
        assert!(error.contains("is not allowed in project settings"), "{error}");
    }
    let dir = Dir::new(&[
        ("vagga.yaml", ""),
        (".vagga/settings.yaml", "shared-cache: false"),
    ]);
    let env = |name: &str| (name == "VAGGA_SETTINGS").then(|| "cache-dir: /cache".to_string());
    assert_eq!(
        load_project(&dir.0, &env).expect("sound").settings.cache_dir,
        None
    );
    let env = |name: &str| (name == "VAGGA_SETTINGS").then(|| "nope: 1".to_string());
    let failure = load_project(&dir.0, &env).expect_err("an unknown key");
    assert_eq!(failure.exit, 126);
    assert!(failure
        .message
        .contains("<env:VAGGA_SETTINGS>:1:1: Validation Error: Keys {\"nope\"}"));
}

#[test]
fn what_fails_later_is_announced() {
    project_of(
        "containers: {c: {volumes: {/d: !Persistent {name: d, init-command: nope}, /e: !Container nope2}}}\ncommands:\n  \
         a: !Command {container: nope3, run: x, prerequisites: [nope4], aliases: [z]}\n  \
         b: !Supervise {pass-tcp-socket: 80, aliases: [z], children: {}}\n",
    );
    let warnings = logged().join("\n");
    for fragment in [
        "\"nope\"",
        "\"nope2\"",
        "\"nope3\"",
        "\"nope4\"",
        "pass-tcp-socket",
        "alias \"z\"",
    ] {
        assert!(warnings.contains(fragment), "{fragment} in {warnings}");
    }
}
