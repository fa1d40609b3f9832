# Containers that wait to follow the one that runs: `standby` in the processes file.
# bats file_tags=root,young

load lithos.bash
load world.bash

setup() { setup_lithos; }

# The init of the container that waits for NAME, once it is complete; its process waits as its child.
standby_of() {
    local pid
    for pid in $(pgrep -x -P "$TREE" lithos_standby); do
        tr '\0' ' ' < "/proc/$pid/cmdline" | grep -q -- "--name $1 --master $L/master.yaml " || continue
        pgrep -P "$pid" > /dev/null || continue
        echo "$pid"; return
    done
    return 1
}

waits() { standby_of app/web.0; }
none_waits() { ! pgrep -x lithos_standby -P "${1:-$TREE}"; }
entry() { echo "web: {image: img.v1, config: /config/web.yaml, standby: true$*}" | processes; }
other() { [ "$(knot_of app/web.0)" != "$1" ]; }
services() { pgrep -f "^/bin/sleep ${1:-1000}\$" | wc -l; }
serves() { [ "$(pgrep -P "$(knot_of app/web.0)")" ] && running 1; }

# begin [KEYS…]: a sleeper that has a standby.
begin() {
    sleeper web 'restart-timeout: 0' "$@"
    entry
    start_tree --log-level info
    eventually running 1
    eventually waits
}

# end_service: kills the service; its successor's init is $1 then.
end_service() {
    local old; old=$(knot_of app/web.0)
    pkill -KILL -P "$old"
    eventually other "$old"
    eventually serves
}

# bats test_tags=root
@test "the one that waits follows, and the next one is made" {
    begin
    [ ! -e "$L/run/knots/app/web.0~.json" ]
    next=$(standby_of app/web.0)
    [ "$(cat "/proc/$(pgrep -P "$next")/comm")" = lithos_standby ]
    end_service
    [ "$(knot_of app/web.0)" = "$next" ]
    [ "$(cat "/proc/$next/comm")" = lithos_knot ]
    [ "$(tr '\0' ' ' < "/proc/$(pgrep -P "$next")/cmdline")" = '/bin/sleep 1000 ' ]
    grep -q 'Starting container "app/web.0", which was waiting' "$L/log/master.log"
    [ "$(ls "$L/run/state/app")" = web.0 ]
    eventually waits
    [ "$(standby_of app/web.0)" != "$next" ]
    end_service
    end_service
    eventually waits
    contains "$(lithos_ps --json)" '"standby":true'
    metric() { python3 "$VAGGA_BATS/fixtures/metrics.py" "$L/run/metrics" containers "$1"; }
    eventually [ "$(metric standbys)" = 1 ]
    [ "$(metric restarts)" = 3 ]
    [ "$(grep -c 'Process "app/web.0" killed by signal SIGKILL\[9\]' "$L/log/stderr/app.log")" = 3 ]
    [ "$(grep -c 'Starting "app/web.0"' "$L/log/stderr/app.log")" = 4 ]
    TERMINATED=$TREE
    stop_tree
    none_waits "$TERMINATED"
    [ ! -e "$L/run/state/app" ]
    [ -z "$(find "$L/run/knots" -type f)" ]
}

# bats test_tags=root
@test "a standby of what was edited since is thrown away" {
    begin
    for edit in image sandbox volume; do
        next=$(standby_of app/web.0)
        case $edit in
            image) sed -i 's/1000/1001/' "$IMAGE/config/web.yaml" ;;
            sandbox) echo '# another' >> "$L/sandboxes/app.yaml" ;;
            volume) mv "$IMAGE" "$IMAGE.old"; cp -a "$IMAGE.old" "$IMAGE" ;;
        esac
        end_service
        [ "$(knot_of app/web.0)" != "$next" ]
        [ ! -e "/proc/$next" ]
        [ "$(tr '\0' ' ' < "/proc/$(pgrep -P "$(knot_of app/web.0)")/cmdline")" = '/bin/sleep 1001 ' ]
        eventually waits
    done
    run ! grep -q 'which was waiting' "$L/log/master.log"
}

