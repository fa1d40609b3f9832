# What supervisors say, in syslog: a daemon of the test's own in a mount namespace of its own.
# bats file_tags=root,young

load lithos.bash
load world.bash

setup() {
    setup_lithos
    [ -x /usr/bin/python3 ] || skip 'no /usr/bin/python3'
    # A /dev for the tree in which the test can make /dev/log.
    HOST=$L/hostdev
    mkdir "$HOST"
    cp -a /dev/null /dev/zero /dev/urandom /dev/tty "$HOST/"
    # Of Python and bats, while the namespace is set up.
    ln -s /proc/self/fd "$HOST/fd"
    printf '%s\n' 'syslog-facility: local3' 'syslog-app-name: li' 'log-level: info' >> "$L/master.yaml"
    shell web 'while [ ! -e /data/end ]; do sleep 0.1; done; exit 7' 'restart-timeout: 0' 'volumes: {/data: !Readonly /data}'
    mkdir "$L/host/data"
    echo "readonly-paths: {/data: $L/host/data}" | sandbox
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
}

teardown() {
    [ -z "${daemon:-}" ] || kill -KILL "$daemon" 2>/dev/null || true
    stop_tree
}

# Begins (again) to listen.
listen() {
    python3 "$VAGGA_BATS/fixtures/syslog.py" "$HOST/log" "$L/heard" 3>&- &
    daemon=$!
    eventually test -S "$HOST/log"
    # What is listened to is not a socket that was left.
    eventually test -e "$L/heard"
}

deafen() { kill "$daemon"; wait "$daemon" 2>/dev/null || true; daemon=; }

# In place of that of world.bash: the tree has this /dev.
start_tree() {
    # shellcheck disable=SC2016
    unshare -m sh -c 'mount --bind "$1" /dev && shift && exec "$@"' sh "$HOST" "$(command -v lithos_tree)" -C "$L/master.yaml" "$@" \
        > "$L/tree.out" 2>&1 3>&- &
    TREE=$!
    eventually test -s "$L/run/master.pid"
    eventually tree_is_up
}

heard() { grep -qE -- "$1" "$L/heard"; }
said() { grep -qE -- "$2" "$L/log/$1" 2>/dev/null; }

# bats test_tags=root
@test "tree and knot speak to syslog as syslog(3) does, and not to their files" {
    listen
    start_tree
    eventually running 1
    # local3 is 19: 19 * 8 + 6.
    eventually heard "^<158>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} li\\[$TREE\\]: Starting container \"app/web.0\""
    eventually heard '^<158>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} li-app: Starting "app/web.0"$'
    touch "$L/host/data/end"
    eventually heard '^<155>.* li-app: Process "app/web.0" exited with code 7'
    eventually heard "^<155>.* li\\[$TREE\\]: .*app/web.0.* exited with code 7"
    ! said master.log . || false
    ! said app.log . || false
}

# bats test_tags=root
@test "a daemon that is away: messages are in the files; the tree finds it when it is back" {
    listen
    start_tree
    eventually running 1
    deafen
    rm "$HOST/log"
    touch "$L/host/data/end"
    eventually said master.log 'WARN. syslog cannot be reached .No such file'
    eventually said master.log 'app/web.0.* exited with code 7'
    # The knot was connected to the socket that nobody holds any more.
    eventually said app.log 'WARN. syslog cannot be reached .Connection refused'
    eventually said app.log 'Process "app/web.0" exited with code 7'
    : > "$L/heard"
    listen
    eventually heard 'li.[0-9]*.: .*app/web.0.* exited with code 7'
    eventually heard 'li-app: Starting'
    [ "$(grep -c 'syslog cannot' "$L/log/master.log")" -eq 1 ]
}

# bats test_tags=root
@test "a daemon that does not read stops nobody" {
    listen
    kill -STOP "$daemon"
    touch "$L/host/data/end"
    start_tree
    # More messages than a socket holds.
    many() { [ "$(starts app/web.0)" -ge 20 ]; }
    eventually many
    said master.log 'syslog cannot be reached .Resource temporarily unavailable'
    kill -CONT "$daemon"
    eventually heard 'Starting container "app/web.0"'
    kill -TERM "$TREE"
    wait "$TREE"
    TREE=
}

# bats test_tags=root
@test "a facility that is not known is said on standard error, and files are used" {
    sed -i 's/local3/local9/' "$L/master.yaml"
    start_tree
    eventually running 1
    grep -q 'syslog-facility "local9" is not known' "$L/tree.out"
    said master.log 'Starting container'
}
