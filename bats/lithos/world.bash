# Sourced by the tests of lithos_tree, after lithos.bash: a tree in the scratch directory and what can be asked about it.
#
# start_tree [OPTION…]   starts lithos_tree and waits for its pid file; $TREE is its process id
# stop_tree              ends it with all containers
# teardown               does that after each test
# knots                  process ids of the running containers of this test, one line each, sorted
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
        # Only inits of containers, not knots that still set one up.
        while read -r line; do
            [[ $line == NSpid:*[[:space:]]1 ]] && echo "$pid"
        done 2>/dev/null < "/proc/$pid/status"
    done | sort -n
}

# knot_of NAME: process id of the container's init, from its record.
knot_of() { sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$L/run/knots/$1.json"; }

running() { [ "$(knots | wc -l)" -eq "$1" ]; }

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
