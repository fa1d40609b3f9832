# Metrics of the tree in the cantal format (A-150), read by a decoder of the tests' own.
# bats file_tags=root,young

setup() {
    load lithos.bash
    load world.bash
    setup_lithos
}

# metric GROUP NAME: its value.
metric() { python3 "$VAGGA_BATS/fixtures/metrics.py" "$L/run/metrics" "$@"; }
is() { [ "$(metric "$1" "$2")" = "$3" ]; }

@test "metrics are where /proc/PID/environ of the tree says, and their values are right" {
    sleeper web
    sleeper job
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    start_tree
    eventually running 3
    [ "$(tr '\0' '\n' < "/proc/$TREE/environ" | sed -n 's/^CANTAL_PATH=//p')" = "$L/run/metrics" ]
    eventually is containers running 3
    [ "$(metric | sort)" = "$(sed "s/TURNS/$(metric master turns)/; s/WEB/$(metric processes.app.web start_time_seconds)/; s/JOB/$(metric processes.app.job start_time_seconds)/" <<'T' | sort
counter master restarts 1
level master sandboxes 1
level master containers 3
level master queue 0
counter master turns TURNS
counter containers started 3
counter containers deaths 0
counter containers failures 0
level containers running 3
counter containers restarts 0
counter containers ooms 0
level containers unknown 0
level containers standbys 0
counter processes.app.job started 1
counter processes.app.job deaths 0
counter processes.app.job failures 0
level processes.app.job running 1
counter processes.app.job restarts 0
counter processes.app.job ooms 0
level processes.app.job start_time_seconds JOB
counter processes.app.web started 2
counter processes.app.web deaths 0
counter processes.app.web failures 0
level processes.app.web running 2
counter processes.app.web restarts 0
counter processes.app.web ooms 0
level processes.app.web start_time_seconds WEB
T
)" ]
    [ $(($(date +%s) - $(metric processes.app.web start_time_seconds))) -le 20 ]
    # No container sees the variable.
    process=$(cat "/proc/$(knot_of app/job.0)/task/$(knot_of app/job.0)/children")
    ! grep -q CANTAL "/proc/${process% }/environ" || false
    ! grep -q CANTAL "/proc/$(knot_of app/job.0)/environ" || false
}

@test "counters go on over a reload and over kill -9, and the files are gone after an orderly end" {
    sleeper web 'restart-timeout: 0'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually is processes.app.web running 1
    inode=$(stat -c %i "$L/run/metrics.values")
    kill -9 "$(knot_of app/web.0)"
    eventually is processes.app.web started 2
    is processes.app.web deaths 1 && is processes.app.web failures 1 && is processes.app.web restarts 1
    reload
    eventually is master restarts 2
    is processes.app.web started 2 && is processes.app.web running 1
    kill -9 "$TREE"; wait "$TREE" || true
    start_tree
    eventually is master restarts 3
    is processes.app.web started 2 && is processes.app.web deaths 1 && is processes.app.web running 1
    [ "$(stat -c %i "$L/run/metrics.values")" = "$inode" ]
    stop_tree
    [ -z "$(ls "$L/run" | grep metrics)" ]
}

@test "an entry that comes or goes has its metrics as long as it is configured" {
    sleeper web
    sleeper job
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually is processes.app.web started 1
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    reload
    eventually is processes.app.job running 1
    is processes.app.web started 1
    echo 'job: {image: img.v1, config: /config/job.yaml}' | processes
    reload
    gone() { [ -z "$(metric processes.app.web started)" ]; }
    eventually gone
    eventually is containers deaths 1
    is containers started 2 && is containers failures 0 && is containers running 1
}

@test "a tree that cannot write its metrics says so, not again and again, and supervises all the same" {
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    CANTAL_PATH=/proc/none/metrics start_tree
    eventually running 1
    reload
    # Once for what ran before, once for each configuration.
    count=$(grep -c 'metrics: /proc/none/metrics' "$L/log/master.log")
    [ "$count" -ge 1 ] && [ "$count" -le 3 ]
}
