# Limits of containers under lithos_tree, with the control groups of this machine.
# bats file_tags=root,young
load lithos.bash
load world.bash
load groups.bash

setup() {
    setup_lithos
    own_groups
}

teardown() {
    stop_tree
    remove_groups
}

# The text of a control file of a scope: value NAME FILE…, the files by their names in version 1 and 2.
value() {
    local scope=$1 dir name; shift
    for dir in $(groups); do
        for name in "$@"; do
            [ -e "$dir/$scope.scope/$name" ] && cat "$dir/$scope.scope/$name" 2>/dev/null && return
        done
    done
    return 1
}

# bats test_tags=root
@test "memory, cpu and number of processes are limited for the container and its init" {
    sleeper web 'memory-limit: 64Mi' 'cpu-shares: 512' 'cpu-quota: 50' 'pids-limit: 30'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    [ "$(value app:web.0 memory.limit_in_bytes memory.max)" = 67108864 ]
    [[ "$(value app:web.0 cpu.shares cpu.weight)" =~ ^(512|20)$ ]]
    [[ "$(value app:web.0 cpu.cfs_quota_us cpu.max)" =~ ^50000 ]]
    [ "$(value app:web.0 pids.max)" = 30 ]
    knot=$(knot_of app/web.0)
    value app:web.0 cgroup.procs | grep -qx "$knot"
    value app:web.0 cgroup.procs | grep -qx "$(tr -d ' ' < "/proc/$knot/task/$knot/children")"
}

# bats test_tags=root
@test "a quota of cpu time really slows down" {
    shell web 'while :; do :; done' 'cpu-quota: 20'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    throttled() { cat $(groups | sed 's|$|/app:web.0.scope/cpu.stat|') 2>/dev/null | awk '$1 == "nr_throttled" && $2 >= 5 { found = 1 } END { exit !found }'; }
    eventually throttled
}

# bats test_tags=root
@test "a container that takes too much memory is killed, and that is what is logged and counted" {
    shell web 'a=x; while :; do a=$a$a; done' 'memory-limit: 16Mi' 'restart-timeout: 60'
    sleeper job
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    start_tree --log-level info
    eventually grep -q 'ERROR.*"app/web.0" .*killed by signal SIGKILL\[9\], for want of memory' "$L/log/master.log"
    running 1
    [ -n "$(knot_of app/job.0)" ]
    counted() { [ "$(python3 "$VAGGA_BATS/fixtures/metrics.py" "$L/run/metrics" processes.app.web ooms)" = 1 ]; }
    eventually counted
}

# bats test_tags=root
@test "a fork bomb is stopped by pids-limit; the tree goes on, and at the stop everything ends" {
    printf '%s\n' 'executable: /bin/sh' 'arguments: [/config/bomb.sh]' 'environ: {PATH: /bin}' 'pids-limit: 50' \
        'kill-timeout: 1' | container web
    cat > "$IMAGE/config/bomb.sh" <<'BOMB'
trap '' TERM
# A shell that cannot fork ends; what it has started stays.
bomb() { while :; do sleep 1000 & done; }
bomb 2> /dev/null &
bomb 2> /dev/null &
exec sleep 1000
BOMB
    sleeper job
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    start_tree --log-level info
    many() { [ "$(value app:web.0 pids.current)" -ge 30 ]; }
    eventually many
    for _ in 1 2 3 4 5; do
        current=$(value app:web.0 pids.current)
        [ "$current" -le 50 ]
    done
    sleeper more
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'job: {image: img.v1, config: /config/job.yaml}' \
        'more: {image: img.v1, config: /config/more.yaml}' | processes
    reload
    eventually running 3
    echo 'job: {image: img.v1, config: /config/job.yaml}' | processes
    reload
    eventually running 1
    nobody() { ! value app:web.0 cgroup.procs | grep -q .; }
    eventually nobody
}

# bats test_tags=root
@test "the sandbox has the last word: its ceilings hold, whatever the image asks for" {
    printf '%s\n' 'max-memory: 32Mi' 'max-pids: 20' 'max-cpu: 30' | sandbox
    sleeper web 'memory-limit: 64Mi' 'pids-limit: 1000' 'cpu-quota: 90'
    sleeper job
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    start_tree --log-level info
    eventually running 1
    sleep 0.2
    # What asks for more is refused or cut, what asks for nothing gets the ceiling; nobody gets more.
    for name in web job; do
        [ -z "$(knot_of app/$name.0 2>/dev/null)" ] && continue
        [ "$(value "app:$name.0" memory.limit_in_bytes memory.max)" -le 33554432 ]
        [ "$(value "app:$name.0" pids.max)" -le 20 ]
        [[ "$(value "app:$name.0" cpu.cfs_quota_us cpu.max)" =~ ^30000 ]]
    done
    [ -n "$(knot_of app/job.0)" ]
}

# bats test_tags=root
@test "groups go with what is removed, and with the tree's orderly end" {
    sleeper web
    sleeper job
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    start_tree
    eventually running 2
    find /sys/fs/cgroup -maxdepth 4 -path "*/$SLICE/app:web.0.scope" | grep -q .
    echo 'job: {image: img.v1, config: /config/job.yaml}' | processes
    reload
    gone() { ! find /sys/fs/cgroup -maxdepth 4 -path "*/$SLICE/app:$1.0.scope" | grep -q .; }
    eventually gone web
    ! gone job || false
    kill -TERM "$TREE"; wait "$TREE"; TREE=
    gone job
}
