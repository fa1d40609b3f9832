#!/usr/bin/env bats
# Mixins and local files: who wins, what is skipped.
load project

# The text that command $1 of the merged configuration would run.
runs() { vagga _dump_config | python3 -c "
import json, sys
print(json.load(sys.stdin)['commands']['$1']['Command']['run']['Command'][0])"; }

command_in() { printf 'containers: { c: { setup: [] } }\ncommands: { %s: !Command { container: c, run: [%s] } }\n' "$2" "$3" > "$1"; }

@test "main over mixins, later mixins over earlier ones" {
    write_project <<'YAML'
mixins: [1.yaml, 2.yaml]
containers: { c: { setup: [] } }
commands: { o: !Command { container: c, run: [main] } }
YAML
    cat > 1.yaml <<'YAML'
commands:
  m: !Command { container: c, run: [one] }
  o: !Command { container: c, run: [one] }
YAML
    command_in 2.yaml m two
    [ "$(runs m)" = two ]
    [ "$(runs o)" = main ]
    run vagga _list
    [ "${lines[0]}" = "m                   " ]
    [ "${lines[1]}" = "o                   " ]
}

@test "a mixin for a newer vagga is skipped with one message" {
    write_project <<'YAML'
mixins: [new.yaml]
containers: { test: { setup: [ !Text { /x: y } ] } }
YAML
    printf 'minimum-vagga: 9999.0.0\ncontainers: { n: { setup: [ !FutureStep x ] } }\n' > new.yaml
    run vagga _version_hash test
    [ "$status" -eq 0 ]
    [ "$(grep -c 'Please upgrade vagga' <<<"$output")" -eq 1 ]
    lacks "$output" FutureStep
}

@test "missing, invalid and badly named mixins are skipped with a warning each" {
    write_project <<'YAML'
mixins: [missing.yaml, invalid.yaml, ../outside.yaml]
containers: { c: { setup: [] } }
commands: { o: !Command { container: c, run: [main] } }
YAML
    echo 'commands: [' > invalid.yaml
    run vagga _list
    [ "$status" -eq 0 ]
    contains "$output" "o                   "
    [ "$(grep -c 'Skipping mixin' <<<"$output")" -eq 3 ]
}

@test "mixins of mixins are relative to them and rank below" {
    write_project <<'YAML'
mixins: [sub/a.yaml]
YAML
    mkdir -p sub/deep
    cat > sub/a.yaml <<'YAML'
mixins: [deep/b.yaml]
containers: { c: { setup: [] } }
commands: { x: !Command { container: c, run: [outer] } }
YAML
    cat > sub/deep/b.yaml <<'YAML'
commands:
  x: !Command { container: c, run: [inner] }
  y: !Command { container: c, run: [inner] }
YAML
    [ "$(runs x)" = outer ]
    [ "$(runs y)" = inner ]
    run vagga _list -v
    contains "$output" 'sub/deep/b.yaml'
}

@test "local files rank above the main file, .vagga/local.yaml first" {
    write_project <<'YAML'
mixins: [1.yaml]
containers: { c: { setup: [] } }
commands: { o: !Command { container: c, run: [main] } }
YAML
    command_in 1.yaml m mixin
    command_in vagga.local.yaml m local
    [ "$(runs m)" = local ]
    mkdir .vagga
    command_in .vagga/local.yaml m dotlocal
    [ "$(runs m)" = dotlocal ]
    command_in vagga.local.yaml o local
    [ "$(runs o)" = local ]
}
