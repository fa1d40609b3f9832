#!/usr/bin/env bats
# Groups whose children wait for one another and are started again.
load project

@test "a child starts when those it names are ready: tcp, file, command" {
    commands <<'YAML'
chain: !Supervise
  children:
    a-tests: !Command { container: bb, after: [by-tcp, by-file, by-command], run: "cat /work/order; exit 0" }
    by-tcp: !Command
      container: bb
      ready: { tcp: 18475 }
      run: "sleep 0.3; echo tcp >> /work/order; while true; do nc -l -p 18475 < /dev/null > /dev/null; done"
    by-file: !Command
      container: bb
      after: [by-tcp]
      ready: { file: /tmp/up }
      run: "sleep 0.3; echo file >> /work/order; touch /tmp/up; sleep 4242"
    by-command: !Command
      container: bb
      after: [by-file]
      ready: { command: [test, -e, /tmp/answers], timeout: 20s }
      run: "sleep 0.3; echo command >> /work/order; touch /tmp/answers; sleep 4242"
YAML
    run --separate-stderr timeout 20 vagga chain
    [ "$status" -eq 0 ]
    [ "$(head -3 <<<"$output" | tr '\n' ' ')" = 'tcp file command ' ]
    contains "$stderr" 'vagga: by-tcp: ready after 0.'
    contains "$stderr" 'vagga: by-command: ready after 0.'
    lacks "$stderr" started
    ! pgrep -f 'sleep 424[2]' || false
}

@test "a file is noticed when it appears, not when somebody looks again; behind a link somebody looks" {
    commands <<'YAML'
group: !Supervise
  children:
    told: !Command { container: bb, ready: { file: /tmp/a/b/up, interval: 60s }, run: "sleep 2.6; mkdir -p /tmp/a/b; touch /tmp/a/b/up; sleep 4242" }
    looks: !Command { container: bb, ready: { file: /tmp/link/up, interval: 50ms }, run: "mkdir /tmp/x; ln -s x /tmp/link; sleep 0.5; touch /tmp/x/up; sleep 4242" }
    end: !Command { container: bb, after: [told, looks], run: "exit 0" }
YAML
    run --separate-stderr timeout 20 vagga group
    [ "$status" -eq 0 ]
    echo "$stderr"
    # Looking again after ever longer pauses would have found it after 5.1 seconds.
    grep -Eq 'told: ready after [23][.]' <<<"$stderr"
    grep -Eq 'looks: ready after [01][.]' <<<"$stderr"
}

@test "in an isolated network the port of the group counts, late starts included" {
    commands <<'YAML'
group: !Supervise
  isolate-network: true
  children:
    server: !Command
      container: bb
      ready: { tcp: "127.0.0.1:18475" }
      run: "echo answer > /tmp/x; sleep 0.3; while true; do nc -l -p 18475 < /tmp/x; done"
    client: !Command
      container: bb
      after: [server]
      run: "for i in 1 2 3 4 5; do nc -w 1 127.0.0.1 18475 < /dev/null | grep -q answer && ip link | grep -c '^[0-9]' && exit 0; sleep 0.1; done; exit 9"
YAML
    run --separate-stderr timeout 20 vagga group
    [ "$status" -eq 0 ]
    [ "$(head -1 <<<"$output")" = 1 ]
}

# bats test_tags=ids
@test "a probe of a command with an external id runs as the command does" {
    commands <<'YAML'
group: !Supervise
  children:
    db: !Command
      container: bb
      user-id: 1
      external-user-id: 0
      ready: { command: "test $(id -u) = 1 -a -e /tmp/up", timeout: 10s }
      run: "touch /tmp/up; exec sleep 4242"
    client: !Command { container: bb, after: [db], run: "exit 5" }
YAML
    run --separate-stderr timeout 20 vagga group
    [ "$status" -eq 5 ] || { echo "$stderr"; false; }
    contains "$stderr" 'db: ready'
}

@test "every way of being PID 1, and other users, can be waited for" {
    commands <<'YAML'
group: !Supervise
  children:
    exec: !Command { container: bb, pid1mode: exec, ready: { file: /tmp/x }, run: "touch /tmp/x; exec sleep 4242" }
    all: !Command { container: bb, pid1mode: wait-all-children, ready: { command: "test -e /tmp/x" }, run: "touch /tmp/x; exec sleep 4242" }
    client: !Command { container: bb, after: [exec, all], run: "exit 5" }
leaves: !Supervise
  mode: wait-all-successful
  children:
    all: !Command { container: bb, pid1mode: wait-all-children, ready: { file: /nowhere }, run: "true" }
YAML
    run --separate-stderr timeout 20 vagga group
    [ "$status" -eq 5 ]
    contains "$stderr" 'exec: ready'
    contains "$stderr" 'all: ready'
    SECONDS=0
    run --separate-stderr timeout 20 vagga leaves
    [ "$status" -eq 0 ]
    [ "$SECONDS" -le 5 ]
}

