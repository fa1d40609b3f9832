#!/usr/bin/env bats
# Project look-up and the configuration language: what is found, what is accepted, what an error says.
load project

# Runs bare vagga and expects exit status 126 with PART on stderr.
refused() {
    run --separate-stderr vagga
    [ "$status" -eq 126 ]
    contains "$stderr" "$1"
}

@test "no configuration in any parent: a hint" {
    cd "$BATS_TEST_TMPDIR"
    refused 'Config not found in path'
    contains "$stderr" "$BATS_TEST_TMPDIR"
}

@test "--version and --help work without a project" {
    cd "$BATS_TEST_TMPDIR"
    run --separate-stderr vagga --version
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 1 ]
    run --separate-stderr vagga --help
    [ "$status" -eq 0 ]
    contains "$output" "--no-build"
}

@test "a vagga.yml is pointed out as a typo" {
    mkdir "$BATS_TEST_TMPDIR/typo" && cd "$BATS_TEST_TMPDIR/typo"
    : > vagga.yml
    refused 'Config not found'
    contains "$stderr" 'vagga.yml'
    contains "$stderr" 'vagga.yaml'
}

@test "_base_dir and _relative_work_dir" {
    write_project </dev/null
    mkdir -p sub/dir
    run vagga _relative_work_dir
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    cd sub/dir
    run vagga _base_dir
    [ "$output" = "$PROJECT" ]
    run vagga _relative_work_dir
    [ "$output" = "sub/dir" ]
}

@test ".vagga/vagga.yaml replaces vagga.yaml, with mixins relative to it" {
    write_project <<'YAML'
containers: { c: { setup: [] } }
commands: { a: !Command { container: c, run: [x] } }
YAML
    mkdir .vagga
    cat > .vagga/vagga.yaml <<'YAML'
mixins: [m.yaml]
containers: { c: { setup: [] } }
commands: { b: !Command { container: c, run: [x] } }
YAML
    echo 'commands: { m: !Command { container: c, run: [x] } }' > .vagga/m.yaml
    run vagga _list --no-aliases
    [ "$status" -eq 0 ]
    [ "$(echo "$output" | tr -d ' \n')" = "bm" ]
}

@test "a directory with only a local file is a project of its own" {
    write_project </dev/null
    mkdir sub && : > sub/vagga.local.yaml && cd sub
    run vagga _base_dir
    [ "$output" = "$PROJECT/sub" ]
}

@test "an empty vagga.yaml is valid" {
    write_project </dev/null
    run -127 vagga
    [ "$status" -eq 127 ]
}

@test "a command without run" {
    write_project <<'YAML'
containers: { c: { setup: [] } }
commands:
  x: !Command
    container: c
YAML
    refused 'Validation Error: Field run is expected'
}

@test "a misspelt command tag, and none" {
    write_project <<'YAML'
commands: { x: !Comand { container: c, run: [a] } }
YAML
    refused 'The tag Comand is not expected'
    write_project <<'YAML'
commands: { x: { container: c, run: [a] } }
YAML
    refused 'One of the tags'
    contains "$stderr" 'Supervise'
    contains "$stderr" 'CapsuleCommand'
}

@test "unknown keys are refused, keys with an underscore are ignored" {
    write_project <<'YAML'
foo: 1
_foo: 1
YAML
    refused 'Keys {"foo"} are not expected'
    printf '_foo: 1\n' > vagga.yaml
    run -127 vagga
    [ "$status" -eq 127 ]
}

@test "all validation errors of a file are reported" {
    write_project <<'YAML'
containers: { c: { setup: [], volumes: { /t: !Tmpfs { mode: 99999 } } } }
commands: { x: !Command { container: c, run: [a], user-id: -1 } }
YAML
    refused 'Value must be at least 0'
    contains "$stderr" 'Value must be at most'
}

@test "wrong types: boolean, empty run, relative mount point" {
    write_project <<'YAML'
containers: { c: { setup: [] } }
commands: { x: !Command { container: c, run: [a], isolate-network: yes } }
YAML
    refused 'bad boolean'
    write_project <<'YAML'
containers: { c: { setup: [] } }
commands: { x: !Command { container: c, run: [] } }
YAML
    refused 'at least'
    write_project <<'YAML'
containers: { c: { setup: [], volumes: { tmp: !Empty } } }
YAML
    refused 'Path must be absolute'
}

@test "an error names file, line and column and shows the line with a caret" {
    write_project <<'YAML'
containers:
  c:
    setup: []
    colour: red
YAML
    refused 'vagga.yaml:'
    contains "$stderr" 'colour'
    contains "$stderr" '^'
}

@test "duplicate keys, tabs, unknown aliases, unclosed brackets" {
    write_project <<'YAML'
containers:
  c: { setup: [] }
  c: { setup: [] }
YAML
    refused 'Duplicate key'
    contains "$stderr" ':3:'
    printf 'containers:\n\tc: {}\n' > vagga.yaml
    refused 'Tokenizer Error'
    printf 'containers: *x\n' > vagga.yaml
    refused 'Unknown alias "x"'
    printf 'containers: {\n' > vagga.yaml
    refused 'vagga.yaml:'
}

