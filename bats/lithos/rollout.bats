# Readiness, and upgrades that go by it: `ready`, `max-surge`, `max-unavailable`.
# bats file_tags=root,young

load lithos.bash
load world.bash

setup() {
    setup_lithos
    { service_paths; echo 'allow-tcp-ports: [17200-17299]'; } | sandbox
    DATA=$L/host/data
}

teardown() {
    [ -z "${watcher:-}" ] || kill "$watcher" 2>/dev/null || true
    stop_tree
}

marks() { cat "$DATA/marks" 2>/dev/null; }
marked() { [ "$(marks)" = "$1" ] || { marks; cat "$L/log/master.log"; return 1; }; }

# One instance with one spare: the old one may stop only when the new one is ready. $1 makes it so.
replaced_when_ready() {
    version 1 'max-surge: 1'
    start_tree --log-level info
    eventually running 1
    touch "$DATA/go"
    eventually marked '+app/web.0 1'
    sleep 0.3
    rm "$DATA/go"
    old=$(knot_of app/web.0)
    version 2 'max-surge: 1'
    reload
    eventually running 2
    sleep 0.5
    marked '+app/web.0 1'
    [ "$(knot_of app/web.0)" = "$old" ]
    touch "$DATA/go"
    moved() { grep -q img.v2 "$L/run/knots/app/web.0.json" && running 1 && [ ! -e "$L/run/knots/app/web.1.json" ]; }
    eventually moved
    marked $'+app/web.0 1\n+app/web.1 2\n-app/web.0 1\n+app/web.0 2\n-app/web.1 2'
}

# bats test_tags=root
@test "ready by a file: nothing stops before it is there" {
    service web 'wait /data/go mark /data/marks make /tmp/ready sleep 1000' 'ready: {file: /tmp/ready}'
    replaced_when_ready
}

# bats test_tags=root
@test "ready by a port that accepts" {
    # Versions have ports of their own, or they would be in each other's way.
    service web 'wait /data/go mark /data/marks listen 17201 serve' 'ready: {tcp: 17201}' 'restart-timeout: 0'
    version 2; cp -a "$L/images/img.v2" "$L/images/img.v3"
    sed -i 's/17201/17202/' "$L/images/img.v2/config/web.yaml"
    version 1 'max-surge: 1'
    start_tree --log-level info
    eventually running 1
    touch "$DATA/go"
    eventually marked '+app/web.0 1'
    sleep 0.3
    rm "$DATA/go"
    version 2 'max-unavailable: 0' 'max-surge: 1'
    reload
    eventually running 2
    sleep 0.5
    marked '+app/web.0 1'
    touch "$DATA/go"
    stopped() { grep -q -- '^-app/web.0 1' "$DATA/marks"; }
    eventually stopped
    [ "$(marks | head -3)" = $'+app/web.0 1\n+app/web.1 2\n-app/web.0 1' ]
}

# bats test_tags=root
@test "ready by notification" {
    service web 'wait /data/go mark /data/marks notify sleep 1000' 'ready: {notify: true}'
    replaced_when_ready
}

# bats test_tags=root
@test "a process that goes on notifying is never held up, before and after the limit of time" {
    for first in notify 'sleep 2'; do
        rm -f "$DATA"/*
        service web "$first $(printf 'notify %.0s' {1..60})mark /data/marks sleep 1000" 'ready: {notify: true, timeout: 1}'
        version 1
        start_tree
        eventually marked '+app/web.0 1'
        stop_tree
    done
}

# bats test_tags=root
@test "what is not ready in its time is said, and the upgrade stands still" {
    service web 'mark /data/marks sleep 1000' 'ready: {file: /data/go, timeout: 1}'
    touch "$L/host/data/go"
    version 1 'max-surge: 1'
    start_tree --log-level info
    eventually marked '+app/web.0 1'
    sleep 0.3; rm "$DATA/go"
    version 2 'max-surge: 1'
    reload
    eventually grep -q 'WARN.*app/web.1 is not ready in' "$L/log/master.log"
    marked $'+app/web.0 1\n+app/web.1 2'
    running 2
}

# lowest: the smallest number of instances that served at a time since all of $1 did.
lowest() {
    marks | awk -v all="$1" '{ n += /^\+/ ? 1 : -1; if (n >= all) full = 1; if (full && (low == "" || n < low)) low = n }
        END { print low }'
}

# clients PORT: becomes a client that connects again and again and each time wants an answer within two seconds; prints
# what goes wrong, and at the end the versions that answered.
clients() {
    exec /usr/bin/python3 -S "$VAGGA_BATS/fixtures/client.py" "$1" "$DATA/enough"
}

rolled() {
    marks | grep -c '^+app/web\.[0-2] 2' | grep -qx 3 && running 3 && ! ls "$L/run/knots/app" | grep -q 'web.[3-9]'
}

# upgrade KEYS…: three instances go from version 1 to 2 while somebody connects.
upgrade() {
    service web 'mark /data/marks make /tmp/ready serve' 'ready: {file: /tmp/ready}' 'tcp-ports: {17203: {fd: 3}}'
    version 1 'instances: 3' "$@"
    start_tree --log-level info
    all() { [ "$(marks | wc -l)" -eq 3 ]; }
    eventually all
    sleep 0.2
    clients 17203 > "$L/clients" 2>&1 3>&- &
    watcher=$!
    version 2 'instances: 3' "$@"
    reload
    eventually rolled
    touch "$DATA/enough"
    wait "$watcher"
    cat "$L/clients"
    [[ "$(cat "$L/clients")" == "answered: "*2 ]]
}

# bats test_tags=root
@test "max-surge: never fewer than all serve, and nobody who connects waits or is refused" {
    upgrade 'max-surge: 1'
    marks
    [ "$(lowest 3)" -eq 3 ]
}

# bats test_tags=root
@test "max-unavailable: never fewer than all but so many serve, and no spare is started" {
    upgrade 'max-unavailable: 1'
    marks
    [ "$(lowest 3)" -eq 2 ]
    ! marks | grep -q 'web\.[3-9]' || false
}

# bats test_tags=root
@test "an upgrade to what cannot start stands still: all of the old go on" {
    sleeper web 'restart-timeout: 0'
    version 1 'instances: 2' 'max-surge: 1'
    start_tree --log-level info
    eventually running 2
    sleep 0.2
    before=$(knots)
    cp -a "$IMAGE" "$L/images/img.v2"
    sed -i 's|/bin/sleep|/bin/missing|' "$L/images/img.v2/config/web.yaml"
    version 2 'instances: 2' 'max-surge: 1'
    reload
    failed_twice() { [ "$(grep -c 'app/web.2" could not be started: .*execute "/bin/missing"' "$L/log/master.log")" -ge 2 ]; }
    eventually failed_twice
    [ "$(starts app/web.2)" -le 4 ]
    [ "$(knots | grep -cxF "$before")" -eq 2 ]
    version 1 'instances: 2' 'max-surge: 1'
    reload
    eventually running 2
    [ "$(knots)" = "$before" ]
}