@test "a child that is not ready in time ends the group with 121" {
    commands <<'YAML'
late: !Supervise
  children:
    db: !Command { container: bb, ready: { tcp: 18476, timeout: 500ms }, run: [sleep, "4242"] }
    app: !Command { container: bb, after: [db], run: "touch /work/never" }
YAML
    run --separate-stderr timeout 20 vagga late
    [ "$status" -eq 121 ]
    contains "$output" 'is not ready after 0.5s'
    [ ! -e never ]
    ! pgrep -f 'sleep 424[2]' || false
}

@test "restart: on-failure and always, with pauses that double" {
    commands <<'YAML'
flaky: !Supervise
  children:
    a: !Command { container: bb, restart: on-failure, run: "echo try >> /work/tries; [ $(wc -l < /work/tries) -ge 4 ]" }
forever: !Supervise
  mode: wait-all-successful
  children:
    a: !Command { container: bb, restart: always, run: "echo again >> /work/again" }
    b: !Command { container: bb, run: "while [ $(wc -l < /work/again) -lt 3 ]; do sleep 0.1; done; exit 3" }
YAML
    run --separate-stderr timeout 20 vagga flaky
    [ "$status" -eq 0 ]
    [ "$(wc -l < tries)" -eq 4 ]
    contains "$stderr" 'vagga: a: exited with code 1, starts again in 0.1s'
    contains "$stderr" 'starts again in 0.2s'
    contains "$stderr" 'starts again in 0.4s'
    contains "$output" 'exited with code 0. Shutting down'
    touch again
    run --separate-stderr timeout 20 vagga forever
    [ "$status" -eq 3 ]
    contains "$stderr" 'vagga: a: exited with code 0, starts again'
}

@test "who is started again in an isolated network is where the others are" {
    commands <<'YAML'
group: !Supervise
  isolate-network: true
  children:
    a: !Command { container: bb, restart: on-failure, run: "echo try >> /work/tries; [ $(wc -l < /work/tries) -ge 2 ] || exit 1; readlink /proc/self/ns/net; sleep 4242" }
    b: !Command { container: bb, run: "readlink /proc/self/ns/net; sleep 1.5; exit 0" }
YAML
    run --separate-stderr timeout 20 vagga group
    [ "$status" -eq 0 ]
    [ "$(grep -c '^net:' <<<"$output")" -eq 2 ]
    [ "$(grep '^net:' <<<"$output" | sort -u | wc -l)" -eq 1 ]
}

@test "Ctrl+C between two starts, and kill -9, leave nothing" {
    commands <<'YAML'
flaky: !Supervise
  children:
    a: !Command { container: bb, restart: always, run: "touch /work/started; exit 1" }
    b: !Command { container: bb, ready: { file: /nowhere }, run: [sleep, "4242"] }
YAML
    for signal in INT:130 TERM:143; do
        begin flaky
        sleep 0.5
        kill "-${signal%:*}" "$pid"
        status=0; wait "$pid" || status=$?
        [ "$status" -eq "${signal#*:}" ] || [ "$signal" = INT:130 ]
        ! pgrep -f 'sleep 424[2]' || false
    done
    begin flaky
    kill -9 "$pid"
    wait "$pid" || true
    for _ in $(seq 50); do pgrep -f 'sleep 424[2]' >/dev/null || break; sleep 0.1; done
    ! pgrep -f 'sleep 424[2]' || false
}

@test "--only and --exclude: who is not selected is not waited for" {
    commands <<'YAML'
group: !Supervise
  children:
    db: !Command { container: bb, ready: { file: /nowhere }, run: [sleep, "4242"] }
    app: !Command { container: bb, after: [db], run: "echo alone" }
YAML
    run --separate-stderr timeout 20 vagga group --only app
    [ "$status" -eq 0 ]
    contains "$output" alone
    run --separate-stderr timeout 20 vagga group --exclude db
    contains "$output" alone
}

@test "groups that contradict themselves are refused when the file is read" {
    write_project <<'YAML'
commands:
  ring: !Supervise
    children:
      a: !Command { container: bb, after: [b], run: x }
      b: !Command { container: bb, after: [a], run: x }
YAML
    run --separate-stderr vagga
    [ "$status" -eq 126 ]
    contains "$stderr" 'children wait for one another: a -> b -> a'
    sed -i 's/after: \[b\]/ready: { tcp: 80, file: \/x }/' vagga.yaml
    run --separate-stderr vagga
    [ "$status" -eq 126 ]
    contains "$stderr" 'exactly one of'
    sed -i 's/tcp: 80, file: .x/tcp: 80, timeout: soon/' vagga.yaml
    run --separate-stderr vagga
    [ "$status" -eq 126 ]
    contains "$stderr" 'bad duration "soon"'
}

