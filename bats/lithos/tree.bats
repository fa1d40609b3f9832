# lithos_tree: starting, restarting, stopping.
# bats file_tags=root,young

setup() {
    load lithos.bash
    load world.bash
    setup_lithos
}

# bats test_tags=root
@test "instances run as children with the command line of the contract, the process is number 2 inside" {
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' | processes
    start_tree
    eventually running 2
    knot=$(knot_of app/web.1)
    [ "$(ps -o ppid= -p "$knot" | tr -d ' ')" = "$TREE" ]
    line=$(tr '\0' '\n' < "/proc/$knot/cmdline" | tail -n +2)
    [ "$line" = "$(printf '%s\n' --name app/web.1 --master "$L/master.yaml" --config \
        '{"instances":1,"image":"img.v1","config":"/config/web.yaml","kind":"Daemon"}')" ]
    process=$(cat "/proc/$knot/task/$knot/children")
    [ "$(awk '/^NSpid/ {print $3}' "/proc/${process% }/status")" = 2 ]
}

# bats test_tags=root
@test "a process that fails at once is started once per restart-timeout, one that lived longer at once" {
    shell web 'exit 5' 'restart-timeout: 2'
    shell job 'sleep 2; exit 0' 'restart-timeout: 1'
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    start_tree --log-level info
    sleep 5
    [ "$(starts app/web.0)" -ge 2 ] && [ "$(starts app/web.0)" -le 3 ]
    [ "$(starts app/job.0)" -ge 2 ]
    grep -q 'Container "app/web.0" (pid: [0-9]*) exited with code 5' "$L/log/master.log"
}

# bats test_tags=root
@test "ends are logged as what they were: codes above 127, normal ones, signals" {
    shell web 'exit 200' 'restart-timeout: 60' 'normal-exit-codes: [200]'
    sleeper job 'restart-timeout: 60'
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    start_tree --log-level info
    eventually grep -q '\[INFO\] Container "app/web.0" .* exited with code 200' "$L/log/master.log"
    eventually running 1
    knot=$(knot_of app/job.0)
    eventually test -n "$(cat "/proc/$knot/task/$knot/children")"
    kill -9 $(cat "/proc/$knot/task/$knot/children")
    eventually grep -q '\[ERROR\] Container "app/job.0" .* killed by signal SIGKILL\[9\]' "$L/log/master.log"
}

# bats test_tags=root
@test "the knot itself killed: the container is restarted" {
    sleeper web 'restart-timeout: 0'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    old=$(knot_of app/web.0)
    kill -9 "$old"
    another() { [ -n "$(knot_of app/web.0)" ] && [ "$(knot_of app/web.0)" != "$old" ]; }
    eventually another
    running 1
}

# bats test_tags=root
@test "TERM stops the containers, removes what they left, and exits with 0; a reload does not cancel it" {
    shell web "trap '' TERM; sleep 1000" 'kill-timeout: 2'
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' | processes
    start_tree --log-level info
    eventually running 2
    kill -TERM "$TREE"
    sleep 0.3
    kill -HUP "$TREE"
    status=0; wait "$TREE" || status=$?
    [ "$status" -eq 0 ]
    running 0
    [ -z "$(ls "$L/run/state")" ]
    [ "$(starts app/web.0)" -eq 1 ]
    TREE=
}

# bats test_tags=root
@test "INT is the same as TERM" {
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    # A process in the background of a script ignores INT until it asks for it.
    kill -INT "$TREE"
    status=0; wait "$TREE" || status=$?
    [ "$status" -eq 0 ]
    running 0
    TREE=
}

# bats test_tags=root
@test "a second tree is refused with the number of the first; a stale pid file is taken over" {
    : | processes
    mkdir -p "$L/run"
    echo 999999999 > "$L/run/master.pid"
    start_tree
    run lithos_tree -C "$L/master.yaml"
    [ "$status" -eq 1 ]
    contains "$output" "pid $TREE"
    kill -0 "$TREE"
}

# bats test_tags=root
@test "nothing wakes the tree up while nothing happens" {
    command -v strace > /dev/null || skip 'no strace'
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' | processes
    start_tree
    eventually running 2
    sleep 1
    timeout 3 strace -o "$L/calls" -p "$TREE" || true
    # The call it waits in is shown when strace begins.
    [ "$(grep -cv '^strace\|ppoll' "$L/calls" || true)" -eq 0 ]
    [ "$(grep -c ppoll "$L/calls")" -le 2 ]
}

# bats test_tags=root
@test "wrong command lines and missing files: exit 2 and 1" {
    run lithos_tree --nonsense
    [ "$status" -eq 2 ]
    run lithos_tree -C "$L/nothing.yaml"
    [ "$status" -eq 1 ]
    contains "$output" "$L/nothing.yaml"
    echo 'log-level: [' > "$L/broken.yaml"
    run lithos_tree -C "$L/broken.yaml"
    [ "$status" -eq 1 ]
}

# bats test_tags=root
@test "descriptors of whoever started the tree are closed" {
    : | processes
    start_tree 7< /dev/zero
    ! ls -l "/proc/$TREE/fd" | grep -q '/dev/zero' || false
}
