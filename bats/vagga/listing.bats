#!/usr/bin/env bats
# What vagga lists and explains.
load project

listed() {
    write_project <<'YAML'
containers: { c: { setup: [] } }
commands:
  build: !Command { container: c, run: [a], description: Compile everything }
  test: !Command
    container: c
    run: [a]
    aliases: [check, t, build]
    description: |
      Run the test suite
      and print a summary
  name-longer-than-nineteen: !Command { container: c, run: [a], description: Description on the next line }
  plain: !Command { container: c, run: [a] }
  demo: !Command { container: c, run: [a], description: Small demo, group: Examples }
  _hidden: !Command { container: c, run: [a], aliases: [seen], group: Hidden only }
YAML
}

@test "bare vagga lists on stderr and exits with 127" {
    listed
    run -127 --separate-stderr vagga
    [ "$status" -eq 127 ]
    [ "$output" = "" ]
    expected=$(cat <<'TEXT'
Available commands:
    build               Compile everything
    name-longer-than-nineteen
                        Description on the next line
    plain
    test                Run the test suite
                        and print a summary
                        (aliases: check, t)

Examples:
    demo                Small demo
TEXT
)
    [ "$stderr" = "$expected" ] || { diff <(echo "$expected") <(echo "$stderr"); false; }
    run -127 --separate-stderr vagga _help
    [ "$stderr" = "$expected" ]
}

@test "_list and its options" {
    listed
    run vagga _list
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "build               Compile everything" ]
    lacks "$output" _hidden
    contains "$output" "check               Run the test suite"
    run vagga _list --no-aliases
    lacks "$output" "check "
    run vagga _list -A
    contains "$output" "_hidden"
    contains "$output" "_version_hash"
    run vagga _list --hidden
    contains "$output" "_hidden"
    run vagga _list --zsh
    contains "$output" "build:Compile everything"
    contains "$output" "test:Run the test suite"
    run vagga _list --containers
    [ "$output" = "c" ]
    run vagga _list -v
    contains "$output" '(from "'
    run vagga _list --nosuch
    [ "$status" -eq 122 ]
}

@test "_help of commands and built-ins" {
    listed
    run --separate-stderr vagga _help build
    [ "$status" -eq 0 ]
    contains "$output" "Compile everything"
    contains "$output" "vagga build <OPTIONS>"
    run vagga _help _run
    [ "$status" -eq 0 ]
    first=$output
    run vagga _run --help
    [ "$status" -eq 0 ]
    [ "$output" = "$first" ]
    run vagga _help nosuch
    [ "$status" -eq 121 ]
}

@test "an unknown command, with a suggestion" {
    listed
    run --separate-stderr vagga nosuch
    [ "$status" -eq 121 ]
    contains "$stderr" 'Command "nosuch" not found and is not an alias'
    run --separate-stderr vagga biuld
    [ "$status" -eq 121 ]
    contains "$stderr" 'build'
}

@test "an unknown option is a usage error" {
    listed
    run --separate-stderr vagga --nosuch
    [ "$status" -eq 122 ]
    contains "$stderr" 'Unknown option --nosuch'
}

@test "arguments that are not UTF-8 are one clear error" {
    listed
    run --separate-stderr vagga plain $'\xff\xfe'
    [ "$status" -eq 122 ]
    contains "$stderr" 'UTF-8'
    [ "${#stderr_lines[@]}" -le 2 ]
}

@test "listing touches no storage" {
    listed
    run vagga _list
    [ ! -e .vagga ]
}
