#!/usr/bin/env bats
# Signals and the terminal.
load project

setup() {
    write_project <<'YAML'
containers:
  bb: { setup: [ !Tar { url: ./busybox.tar } ] }
commands:
  traps: !Command { container: bb, run: "trap 'exit 7' TERM; trap 'exit 8' INT; trap 'exit 9' QUIT; touch /work/started; while true; do sleep 0.1; done" }
  sleep: !Command { container: bb, run: "touch /work/started; exec sleep 4545" }
  sh: !Command { container: bb, environ: { PS1: "INSIDE> " }, run: [sh, -i] }
  count: !Command { container: bb, run: "i=0; while true; do i=$((i+1)); echo count $i; sleep 0.2; done" }
  cat: !Command { container: bb, run: [cat] }
YAML
    vagga _build bb 2>/dev/null
}

@test "handlers of the program decide" {
    for pair in TERM:7 QUIT:9; do
        begin traps
        kill "-${pair%:*}" $pid
        status=0; wait $pid || status=$?
        [ "$status" -eq "${pair#*:}" ]
    done
    # A shell starts background jobs with INT ignored, so INT is sent from a terminal.
    play <<'PY'
start("vagga", "traps")
import os, time
for _ in range(200):
    if os.path.exists("started"): break
    time.sleep(0.05)
time.sleep(0.3)
send("\x03")
assert end() == 8, "expected the INT handler's status"
PY
}

@test "without handlers: 128 + signal" {
    begin sleep
    kill -TERM $pid
    status=0; wait $pid || status=$?
    [ "$status" -eq 143 ]
    play <<'PY'
start("vagga", "count")
expect("count 2")
send("\x03")
assert end() == 130
PY
    ! pgrep -f 'sleep 454[5]' || false
}

@test "no signal is lost while the container is being set up" {
    for pause in 0.002 0.004 0.006 0.008 0.01 0.012 0.015 0.02 0.03 0.04; do
        vagga sleep > out 2> err &
        pid=$!
        sleep "$pause"
        kill -TERM "$pid"
        status=0; timeout 10 tail --pid="$pid" -f /dev/null || status=$?
        [ "$status" -eq 0 ] || { kill -KILL "$pid"; echo "lost after $pause"; false; }
        wait "$pid" || status=$?
        [ "$status" -eq 143 ]
    done
}

@test "HUP, USR1 and KILL end vagga and everything below" {
    for signal in HUP USR1 KILL; do
        begin sleep
        kill "-$signal" $pid
        status=0; wait $pid || status=$?
        [ "$status" -gt 128 ]
        for _ in $(seq 50); do pgrep -f 'sleep 454[5]' >/dev/null || break; sleep 0.1; done
        ! pgrep -f 'sleep 454[5]' || false
    done
}

@test "an interactive shell: Ctrl-C reaches the program inside only" {
    play <<'PY'
start("vagga", "sh")
expect("INSIDE> ")
send("sleep 20\n")
import time; time.sleep(0.5)
send("\x03")
expect("INSIDE> ")
send("echo status=$?\n")
expect("status=130")
expect("INSIDE> ")
send("exit 3\n")
assert end() == 3
PY
}

@test "Ctrl-Z suspends vagga and fg resumes it, twice" {
    play <<'PY'
shell()
send("vagga count\n")
expect("count 2")
for turn in range(2):
    send("\x1a")
    expect("Stopped")
    expect("PROMPT> ")
    send("echo at the shell\n")
    expect("at the shell\r\n")
    send("fg\n")
    expect("count ")
    expect("count ")
send("\x03")
expect("PROMPT> ")
send("exit\n")
end()
PY
}

@test "Ctrl-Z of an interactive program gives the terminal back" {
    play <<'PY'
shell()
send("vagga cat\n")
import time; time.sleep(0.7)
send("hello\n")
expect("hello\r\nhello")
send("\x1a")
expect("Stopped")
expect("PROMPT> ")
send("fg\n")
time.sleep(0.7)
send("again\n")
expect("again\r\nagain")
send("\x04")
expect("PROMPT> ")
send("exit\n")
end()
PY
}

@test "a pipeline: the other end is not disturbed, the terminal is usable afterwards" {
    play <<'PY'
shell()
send("vagga count | head -n 3 | tr a-z A-Z\n")
expect("COUNT 3")
expect("PROMPT> ")
send("stty -a | grep -o isig; echo usable\n")
expect("usable")
send("exit\n")
end()
PY
}
