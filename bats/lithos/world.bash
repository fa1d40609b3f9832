# Sourced by the tests of lithos_tree, after lithos.bash: a tree in the scratch directory and what can be asked about it.
#
# start_tree [OPTION…]   starts lithos_tree and waits for its pid file; $TREE is its process id
# stop_tree              ends it with all containers
# teardown               does that after each test
# knots                  process ids of the running containers of this test, one line each, sorted; not of those that wait
# reload                 asks for a reload and waits until it has happened

start_tree() {
    lithos_tree -C "$L/master.yaml" "$@" > "$L/tree.out" 2>&1 3>&- &
    TREE=$!
    eventually test -s "$L/run/master.pid"
    eventually tree_is_up
}

tree_is_up() { [ "$(cat "$L/run/master.pid")" = "$TREE" ] && [ -e "$L/run/last-good/entries.json" ]; }

stop_tree() {
    [ -n "$TREE" ] && kill -TERM "$TREE" 2>/dev/null
    [ -z "$TREE" ] || wait "$TREE" || true
    knots | xargs -r kill -9 2>/dev/null || true
    TREE=
}

# In place of that of lithos.bash.
teardown() { stop_tree; }

knots() {
    local pid line
    for pid in $(pgrep -f "lithos_knot --name [^ ]* --master $L/master.yaml "); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != lithos_standby ] || continue
        # Only inits of containers, not knots that still set one up.
        while read -r line; do
            [[ $line == NSpid:*[[:space:]]1 ]] && echo "$pid"
        done 2>/dev/null < "/proc/$pid/status"
    done | sort -n
}

# knot_of NAME: process id of the container's init, from its record.
knot_of() { sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$L/run/knots/$1.json"; }

running() { [ "$(knots | wc -l)" -eq "$1" ]; }

# shellcheck disable=SC2002 # Without a file there are none.
history_lines() { cat "$L/log/config/app.log" 2>/dev/null | wc -l; }

reload() {
    local before; before=$(history_lines)
    kill "-${1:-HUP}" "$TREE"
    eventually more_history "$before"
}

more_history() { [ "$(history_lines)" -gt "$1" ]; }

# sleeper NAME [KEYS…]: a container file whose process sleeps.
sleeper() {
    local name=$1; shift
    [[ "$*" == *kill-timeout* ]] || set -- 'kill-timeout: 1' "$@"
    { printf '%s\n' 'executable: /bin/sleep' 'arguments: ["1000"]' "$@"; } | container "$name"
}

# shell NAME TEXT [KEYS…]: a container file whose process is a shell script.
shell() {
    local name=$1 text=$2; shift 2
    [[ "$*" == *kill-timeout* ]] || set -- 'kill-timeout: 1' "$@"
    { printf '%s\n' 'executable: /bin/sh' 'environ: {PATH: /bin}' "$@"
      printf 'arguments: ["-c", "%s"]\n' "$text"; } | container "$name"
}

starts() { grep -c "Starting container \"$1\"" "$L/log/master.log" || true; }

# service NAME STEPS [KEYS…]: a container file whose process is fixtures/service.py with these steps, on the host's
# Python. /data is the directory $L/host/data of the host, shared by all.
service() {
    local name=$1 steps=$2; shift 2
    [ -x /usr/bin/python3 ] || skip 'no /usr/bin/python3'
    mkdir -p "$L/host/data" "$IMAGE"/{usr,fixtures} "$L/host/fixtures"
    chown 10001:10000 "$L/host/data"
    cp "$VAGGA_BATS/fixtures/service.py" "$L/host/fixtures/"
    ln -sfn usr/lib "$IMAGE/lib"; ln -sfn usr/lib64 "$IMAGE/lib64"
    { printf '%s\n' 'executable: /usr/bin/python3' 'kill-timeout: 5' "$@"
      echo 'volumes: {/usr: !Readonly /usr, /fixtures: !Readonly /fixtures, /data: !Persistent /data, /tmp: !Tmpfs }'
      echo "arguments: [-S, -E, /fixtures/service.py, ${steps// /, }]"; } > "$IMAGE/config/$name.yaml"
    sed -i 's/: !Tmpfs }/: !Tmpfs {}}/' "$IMAGE/config/$name.yaml"
}

# The paths of the host that `service` mounts, as a line of the sandbox file.
service_paths() {
    printf '%s\n' "readonly-paths: {/usr: /usr, /fixtures: $L/host/fixtures}" "writable-paths: {/data: $L/host/data}"
}

# version N [KEYS…]: the image of the services becomes img.vN, in which VERSION is N; the processes file names it.
version() {
    local n=$1; shift
    [ -d "$L/images/img.v$n" ] || cp -a "$IMAGE" "$L/images/img.v$n"
    sed -i '/^environ/d' "$L/images/img.v$n/config/web.yaml"
    echo "environ: {VERSION: $n}" >> "$L/images/img.v$n/config/web.yaml"
    echo "web: {image: img.v$n, config: /config/web.yaml$(printf ', %s' "$@")}" | processes
}
