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

@test "an edit in place is shown, changes nothing, and is gone with the next start" {
    sleeper web; sleeper job
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    start_tree
    eventually running 2
    before=$(knots)
    # What says the same is no edit.
    sed -i '1i # a comment: "x' "$IMAGE/config/web.yaml"
    echo 'metadata: {note: 1}' >> "$IMAGE/config/web.yaml"
    echo '# another' >> "$L/sandboxes/app.yaml"
    ! shows '<' || false
    echo 'environ: {A: b}' >> "$IMAGE/config/web.yaml"
    lithos_ps --no-color > out
    grep -q ' app/web.0 .* <edited: container file>$' out
    ! grep -q ' app/job.0 .*<' out || false
    run lithos_tree -C "$L/master.yaml" --dry-run
    [ "$output" = $'keep    app/job.0\nkeep    app/web.0 (edited: container file; takes effect at its next start)' ]
    echo 'additional-hosts: {x: 10.1.1.1}' >> "$L/sandboxes/app.yaml"
    shows ' app/job.0 .* <edited: sandbox file>$'
    shows ' app/web.0 .* <edited: container file, sandbox file>$'
    lithos_ps --json > out
    python3 - "$TREE" <<'PY'
import json, sys
tree, = [t for t in json.load(open('out'))['trees'] if t['pid'] == int(sys.argv[1])]
web, = [c for c in tree['children'] if c['name'] == 'app/web.0']
assert (web['drift'], web['edited']) == ('edited', ['container file', 'sandbox file']), web
PY
    reload
    kill -9 "$TREE"; wait "$TREE" || true
    start_tree
    [ "$(knots)" = "$before" ]
    shows ' app/web.0 .* <edited: container file, sandbox file>$'
    kill -9 "$(knot_of app/web.0)" "$(knot_of app/job.0)"
    fresh() { running 2 && [ "$(knots)" != "$before" ] && ! shows '<'; }
    eventually fresh
}

@test "of a container whose record is from an older version nothing is said" {
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    record=$L/run/knots/app/web.0.json
    grep -q '"origin":{"container":' "$record"
    sed -i 's/,"origin":{[^}]*}//' "$record"
    echo 'environ: {A: b}' >> "$IMAGE/config/web.yaml"
    shows ' app/web.0 '
    ! shows '<' || false
}