@test "a listening socket outlives its child, a writable copy is kept" {
    commands <<'YAML'
group: !Supervise
  children:
    a: !Command
      container: bb
      restart: on-failure
      write-mode: transient-hard-link-copy
      pass-tcp-socket: "127.0.0.1:18477"
      run: "ls -l /proc/self/fd/3 | grep -q socket || exit 0; [ -e /kept ] && { echo kept; exit 0; }; touch /kept; exit 1"
YAML
    run --separate-stderr timeout 20 vagga group
    [ "$status" -eq 0 ]
    contains "$output" kept
}

@test "on a terminal every change of a child is one line" {
    commands <<'YAML'
group: !Supervise
  mode: wait-all-successful
  children:
    a: !Command { container: bb, ready: { file: /tmp/x }, run: "touch /tmp/x; sleep 0.5" }
    b: !Command { container: bb, after: [a], run: "true" }
YAML
    run script -qec 'vagga group' /dev/null < /dev/null
    contains "$output" 'waits for a'
    contains "$output" 'started'
    contains "$output" 'ready after'
    contains "$output" 'finished'
}

@test "services as a prerequisite run behind the command and are stopped after it" {
    commands <<'YAML'
services: !Supervise
  children:
    db: !Command { container: bb, ready: { file: /work/up }, run: "sleep 0.3; touch /work/up; trap 'echo bye >> /work/log; exit 0' TERM; while true; do sleep 0.1; done" }
test: !Command { container: bb, prerequisites: [services], run: "ls /work/up && echo testing >> /work/log; exit 7" }
reads: !Command { container: bb, prerequisites: [services], run: "cat" }
YAML
    run --separate-stderr timeout 20 vagga test
    [ "$status" -eq 7 ]
    contains "$output" /work/up
    [ "$(tr '\n' ' ' < log)" = 'testing bye ' ]
    rm up
    run --separate-stderr timeout 20 vagga reads <<<'input is for the command'
    [ "$status" -eq 0 ]
    contains "$output" 'input is for the command'
    rm up
    run --separate-stderr timeout 20 vagga -m services services test
    [ "$status" -eq 7 ]
}

@test "services that fail before they are ready keep the command from starting" {
    commands <<'YAML'
services: !Supervise
  children:
    db: !Command { container: bb, ready: { file: /nowhere }, run: "exit 9" }
late: !Supervise
  children:
    db: !Command { container: bb, ready: { file: /nowhere, timeout: 300ms }, run: [sleep, "4242"] }
test: !Command { container: bb, prerequisites: [services], run: "touch /work/never" }
test2: !Command { container: bb, prerequisites: [late], run: "touch /work/never" }
YAML
    run --separate-stderr timeout 20 vagga test
    [ "$status" -eq 9 ]
    run --separate-stderr timeout 20 vagga test2
    [ "$status" -eq 121 ]
    [ ! -e never ]
    ! pgrep -f 'sleep 424[2]' || false
}

@test "signals while services start, and kill -9 of vagga, end them" {
    commands <<'YAML'
slow: !Supervise
  children:
    db: !Command { container: bb, ready: { file: /nowhere }, run: "touch /work/started; exec sleep 4242" }
quick: !Supervise
  children:
    db: !Command { container: bb, ready: { tcp: 18478 }, run: "nc -l -p 18478; exec sleep 4242" }
a: !Command { container: bb, prerequisites: [slow], run: "true" }
b: !Command { container: bb, prerequisites: [quick], run: "touch /work/started; exec sleep 4242" }
YAML
    begin a
    kill -TERM "$pid"
    status=0; wait "$pid" || status=$?
    [ "$status" -eq 143 ]
    ! pgrep -f 'sleep 424[2]' || false
    begin b
    kill -TERM "$pid"
    status=0; wait "$pid" || status=$?
    [ "$status" -eq 143 ]
    ! pgrep -f 'sleep 424[2]' || false
    begin b
    kill -9 "$pid"
    wait "$pid" || true
    for _ in $(seq 50); do pgrep -f 'sleep 424[2]' >/dev/null || break; sleep 0.1; done
    ! pgrep -f 'sleep 424[2]' || false
}

@test "waiting costs few attempts, and none after the first success" {
    commands <<'YAML'
group: !Supervise
  children:
    slow: !Command
      container: bb
      ready: { command: "echo try >> /work/tries; [ -e /work/up ]" }
      run: "sleep 1; touch /work/up; sleep 1.5; exit 0"
YAML
    run --separate-stderr timeout 20 vagga group
    [ "$status" -eq 0 ]
    # 10, 20, 40, 80, 160 ms, then every 250 ms: nine in the first second.
    tries=$(wc -l < tries)
    [ "$tries" -ge 3 ] && [ "$tries" -le 11 ] || { echo "$tries attempts"; false; }
}