@test "hostile YAML is an ordinary error: depth, aliases, size" {
    write_project </dev/null
    printf '[%.0s' $(seq 20000) > vagga.yaml
    refused 'vagga.yaml:1:'
    {
        echo '_a: &a [x,x,x,x,x,x,x,x,x,x]'
        previous=a
        for name in b c d e f g h i j; do
            echo "_$name: &$name [*$previous,*$previous,*$previous,*$previous,*$previous,*$previous,*$previous,*$previous,*$previous,*$previous]"
            previous=$name
        done
    } > vagga.yaml
    run --separate-stderr timeout 10 vagga
    [ "$status" -eq 126 ]
    head -c 2000000 /dev/zero | tr '\0' '#' > vagga.yaml
    refused 'vagga.yaml'
}

@test "the version demanded is reported first" {
    write_project <<'YAML'
minimum-vagga: 9999.0.0
containers: { c: { setup: [ !Unheard x ] } }
YAML
    refused 'Unheard'
    contains "${stderr_lines[0]}" 'Minimum Vagga Error: Please upgrade vagga to at least "9999.0.0"'
    for version in v0.1.0 0.1.0 "$(vagga --version)"; do
        printf 'minimum-vagga: %s\n' "$version" > vagga.yaml
        run -127 vagga
        [ "$status" -eq 127 ]
    done
}

@test "containers that are built from themselves or from nothing" {
    write_project <<'YAML'
containers: { crash: { setup: [ !Container crash ] } }
YAML
    run --separate-stderr vagga
    [ "$status" -eq 126 ]
    [ "${stderr_lines[-1]}" = 'Container "crash" has cyclic dependency' ]
    write_project <<'YAML'
containers:
  a: { setup: [ !Container b ] }
  b: { setup: [ !Container c ] }
  c: { setup: [ !Container b ] }
YAML
    refused 'has cyclic dependency'
    write_project <<'YAML'
containers: { a: { setup: [ !Container nowhere ] } }
YAML
    refused 'is not found'
    contains "$stderr" 'referenced from'
}

@test "includes, merges and unpacking" {
    write_project <<'YAML'
_a: &a [ !Text { /a: a } ]
_b: &b [ !Text { /b: b } ]
containers:
  <<: [ !*Include sub/x.yaml ]
  c:
    setup: [ !*Unpack [ *a, *b ] ]
  d: !*Include ./d.yaml
YAML
    mkdir sub
    echo 'fromsub: !*Include y.yaml' > sub/x.yaml
    echo 'setup: []' > sub/y.yaml
    echo 'setup: [ !Text { /a: a } , !Text { /b: b } ]' > d.yaml
    run vagga _list --containers
    [ "$status" -eq 0 ]
    [ "$(echo "$output" | tr '\n' ' ')" = "c d fromsub " ]
    [ "$(vagga _version_hash c)" = "$(vagga _version_hash d)" ]
}

@test "includes that leave the directory or are missing" {
    write_project <<'YAML'
containers: !*Include ../x.yaml
YAML
    refused 'Only relative paths'
    write_project <<'YAML'
containers: !*Include nosuch.yaml
YAML
    refused 'Error reading file'
    contains "$stderr" 'nosuch.yaml'
}

@test "standard YAML that the original lacked" {
    write_project <<'YAML'
containers:
  c:
    setup:
    - !Text { /folded: 'it''s', /hex: "\x41\u00e9" }
    - !Sh >-
        echo one
        two
    - !Sh |-
        echo chomped
    volumes: { /e: !Empty}
YAML
    run --separate-stderr vagga _version_hash --debug-versioning c
    [ "$status" -eq 0 ]
    contains "$output$stderr" "data: it\\'s"
    contains "$output$stderr" 'data: A\xc3\xa9'
    contains "$output$stderr" "echo one two"
}

@test "numbers with units and bases" {
    write_project <<'YAML'
containers:
  c:
    setup: []
    volumes:
      /a: !Tmpfs { size: 1_000 ki }
      /b: !Tmpfs { size: 1M, mode: 0o755 }
YAML
    run vagga _dump_config
    [ "$status" -eq 0 ]
    contains "$output" 1024000
    contains "$output" 1000000
    contains "$output" 493
}

@test "build steps: scalar for a list, unknown option, relative and absolute paths" {
    write_project <<'YAML'
containers: { c: { setup: [ !Install foo ] } }
YAML
    refused 'sequence'
    write_project <<'YAML'
containers: { c: { setup: [ !Copy { source: /work/a, path: /b, colour: red } ] } }
YAML
    refused 'colour'
    write_project <<'YAML'
containers: { c: { setup: [ !Copy { source: /work/a, path: b } ] } }
YAML
    refused 'Path must be absolute'
    write_project <<'YAML'
containers: { c: { setup: [ !Tar { url: x, subdir: /a } ] } }
YAML
    refused 'must not be absolute'
    write_project <<'YAML'
containers: { c: { setup: [ !Tar { url: x, subdir: ../a } ] } }
YAML
    refused '/../'
    write_project <<'YAML'
containers: { c: { setup: [], uids: [5-1] } }
YAML
    refused 'uids'
    lacks "$stderr" 'panicked'
}
