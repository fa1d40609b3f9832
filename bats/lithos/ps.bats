# What runs: lithos_ps (A-146). Shells under the names of the programs stand for a tree and its knots.
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    sandbox=s$$
    cp "$(command -v bash)" lithos_tree
    cp lithos_tree lithos_knot
    cat > tree <<'SH'
for n in 0 1; do ./lithos_knot -c 'sleep 60 & wait' x --name "$1/web.$n" --master /nowhere --config '{}' & done
./lithos_knot -c 'read -r -t 60 < <(:) || read -r -t 60 <> fifo' x --name "$1/bad.0" --master /nowhere --config '{}' &
echo $! > bad
wait
SH
    mkfifo fifo
    ./lithos_tree -- tree "$sandbox" -C /nowhere/master.yaml 3>&- &
    tree=$!
    for _ in $(seq 100); do
        [ "$(lithos_ps --json | grep -o "\"name\":\"$sandbox/web.[01]\",\"pid\":[0-9]*,\"ok\":true" | wc -l)" = 2 ] && return
        sleep 0.1
    done
    lithos_ps
    return 1
}

teardown() {
    for parent in $(pgrep -P "$tree"); do
        # shellcheck disable=SC2046
        kill -9 $(pgrep -P "$parent") "$parent" 2>/dev/null || true
    done
    kill -9 "$tree" 2>/dev/null || true
    wait "$tree" 2>/dev/null || true
}

@test "a tree with its sandbox, an entry of two instances, and one that fails" {
    run lithos_ps
    [ "$status" -eq 0 ]
    [[ "$output" == *"$tree tree "* ]]
    [[ "$output" == *"─$sandbox ["*"] "* ]]
    [[ "$output" =~ ─web\ \[2/2\]\ [0-9.]+[kM]iB ]]
    [[ "$output" =~ ├─[0-9]+\ $sandbox/web\.0\ [0-9]+s\ \[1/1\] ]]
    [[ "$output" == *"─($(cat bad)) $sandbox/bad.0 <failing>"* ]]
    [[ "$output" != *$'\e'* ]]
}

@test "--json has the documented keys" {
    lithos_ps --json > out
    [ "$(tail -c 1 out)" = '}' ]
    python3 - "$tree" "$sandbox" <<'PY'
import json, sys, time
trees = json.load(open('out'))['trees']
tree, = [t for t in trees if t['pid'] == int(sys.argv[1])]
assert list(tree) == ['pid', 'config', 'children'], tree
knots = {c['name']: c for c in tree['children']}
assert sorted(knots) == [sys.argv[2] + n for n in ['/bad.0', '/web.0', '/web.1']], knots
bad, web = knots[sys.argv[2] + '/bad.0'], knots[sys.argv[2] + '/web.0']
assert bad['ok'] is False and bad['processes'] == []
assert list(web) == ['name', 'pid', 'ok', 'processes'] and web['ok'] is True
head, = web['processes']
assert list(head) == ['pid', 'processes', 'threads', 'mem_rss', 'mem_swap', 'start_time', 'user_time', 'system_time',
                      'child_user_time', 'child_system_time'], head
assert head['processes'] == 1 and head['mem_rss'] > 0 and abs(head['start_time'] - time.time()) < 120
PY
}

@test "knots that outlived their tree are shown" {
    kill -9 "$tree"
    wait "$tree" 2>/dev/null || true
    run lithos_ps --no-color
    [ "$status" -eq 0 ]
    [[ "$output" == *"0 no tree /nowhere"* ]]
    [[ "$output" == *"$sandbox/web.1 "* ]]
    # For teardown, which looks for children of the tree.
    for pid in $(pgrep -f "[l]ithos_knot -c .*--name $sandbox/"); do
        # shellcheck disable=SC2046
        kill -9 $(pgrep -P "$pid") "$pid" 2>/dev/null || true
    done
}

@test "colour only when it is wanted" {
    run lithos_ps --force-color
    [[ "$output" == *$'\e[1;31m<failing>\e[0m'* ]]
    run script -qec 'lithos_ps' /dev/null
    [[ "$output" == *$'\e[1;32m'* ]]
    run script -qec 'lithos_ps --no-color' /dev/null
    [[ "$output" != *$'\e[1;'* ]]
}

@test "--monitor shows a table on a terminal, and nothing elsewhere" {
    run lithos_ps --monitor
    [ "$status" -eq 1 ] && [[ "$output" == *terminal* ]]
    run timeout 3 script -qec 'timeout 2 lithos_ps --monitor' /dev/null
    [[ "$output" == *PID*NAME*CPU*THR*PRC*MEM* ]]
    [[ "$output" =~ \ 0\ $sandbox/bad\.0 ]]
    [[ "$output" =~ [1-9][0-9]*\ $sandbox/web\.1 ]]
}

@test "usage errors end with 2" {
    run lithos_ps --json --monitor
    [ "$status" -eq 2 ]
    run lithos_ps --force-color --no-color
    [ "$status" -eq 2 ]
    run lithos_ps x
    [ "$status" -eq 2 ]
    run lithos_ps --help
    [ "$status" -eq 0 ]
}
