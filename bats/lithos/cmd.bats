#!/usr/bin/env bats
# lithos_cmd: one command of a sandbox in the foreground.
# bats file_tags=root,young
load lithos.bash
load groups.bash

setup() { setup_lithos; processes <<'YAML'
sh: {kind: Command, image: img.v1, config: /config/sh.yaml}
web: {image: img.v1, config: /config/sh.yaml}
YAML
}

teardown() {
    [ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || true
    remove_groups
}

cmd() { lithos_cmd --master "$L/master.yaml" app "$@"; }

nothing_left() { [ ! -e "$L/run/state/app" ] && [ -z "$(find "$L/run/knots" -type f 2>/dev/null)" ]; }

@test "runs attached, with arguments and its own name; exit 0 (A-120)" {
    script sh <<< 'read line; echo "$line $* $LITHOS_NAME"; [ $$ = 2 ]'
    run cmd sh one --two <<< input
    [ "$status" -eq 0 ]
    [[ "$output" =~ ^input\ one\ --two\ app/cmd\.sh\.[0-9]+$ ]]
    nothing_left
}

@test "the command's exit code is ours (A-121)" {
    script sh <<< 'exit 7'
    run cmd sh < /dev/null
    [ "$status" -eq 7 ]
    script sh <<< 'kill -KILL $$'
    run cmd sh < /dev/null
    [ "$status" -eq 137 ]
    script sh 'normal-exit-codes: [7]' <<< 'exit 7'
    run cmd sh < /dev/null
    [ "$status" -eq 0 ]
    nothing_left
}

@test "what is no command is not started (A-123)" {
    script sh <<< 'exit 0'
    for name in web nothing 'a/b' ..; do
        run cmd "$name" < /dev/null
        [ "$status" -eq 1 ]
    done
    run lithos_cmd --master "$L/master.yaml" app
    [ "$status" -eq 2 ]
    [ ! -e "$L/log/stderr/app.log" ]
}

@test "a failed set-up is told and exits with 1" {
    container sh <<< $'kind: Command\nexecutable: /bin/missing'
    run cmd sh < /dev/null
    [ "$status" -eq 1 ]
    contains "$output" "/bin/missing"
    nothing_left
}

@test "TERM and INT end the container, nothing is left (A-124)" {
    for signal in TERM INT; do
        script sh <<< 'trap "exit 9" TERM; echo started; while :; do sleep 0.1; done'
        # A shell in the background would ignore INT for its children.
        setsid env --default-signal=INT lithos_cmd --master "$L/master.yaml" app sh < /dev/null > "$L/out" 2>&1 &
        pid=$!
        eventually grep started "$L/out"
        kill -$signal "$(pgrep -f "^lithos_cmd --master $L/")"
        code=0; wait $pid || code=$?
        [ "$code" -eq 0 ]
        nothing_left
        ! pgrep -f "^lithos_knot .*$L/" || false
        : > "$L/out"
    done
}

# Runs in the background until it is signalled; $cmd is its process id.
cmd_in_background() {
    script sh <<< 'trap "exit 9" TERM; echo started; while :; do sleep 0.1; done'
    : > "$L/out"
    setsid env --default-signal=INT lithos_cmd --master "$L/master.yaml" app sh < /dev/null > "$L/out" 2>&1 3>&- &
    pid=$!
    eventually grep started "$L/out" || { cat "$L/out"; return 1; }
    cmd=$(pgrep -f "^lithos_cmd --master $L/")
}

@test "its control group goes with it: at the end, after a signal, after a failure" {
    own_groups
    script sh <<< 'exit 0'
    run -0 cmd sh < /dev/null
    [ -n "$(groups)" ] && [ -z "$(scopes)" ]
    cmd_in_background
    [ -n "$(scopes)" ]
    kill -TERM "$cmd"
    wait $pid
    pid=
    [ -z "$(scopes)" ]
    container sh <<< $'kind: Command\nexecutable: /bin/missing'
    run -1 cmd sh < /dev/null
    [ -z "$(scopes)" ]
    nothing_left
}

@test "killed, it takes its container with it; the next one removes what is left" {
    own_groups
    cmd_in_background
    kill -KILL "$cmd"
    wait $pid || true
    pid=
    gone() { ! pgrep -f "^lithos_knot .*$L/"; }
    eventually gone
    [ -n "$(scopes)" ] && [ -e "$L/run/state/app" ]
    # One that runs meanwhile keeps what it has.
    cmd_in_background
    [ "$(scopes | sed 's|.*/||' | sort -u)" = "app:cmd.sh.$cmd.scope" ]
    [ "$(ls "$L/run/state/app")" = "cmd.sh.$cmd" ]
    script sh <<< 'exit 0'
    run -0 cmd sh < /dev/null
    [ "$(ls "$L/run/state/app")" = "cmd.sh.$cmd" ]
    kill -TERM "$cmd"
    wait $pid
    pid=
    nothing_left
    [ -z "$(scopes)" ]
}
