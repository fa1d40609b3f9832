# lithos_ps beside a real tree: restarts, and what differs between what runs and what is configured.
# bats file_tags=root,young

setup() {
    load lithos.bash
    load world.bash
    setup_lithos
}

shows() { lithos_ps --no-color | grep -q -- "$1"; }

@test "restarts of a process are shown, as text and as JSON" {
    sleeper web 'restart-timeout: 0'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    ! shows 'restarts:' || false
    first=$(knot_of app/web.0)
    kill -9 "$first"
    eventually shows " app/web.0 .* restarts:1$"
    lithos_ps --json > out
    python3 - "$TREE" <<'PY'
import json, sys
tree, = [t for t in json.load(open('out'))['trees'] if t['pid'] == int(sys.argv[1])]
assert list(tree) == ['pid', 'config', 'children', 'missing'] and tree['missing'] == [], tree
child, = tree['children']
assert child['restarts'] == 1 and child['drift'] == 'none', child
PY
}

@test "a configuration that was changed and not reloaded is drift" {
    sleeper web; sleeper job; sleeper old
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'old: {image: img.v1, config: /config/old.yaml}' | processes
    start_tree
    eventually running 2
    ! shows '<' || false
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml, variables: {x: y}}' \
        'job: {image: img.v1, config: /config/job.yaml, instances: 2}' | processes
    printf '%s\n' 'executable: /bin/sleep' 'arguments: ["1000"]' 'variables: {x: !Choice [y]}' | container web
    lithos_ps --no-color > out
    grep -q ' app/web.0 .* <outdated>' out || { cat out; lithos_tree -C "$L/master.yaml" --dry-run; false; }
    grep -q ' app/old.0 .* <not configured>' out
    grep -q '(-) app/job.1 <not running>' out
    reload
    eventually running 3
    settled() { ! shows '<'; }
    eventually settled
}

@test "a file that cannot be read is no drift: what runs is what was good last" {
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    echo 'web: {' | processes
    shows 'app/web.0'
    ! shows '<' || false
}
