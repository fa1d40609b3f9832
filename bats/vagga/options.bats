#!/usr/bin/env bats
# `options` (docopt), several commands at once, prerequisites.
load project

args() {
    commands <<'YAML'
args: !Command
  container: bb
  description: Show the options
  options: |
    Usage: vagga args [options] [<files>...]

    Options:
      -F, --first <x>    The first
      --second <x>       The second [default: smoke]
      -v, --verbose ...  Say more
      --quiet            Say less
  run: |
    echo "first=$VAGGAOPT_FIRST second=$VAGGAOPT_SECOND verbose=$VAGGAOPT_VERBOSE quiet=$VAGGAOPT_QUIET files=$VAGGAOPT_FILES n=$#"
    echo "cli: $VAGGACLI_FIRST|$VAGGACLI_VERBOSE|$VAGGACLI_FILES|$VAGGACLI_ARGS"
YAML
}

@test "values, defaults, repeated flags, positionals" {
    args
    run --separate-stderr vagga args -Fhello --second world
    [ "${lines[0]}" = 'first=hello second=world verbose= quiet= files= n=0' ]
    run --separate-stderr vagga args --first=xxx -vvvv --verbose 'a b.py' "c'd"
    [ "${lines[0]}" = "first=xxx second=smoke verbose=5 quiet= files=a b.py c'd n=0" ]
    contains "${lines[1]}" "--first xxx|--verbose --verbose --verbose --verbose --verbose| 'a b.py' 'c'\"'\"'d'|args"
}

@test "help and errors of options" {
    args
    run --separate-stderr vagga args --help
    [ "$status" -eq 0 ]
    contains "$output" 'Show the options'
    contains "$output" 'Usage: vagga args [options]'
    contains "$output" '--help'
    run --separate-stderr vagga args --bad-arg
    [ "$status" -eq 121 ]
    contains "$stderr" "Unknown flag: '--bad-arg'"
    contains "$stderr" 'Usage: vagga args [options]'
    run --separate-stderr vagga args --first
    [ "$status" -eq 121 ]
}

@test "without [options] there is no --help; broken text is an error of that command only" {
    commands <<'YAML'
plain: !Command { container: bb, options: "Usage: vagga plain <x>", run: "echo $VAGGAOPT_X" }
broken: !Command { container: bb, options: "Usage: vagga broken [<x>", run: "true" }
YAML
    run vagga plain --help
    [ "$status" -eq 121 ]
    run --separate-stderr vagga plain 5
    [ "$output" = 5 ]
    run vagga plain
    [ "$status" -eq 121 ]
    run --separate-stderr vagga broken
    [ "$status" -eq 121 ]
    contains "$stderr" 'Error parsing `options`'
}

@test "options of a group reach every child" {
    commands <<'YAML'
group: !Supervise
  mode: wait-all-successful
  options: |
    Usage: vagga group [options] <container>
  children:
    a: !Command { container: bb, run: 'echo "a $VAGGAOPT_CONTAINER $VAGGAOPT_ONLY"' }
    b: !Command { container: bb, run: 'echo "b $VAGGAOPT_CONTAINER"' }
YAML
    run --separate-stderr vagga group web
    [ "$(sort <<<"$output" | tr '\n' ' ')" = 'a web  b web ' ]
    run --separate-stderr vagga group --only a web
    [ "$output" = 'a web a' ]
}

chain() {
    commands <<'YAML'
one: !Command { container: bb, run: [echo, one], aliases: [first] }
two: !Command { container: bb, run: [echo, two], prerequisites: [one] }
three: !Command { container: bb, run: [echo, three], prerequisites: [first] }
four: !Command { container: bb, run: [echo, four], prerequisites: [two, three] }
fail: !Command { container: bb, run: "exit 5" }
after: !Command { container: bb, run: [echo, after], prerequisites: [fail] }
a: !Command { container: bb, run: [echo, a], prerequisites: [b] }
b: !Command { container: bb, run: [echo, b], prerequisites: [a] }
lost: !Command { container: bb, run: [echo, lost], prerequisites: [nosuch] }
YAML
}

in_order() { [ "$(tr '\n' ' ' <<<"$output")" = "$1 " ] || { echo "$output"; false; }; }

@test "prerequisites: order, once each, cycles, failures" {
    chain
    run --separate-stderr vagga two; in_order 'one two'
    run --separate-stderr vagga four; in_order 'one two three four'
    run --separate-stderr vagga -m three two four; in_order 'one three two four'
    run --separate-stderr vagga --no-prerequisites two; in_order 'two'
    run --separate-stderr vagga a; in_order 'b a'
    run --separate-stderr vagga after
    [ "$status" -eq 5 ]
    [ "$output" = "" ]
    run --separate-stderr vagga lost
    [ "$status" -eq 121 ]
    [ "$output" = "" ]
}

@test "several commands: they stop at the first failure; unknown names and built-ins are refused" {
    chain
    run --separate-stderr vagga -m one fail two
    [ "$status" -eq 5 ]
    in_order 'one'
    run vagga -m one nosuch
    [ "$status" -eq 121 ]
    run vagga -m _list
    [ "$status" -eq 121 ]
}

@test "all containers are built before anything runs" {
    write_project <<'YAML'
containers:
  a: { setup: [ !Tar { url: ./busybox.tar } ] }
  b: { setup: [ !Tar { url: ./busybox.tar } , !Text { /b: "" } ] }
commands:
  x: !Command { container: a, run: "echo ran" }
  y: !Command { container: b, run: "echo ran" }
YAML
    run vagga -m x y
    [ "$status" -eq 0 ]
    [ "$(grep -n 'built in' <<<"$output" | tail -1 | cut -d: -f1)" -lt "$(grep -n '^ran$' <<<"$output" | head -1 | cut -d: -f1)" ]
}
