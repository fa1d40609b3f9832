# Control groups of this machine, of whichever version it has: made, limited, reported, removed. Version 2 with every
# controller is tested in a virtual machine: make test-vm.
load lithos.bash
load groups.bash
# bats file_tags=root,young

setup() {
    setup_lithos
    own_groups
}

teardown() { remove_groups; }

# The text of a control file of the scope, by its name in version 1 or 2.
value() {
    local name
    for name in "$@"; do
        cat $(groups | sed "s|\$|/app:cmd.c.1.scope/$name|") 2>/dev/null && return
    done
    return 1
}


# What the container file of the first test asks for, in the words of either version.
limited() {
    [ "$(value memory.limit_in_bytes memory.max)" = 67108864 ] &&
        [[ "$(value cpu.weight cpu.shares)" =~ ^(512|20)$ ]] &&
        [ "$(value pids.max)" = 30 ] && value cgroup.procs | grep -q .
}

empty() { ! cat $(groups | sed 's|$|/app:cmd.c.1.scope/cgroup.procs|') 2>/dev/null | grep -q .; }

# bats test_tags=root
@test "A-60 limits of the container file are in force in its group" {
    cat > "$IMAGE/config/c.yaml" <<'YAML'
kind: Command
memory-limit: 64Mi
cpu-shares: 512
pids-limit: 30
executable: /bin/sleep
arguments: ["1000"]
YAML
    # Not by the function, which would be a shell in between.
    lithos_knot --name "app/cmd.c.1" --master "$L/master.yaml" --config "$(instance c)" < /dev/null > "$L/out" 2>&1 &
    KNOT=$!
    eventually limited || { limited; cat "$L/out"; false; }
    kill -TERM "$KNOT"
    wait "$KNOT" || true
    # The process and its init are gone from every hierarchy.
    eventually empty
}

# bats test_tags=root
@test "a container that takes more memory than it may is reported as killed for want of memory" {
    cat > "$IMAGE/config/c.yaml" <<'YAML'
kind: Command
memory-limit: 16Mi
executable: /bin/sh
arguments: [-c, "a=x; while :; do a=$a$a; done"]
YAML
    run knot "app/cmd.c.1" "$(instance c)"
    [ "$status" -ne 0 ]
    grep -ri 'memory' "$L/log"
}

# bats test_tags=root
@test "A controller that does not exist is an error when it is named" {
    echo "cgroup-controllers: [nonsense]" >> "$L/master.yaml"
    cat > "$IMAGE/config/c.yaml" <<'YAML'
kind: Command
executable: /bin/true
YAML
    run knot "app/cmd.c.1" "$(instance c)"
    [ "$status" -ne 0 ]
    contains "$output" nonsense
}

# bats test_tags=root
@test "two trees in one control group: the second says so and removes no group of the other" {
    : > "$L/processes/app.yaml"
    lithos_tree -C "$L/master.yaml" > "$L/first.out" 2>&1 3>&- &
    first=$!
    eventually test -s "$L/run/taken.json"
    groups | while read -r dir; do mkdir "$dir/app:web.9.scope"; done
    sed "s|$L/run|$L/other|" "$L/master.yaml" > "$L/second.yaml"
    lithos_tree -C "$L/second.yaml" --log-stderr > "$L/second.out" 2>&1 3>&- &
    second=$!
    eventually test -s "$L/other/taken.json"
    grep -q "another lithos_tree (pid $first) uses the same control group" "$L/second.out" || { cat "$L/second.out"; false; }
    scopes | grep -q app:web.9.scope
    kill "$first" "$second"; wait "$first" "$second" || true
    # Alone it removes what belongs to nobody.
    rm -r "$L/other/taken.json"
    lithos_tree -C "$L/second.yaml" --log-stderr > "$L/second.out" 2>&1 3>&- &
    second=$!
    eventually test -s "$L/other/taken.json"
    [ -z "$(scopes)" ]
    ! grep -q 'another lithos_tree' "$L/second.out" || false
    kill "$second"; wait "$second" || true
}