# bats test_tags=root
@test "a reload keeps it, or makes another if something was edited; without the key it ends" {
    begin
    next=$(standby_of app/web.0) old=$(knot_of app/web.0)
    reload
    [ "$(standby_of app/web.0)" = "$next" ] && [ "$(knot_of app/web.0)" = "$old" ]
    sed -i 's/1000/1001/' "$IMAGE/config/web.yaml"
    reload
    changed() { waits && [ "$(standby_of app/web.0)" != "$next" ]; }
    eventually changed
    [ "$(knot_of app/web.0)" = "$old" ]
    next=$(standby_of app/web.0)
    end_service
    [ "$(knot_of app/web.0)" = "$next" ]
    [ "$(tr '\0' ' ' < "/proc/$(pgrep -P "$next")/cmdline")" = '/bin/sleep 1001 ' ]
    eventually waits
    echo "web: {image: img.v1, config: /config/web.yaml}" | processes
    reload
    eventually none_waits
    [ "$(knot_of app/web.0)" = "$next" ]
    [ "$(ls "$L/run/state/app")" = web.0 ]
    entry
    reload
    eventually waits
    : > "$L/processes/app.yaml"
    reload
    eventually running 0
    none_waits
    [ ! -e "$L/run/state/app" ]
}

# bats test_tags=root
@test "after an upgrade of lithos the next container has the new knot" {
    mkdir "$L/programs"
    cp "$(command -v lithos_tree)" "$L/programs/lithos"
    for name in tree knot; do ln -s lithos "$L/programs/lithos_$name"; done
    PATH=$L/programs:$PATH
    begin
    next=$(standby_of app/web.0)
    cp "$L/programs/lithos" "$L/programs/new"
    mv "$L/programs/new" "$L/programs/lithos"
    reload
    changed() { waits && [ "$(standby_of app/web.0)" != "$next" ]; }
    eventually changed
    end_service
    lacks "$(readlink "/proc/$(knot_of app/web.0)/exe")" deleted
    grep -q 'which was waiting' "$L/log/master.log"
}

# bats test_tags=root
@test "kill -9 of the tree ends what waits, and nothing else" {
    begin
    next=$(standby_of app/web.0) old=$(knot_of app/web.0)
    kill -9 "$TREE"; wait "$TREE" || true
    gone() { [ ! -e "/proc/$next" ]; }
    eventually gone
    start_tree --log-level info
    eventually waits
    [ "$(knot_of app/web.0)" = "$old" ]
    run ! grep -qi stray "$L/log/master.log"
    next=$(standby_of app/web.0)
    end_service
    [ "$(knot_of app/web.0)" = "$next" ]
    # A defect of the tree itself.
    eventually waits
    kill -SEGV "$TREE"
    changed() { waits && [ "$(knot_of app/web.0)" = "$next" ]; }
    eventually changed
    running 1
}

# bats test_tags=root
@test "one that is killed, or whose process is, is missed by nobody" {
    begin
    old=$(knot_of app/web.0)
    for what in init process; do
        next=$(standby_of app/web.0)
        [ $what = init ] && kill -9 "$next" || pkill -9 -P "$next"
        eventually none_waits
        [ "$(knot_of app/web.0)" = "$old" ]
        end_service
        old=$(knot_of app/web.0)
        eventually waits
    done
    run ! grep -q 'which was waiting' "$L/log/master.log"
    end_service
    grep -q 'which was waiting' "$L/log/master.log"
}

