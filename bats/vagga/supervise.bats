#!/usr/bin/env bats
# Groups of processes.
load project

@test "wait-all-successful, --only, --exclude, names and tags" {
    commands <<'YAML'
both: !Supervise
  mode: wait-all-successful
  children:
    first-line: !Command { container: bb, tags: [one, odd], run: [echo, hello] }
    second-line: !Command { container: bb, tags: [two], run: [echo, world] }
    third-line: !Command { container: bb, tags: [three, odd], run: [echo, again] }
YAML
    run --separate-stderr vagga both
    [ "$status" -eq 0 ]
    [ "$(sort <<<"$output" | tr '\n' ' ')" = 'again hello world ' ]
    run --separate-stderr vagga both --only first-line
    [ "$output" = hello ]
    run --separate-stderr vagga both --exclude first-line three
    [ "$output" = world ]
    run --separate-stderr vagga both --only odd
    [ "$(sort <<<"$output" | tr '\n' ' ')" = 'again hello ' ]
    run -127 --separate-stderr vagga both --only nosuch
    [ "$status" -eq 127 ]
    contains "$stderr" 'no children matching'
    run --separate-stderr vagga both extra
    [ "$status" -eq 122 ]
}

@test "stop-on-failure: any end stops the group, its status is the result" {
    commands <<'YAML'
good: !Supervise
  children:
    quick: !Command { container: bb, run: "exit 0" }
    slow: !Command { container: bb, run: [sleep, "4141"] }
bad: !Supervise
  children:
    quick: !Command { container: bb, run: "exit 1" }
    slow: !Command { container: bb, run: [sleep, "4141"] }
killed: !Supervise
  children:
    quick: !Command { container: bb, run: "kill -KILL $$" }
    slow: !Command { container: bb, run: [sleep, "4141"] }
YAML
    run --separate-stderr timeout 20 vagga good
    [ "$status" -eq 0 ]
    contains "$output" '---------- Process quick:'
    contains "$output" 'exited with code 0. Shutting down -----------'
    run --separate-stderr timeout 20 vagga bad
    [ "$status" -eq 1 ]
    run --separate-stderr timeout 20 vagga killed
    [ "$status" -eq 137 ]
    ! pgrep -f 'sleep 414[1]' || false
}

@test "wait-all-successful: the first failure ends the rest, 200 is shown as 200" {
    commands <<'YAML'
mixed: !Supervise
  mode: wait-all-successful
  children:
    fine: !Command { container: bb, run: "exit 0" }
    fails: !Command { container: bb, run: "sleep 0.2; exit 200" }
    slow: !Command { container: bb, run: [sleep, "4141"] }
YAML
    run --separate-stderr timeout 20 vagga mixed
    [ "$status" -eq 200 ]
    contains "$output" 'exited with code 200'
    ! pgrep -f 'sleep 414[1]' || false
}

@test "a child that ignores TERM is killed after kill-unresponsive-after" {
    commands <<'YAML'
stubborn: !Supervise
  kill-unresponsive-after: 1
  children:
    quick: !Command { container: bb, run: "sleep 0.5; exit 3" }
    stuck: !Command { container: bb, run: "trap '' TERM; while true; do sleep 1; done" }
YAML
    SECONDS=0
    run --separate-stderr timeout 30 vagga stubborn
    [ "$status" -eq 3 ]
    [ "$SECONDS" -le 8 ]
    contains "$output" stuck
    contains "$output" kill-unresponsive-after
}

@test "signals to vagga end the group with 128 + signal" {
    commands <<'YAML'
wait: !Supervise
  children:
    a: !Command { container: bb, run: "touch /work/started; exec sleep 4141" }
    b: !Command { container: bb, run: [sleep, "4141"] }
YAML
    for signal in TERM:143 QUIT:131; do
        rm -f started
        begin wait
        kill "-${signal%:*}" "$pid"
        status=0; wait "$pid" || status=$?
        [ "$status" -eq "${signal#*:}" ]
        [ -s err ]
        ! pgrep -f 'sleep 414[1]' || false
    done
}

@test "kill -9 of vagga leaves no child" {
    commands <<'YAML'
wait: !Supervise
  children:
    a: !Command { container: bb, run: "touch /work/started; exec sleep 4141" }
    b: !Command { container: bb, run: [sleep, "4141"] }
YAML
    begin wait
    kill -9 "$pid"
    wait "$pid" || true
    for _ in $(seq 50); do pgrep -f 'sleep 414[1]' >/dev/null || break; sleep 0.1; done
    ! pgrep -f 'sleep 414[1]' || false
}

@test "children know their names; epilog; a command used as a child" {
    commands <<'YAML'
hello: &hello !Command { container: bb, run: 'echo "$VAGGA_COMMAND/$VAGGA_SUBCOMMAND"' }
names: !Supervise
  mode: wait-all-successful
  epilog: "all done\n"
  children: { child: *hello }
fails: !Supervise
  epilog: "all done\n"
  children: { child: !Command { container: bb, run: "exit 4" } }
YAML
    run --separate-stderr vagga names
    contains "$output" names/child
    contains "$output" 'all done'
    run --separate-stderr vagga hello
    [ "$output" = / ]
    run --separate-stderr vagga fails
    [ "$status" -eq 4 ]
    lacks "$output" 'all done'
}

@test "children have file systems of their own" {
    commands <<'YAML'
own: !Supervise
  mode: wait-all-successful
  children:
    a: !Command { container: bb, run: "touch /tmp/a; sleep 0.3; ls /tmp" }
    b: !Command { container: bb, run: "touch /tmp/b; sleep 0.3; ls /tmp" }
YAML
    run --separate-stderr vagga own
    [ "$(sort <<<"$output" | tr '\n' ' ')" = 'a b ' ]
}

@test "a listening socket is passed as descriptor 3" {
    commands <<'YAML'
listen: !Command { container: bb, pass-tcp-socket: "127.0.0.1:18473", run: "ls -l /proc/self/fd/3 | grep -q socket && echo yes" }
bad: !Command { container: bb, pass-tcp-socket: foo, run: "true" }
YAML
    run --separate-stderr vagga listen
    [ "$output" = yes ]
    run --separate-stderr vagga bad
    [ "$status" -eq 121 ]
    contains "$stderr" 'Error listening "foo"'
}

@test "isolated network, for this command only" {
    commands <<'YAML'
plain: !Command { container: bb, run: "ip link | grep -c '^[0-9]'" }
isolated: !Command { container: bb, isolate-network: true, run: "ip link | grep -c '^[0-9]'" }
group: !Supervise
  isolate-network: true
  children:
    server: !Command { container: bb, run: "echo answer > /tmp/x; while true; do nc -l -p 18474 < /tmp/x; done" }
    client: !Command { container: bb, run: "for i in 1 2 3 4 5 6 7 8 9 10; do nc -w 1 127.0.0.1 18474 < /dev/null | grep -q answer && exit 0; sleep 0.2; done; exit 1" }
YAML
    host=$(ip -o link 2>/dev/null | wc -l || ls /sys/class/net | wc -l)
    run --separate-stderr vagga isolated
    [ "$output" = 1 ]
    run --separate-stderr vagga --no-network _run bb sh -c "ip link | grep -c '^[0-9]'"
    [ "$output" = 1 ]
    run --separate-stderr vagga -m plain isolated plain
    [ "$(tr '\n' ' ' <<<"$output")" = "$host 1 $host " ]
    run --separate-stderr timeout 20 vagga group
    [ "$status" -eq 0 ]
}
