#!/usr/bin/env bats
# All problems at once, and the schema for editors.
load project

@test "_check: a sound project is silent" {
    commands <<'YAML'
a: !Command { container: bb, run: "true" }
YAML
    run vagga _check --strict
    [ "$status" -eq 0 ]
    [ "$output" = '' ]
}

@test "_check: errors and warnings with their places, exit codes" {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } ] }
  spare: { setup: [ !Tar { url: ./nowhere.tar } ] }
commands:
  a: !Command
    container: bb
    run: "true"
YAML
    run --separate-stderr vagga _check
    [ "$status" -eq 0 ]
    contains "$output" "$PROJECT/vagga.yaml:3:3: Warning: container \"spare\" is used by no command"
    contains "$output" '"./nowhere.tar" is not there (yet?)'
    [ "$stderr" = 'vagga: 0 errors, 2 warnings' ]
    run --separate-stderr vagga _check --strict
    [ "$status" -eq 126 ]
    cat >> vagga.yaml <<'YAML'
  b: !Command
    container: bc
    run: []
    isolate-network: yes
  c: !Command { container: gone, prerequisites: [d], run: x }
YAML
    run --separate-stderr vagga _check
    [ "$status" -eq 126 ]
    contains "$output" 'vagga.yaml:10:10: Validation Error: `run` must contain'
    contains "$output" 'bad boolean "yes"'
    contains "$output" 'vagga.yaml:12:28: Error: container "gone" of command "c" is not defined'
    contains "$output" 'prerequisite "d" of command "c" is not defined'
    contains "$output" '                              ^'
    lacks "$output" 'container "bc"'
    [ ! -e .vagga ]
}

@test "_check FILE looks at one file with its mixins; without a project it fails" {
    write_project <<'YAML'
containers: { broken: }
  x
YAML
    mkdir other
    echo 'commands: { a: !Command { container: nowhere, run: x } }' > other/one.yaml
    run --separate-stderr vagga _check other/one.yaml
    [ "$status" -eq 126 ]
    contains "$output" 'other/one.yaml:1:38: Error: container "nowhere"'
    run --separate-stderr vagga _check
    [ "$status" -eq 126 ]
    contains "$output" 'vagga.yaml:'
    run vagga _check missing.yaml
    [ "$status" -eq 126 ]
    contains "$output" 'Error reading file'
    cd "$BATS_TEST_TMPDIR"
    run vagga _check
    [ "$status" -eq 126 ]
    contains "$output" 'Config not found'
}

@test "_check reads the settings of the project too" {
    write_project <<< 'commands: {}'
    echo 'storage-dir: /tmp' > .vagga.settings.yaml
    run vagga _check
    [ "$status" -eq 126 ]
    contains "$output" 'not allowed in project settings'
}

@test "_schema is JSON with a line about every key, without a project" {
    cd "$BATS_TEST_TMPDIR"
    vagga _schema > schema.json
    python3 - <<'PY'
import json
schema = json.load(open("schema.json"))
assert schema["$schema"].endswith("2020-12/schema")
text = json.dumps(schema)
for word in ["prerequisites", "kill-unresponsive-after", "Children of the group that have to be ready"]:
    assert word in text, word
PY
}

@test "_schema settings, _man vagga.yaml" {
    cd "$BATS_TEST_TMPDIR"
    vagga _schema settings | grep -q '"storage-dir"'
    run vagga _schema nonsense
    [ "$status" -eq 122 ]
    vagga _man vagga.yaml > page
    grep -q '^\.SS !Supervise' page
    grep -q '^\.SS !Debian' page
    run vagga _man nonsense
    [ "$status" -eq 122 ]
}