# bats test_tags=root
@test "the follower has everything fresh: state, hosts, temporary files" {
    shell web 'ls /state /tmp; touch /state/old /tmp/old; cat /etc/hosts; exec sleep 1000' 'restart-timeout: 0' \
        'volumes: {/state: !Statedir {path: /, mode: 0o777}, /tmp: !Tmpfs {size: 1M, mode: 0o1777}}' \
        'hosts-file: {mount: true, public-hostname: false}'
    entry
    start_tree --log-level info
    eventually waits
    for _ in 1 2; do end_service; eventually waits; done
    [ "$(grep -c 'which was waiting' "$L/log/master.log")" = 2 ]
    [ "$(grep -c '127.0.0.1' "$L/log/stderr/app.log")" -ge 3 ]
    run ! grep -qx old "$L/log/stderr/app.log"
    [ -e "$L/run/state/app/web.0/old" ]
}

# bats test_tags=root
@test "a throttled restart takes it too, and readiness counts from then on" {
    sleeper web 'restart-timeout: 2' 'ready: {file: /bin/sleep, timeout: 1}'
    entry
    start_tree --log-level info
    eventually waits
    next=$(standby_of app/web.0)
    old=$(knot_of app/web.0)
    sleep 1.2
    pkill -KILL -P "$old"
    eventually other "$old"
    eventually serves
    [ "$(knot_of app/web.0)" = "$next" ]
    run ! grep -q 'not ready' "$L/log/master.log"
}

# bats test_tags=root
@test "clients of a socket of the host do not notice" {
    echo 'allow-tcp-ports: [17300-17399]' | sandbox
    { printf '%s\n' 'executable: /bin/sh' 'environ: {PATH: /bin}' 'restart-timeout: 0' 'kill-timeout: 1' \
        'arguments: ["-c", "nc -l -f 5 -e /bin/echo served 2>/dev/null || while :; do sleep 1000; done"]' \
        'tcp-ports: {17301: {fd: 5}}'; } | container web
    entry
    start_tree --log-level info
    eventually waits
    inode=$(readlink "/proc/$(pgrep -P "$(knot_of app/web.0)")/fd/5")
    [ "$(readlink "/proc/$(pgrep -P "$(standby_of app/web.0)")/fd/5")" = "$inode" ]
    end_service
    [ "$(readlink "/proc/$(pgrep -P "$(knot_of app/web.0)")/fd/5")" = "$inode" ]
    grep -q 'which was waiting' "$L/log/master.log"
}

# bats test_tags=root
@test "what two containers of one name cannot have is refused" {
    sleeper web 'tcp-ports: {17301: {fd: 5, reuse-port: true}}'
    echo 'allow-tcp-ports: [17300-17399]' | sandbox
    entry
    run lithos_check -C "$L/master.yaml"
    [ "$status" = 1 ]
    contains "$output" 'app/web: standby: cannot be with reuse-port (port 17301)'
    sleeper web
    echo 'bridged-network: {bridge: br0, network: 10.77.0.0/24, after-setup-command: []}' | sandbox
    entry ', ip-addresses: [10.77.0.2]'
    run lithos_check -C "$L/master.yaml"
    [ "$status" = 1 ]
    contains "$output" 'app/web: standby: cannot be with ip-addresses'
}

# bats test_tags=root
@test "in a control group: the limit is in force for the follower, and its death for want of memory is told" {
    grep -q '^cgroup2\|cgroup' /proc/mounts || skip 'no control groups'
    sed -i "s/cgroup-name: null/cgroup-name: lithos-bats-standby-$$.slice/" "$L/master.yaml"
    shell web 'x=; while [ -e /tmp/calm ]; do sleep 0.1; done; exec sleep 1000' 'restart-timeout: 0' 'memory-limit: 33554432'
    entry
    start_tree --log-level info || skip 'no control groups here'
    eventually waits
    next=$(standby_of app/web.0)
    grep -q 'app:web.0' "/proc/$next/cgroup"
    end_service
    [ "$(knot_of app/web.0)" = "$next" ]
    grep -q 'app:web.0' "/proc/$(pgrep -P "$next")/cgroup"
    eventually waits
    stop_tree
    [ -z "$(find /sys/fs/cgroup -maxdepth 3 -name "*app:web.0*" -path "*bats-standby-$$*")" ]
}
