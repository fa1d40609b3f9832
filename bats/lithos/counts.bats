# Promises in counts: what a start costs, and that nothing happens where nothing is to be done.
# bats file_tags=root,young

load lithos.bash
load world.bash
load groups.bash

setup() { setup_lithos; }

teardown() {
    stop_tree
    remove_groups
}

# The system calls of all processes but the tree, from the first of the knot to the exec of /bin/sleep. A debug build asks for each
# descriptor that it closes whether it is open (F_GETFD); a release does not, and nothing else asks.
start_in_trace() {
    awk -v tree="$1" '$1 == tree || /resumed>/ || /F_GETFD/ || / (\+\+\+|---) / { next }
        { print } /execve\("\/bin\/sleep"/ { exit }' "$L/trace"
}

# traced_start: one container, from the start of the tree to that of its process.
traced_start() {
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    strace -f -qq -o "$L/trace" lithos_tree -C "$L/master.yaml" > "$L/tree.out" 2>&1 3>&- &
    strace=$!
    eventually test -s "$L/run/master.pid"
    TREE=$(cat "$L/run/master.pid")
    executed() { grep -q 'execve("/bin/sleep"' "$L/trace"; }
    eventually executed
    start_in_trace "$TREE" > "$L/start"
    # Killed, or it would wait for the tree as its child.
    kill -TERM "$TREE"
    wait "$strace" || true
    TREE=
    grep -c . "$L/start"
}

kinds() { sed -E 's/^[0-9]+ +([a-z0-9_]+).*/\1/' "$L/start" | sort | uniq -c | sort -rn | head -20; }

# bats test_tags=root
@test "a start takes at most 400 system calls of knot and init" {
    sleeper web
    count=$(traced_start | tail -1)
    echo "system calls: $count"; kinds
    [ "$count" -gt 50 ]
    [ "$count" -le 400 ]
    # One program between the tree and the service, and one user namespace.
    [ "$(grep -c 'execve(' "$L/start")" -eq 2 ]
    [ "$(grep -c CLONE_NEWUSER "$L/start")" -eq 1 ]
}

# bats test_tags=root
@test "at most 500 with a control group, three volumes and notification" {
    own_groups
    echo 'cgroup-controllers: [memory]' >> "$L/master.yaml"
    mkdir "$L/host/data"
    echo "writable-paths: {/data: $L/host/data}" | sandbox
    sleeper web 'memory-limit: 64Mi' 'cpu-shares: 512' 'pids-limit: 30' 'ready: {notify: true}' \
        'volumes: {/data: !Persistent /data, /tmp: !Tmpfs {size: 65536}, /state: !Statedir {path: /}}'
    count=$(traced_start | tail -1)
    echo "system calls: $count"; kinds
    [ "$count" -le 500 ]
}

# Context switches of processes since their start: a process that is not woken up makes none.
switches() { for pid; do grep ctxt "/proc/$pid/status" | sed "s/^/$pid /"; done; }

# several COUNT: containers of every way of output and readiness, COUNT of the plain one.
several() {
    sleeper web
    sleeper told 'ready: {notify: true, timeout: 1}'
    sleeper file 'ready: {file: /tmp}'
    printf '%s\n' "web: {image: img.v1, config: /config/web.yaml, instances: $1}" 'told: {image: img.v1, config: /config/told.yaml}' \
        'file: {image: img.v1, config: /config/file.yaml}' | processes
    sandbox <<< "${2:-}"
    start_tree
    eventually running $(($1 + 2))
    # Until nothing is pending: what is not ready in time is given up.
    sleep 2
}

# bats test_tags=root
@test "idle: in ten seconds neither the tree nor a knot is woken up" {
    for format in plain prefix; do
        several 3 "output-format: $format"
        mapfile -t pids < <(echo "$TREE"; knots)
        [ "${#pids[@]}" -eq 6 ]
        before=$(switches "${pids[@]}")
        sleep 10
        diff <(echo "$before") <(switches "${pids[@]}")
        stop_tree
    done
}

# bats test_tags=root
@test "a reload wakes up no container, and replaces none" {
    several 10
    mapfile -t pids < <(knots)
    [ "${#pids[@]}" -eq 12 ]
    # The services, too.
    mapfile -t all < <(for pid in "${pids[@]}"; do echo "$pid"; tr ' ' '\n' < "/proc/$pid/task/$pid/children" | grep .; done)
    [ "${#all[@]}" -eq 24 ]
    before=$(switches "${all[@]}")
    reload
    reload QUIT
    sleep 0.5
    [ "$(knots)" = "$(printf '%s\n' "${pids[@]}")" ]
    diff <(echo "$before") <(switches "${all[@]}")
}
