//! Whole files against the lines they are to produce.

use super::*;
use std::fs;

fn check(files: &[(&str, &str)]) -> (Report, Vec<String>) {
    let dir = std::env::temp_dir().join(format!(
        "vagga-check-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    fs::create_dir_all(&dir).unwrap();
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
    let report = project(&dir, &|_| None);
    fs::remove_dir_all(&dir).unwrap();
    let report = report.unwrap();
    let prefix = format!("{}/", dir.display());
    let lines = report.text.lines().filter_map(|line| line.strip_prefix(&prefix));
    let lines = lines.map(str::to_string).collect();
    (report, lines)
}

#[test]
fn a_sound_project_has_no_problems() {
    let text = "containers: {c: {setup: [!Debian trixie]}}\ncommands: {a: !Command {container: c, run: x}}\n";
    let (report, lines) = check(&[("vagga.yaml", text)]);
    assert_eq!((report.errors, report.warnings), (0, 0), "{lines:?}");
    assert_eq!(report.text, "");
}

#[test]
fn everything_is_said_at_once_each_at_its_place() {
    let text = "\
containers:
  unused:
    setup:
    - !Debian trixie
    - !Depends nothing.txt
    - !Container missing
  ring:
    setup: [!Container ring]
commands:
  test: !Command
    container: nowhere
    prerequisites: [nobody, t]
    run: x
  other: !Command
    container: unused
    aliases: [t, test]
    options: \"no usage\"
    run: x
  _hidden: !Command { container: ring, run: x }
  broken: !Command
    container: unused
    rum: x
  group: !Supervise
    children:
      a: !Command { container: ring, run: x, after: [b] }
";
    let (report, lines) = check(&[("vagga.yaml", text)]);
    let expected = [
        "vagga.yaml:5:16: Warning: !Depends of container \"unused\": \"nothing.txt\" is not there (yet?)",
        "vagga.yaml:6:18: Error: Container \"missing\" referenced from \"unused\" is not found",
        "vagga.yaml:7:3: Error: Container \"ring\" has cyclic dependency",
        "vagga.yaml:11:16: Error: container \"nowhere\" of command \"test\" is not defined",
        "vagga.yaml:12:21: Error: prerequisite \"nobody\" of command \"test\" is not defined",
        "vagga.yaml:16:18: Warning: alias \"test\" of command \"other\" is the name of a command, which wins",
    ];
    for line in expected {
        assert!(lines.contains(&line.to_string()), "{line}\n{lines:#?}");
    }
    let has = |part: &str| lines.iter().any(|l| l.contains(part));
    assert!(
        has("Keys {\"rum\"} are not expected (did you mean \"run\"?)"),
        "{lines:#?}"
    );
    assert!(has("\"b\" is not a child of this group"));
    assert!(has("Error parsing `options` in command \"other\""));
    assert!(
        !has("container \"unused\" is used by"),
        "a broken command may use it"
    );
    assert_eq!((report.errors, report.warnings), (8, 2), "{}", report.text);
    assert!(report
        .text
        .contains("\n        container: nowhere\n                   ^\n"));
}

#[test]
fn what_nothing_uses_is_a_warning() {
    let text =
        "containers: {c: {setup: []}, d: {setup: []}}\ncommands: {_h: !Command {container: c, run: x}}\n";
    let (report, lines) = check(&[("vagga.yaml", text)]);
    assert_eq!((report.errors, report.warnings), (0, 2), "{lines:?}");
    assert!(
        lines[0].contains(":1:30: Warning: container \"d\" is used by no command"),
        "{lines:?}"
    );
    assert!(lines[1].contains("command \"_h\" is not listed"));
}

#[test]
fn mixins_are_checked_in_their_own_files() {
    let main = "mixins: [m.yaml, ../up.yaml, gone.yaml]\ncommands: {a: !Command {container: c, run: x}}\n";
    let mixin = "containers: {c: {setup: [!Container d]}}\n";
    let (report, lines) = check(&[("vagga.yaml", main), ("m.yaml", mixin)]);
    assert_eq!(report.errors, 3, "{lines:?}");
    assert!(lines
        .iter()
        .any(|l| l.starts_with("m.yaml:1:") && l.contains("referenced from")));
    assert!(lines
        .iter()
        .any(|l| l.starts_with("vagga.yaml:1:") && l.contains("up.yaml")));
    assert!(lines
        .iter()
        .any(|l| l.starts_with("gone.yaml: Error reading file")));
}

#[test]
fn a_file_that_is_no_yaml_is_one_problem() {
    let (report, lines) = check(&[("vagga.yaml", "commands: [\n")]);
    assert_eq!((report.errors, report.warnings), (1, 0), "{lines:?}");
}

proptest::proptest! {
    /// Whatever a file says, checking it ends with a report.
    #[test]
    fn no_text_can_hurt_it(text in "(containers|commands|mixins|  a|: |!Command|\\[|\\]|\\{|\\}|\n|-| |x|!Container|a|,|&a|\\*a){0,60}") {
        let path = std::env::temp_dir().join(format!("vagga-check-{}-{:?}.yaml", std::process::id(), std::thread::current().id()));
        fs::write(&path, text).unwrap();
        let _ = file(&path);
        fs::remove_file(&path).unwrap();
    }
}
