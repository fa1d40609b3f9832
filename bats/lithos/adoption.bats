# The death of lithos_tree, and the next one.
# bats file_tags=root,young

setup() {
    load lithos.bash
    load world.bash
    setup_lithos
    sleeper web 'restart-timeout: 0'
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' | processes
}

kill_tree() { kill -9 "$TREE"; wait "$TREE" || true; }

# bats test_tags=root
@test "kill -9 of the tree loses no container: the next one takes them over and supervises them" {
    start_tree
    eventually running 2
    before=$(knots)
    kill_tree
    sleep 0.3
    [ "$(knots)" = "$before" ]
    start_tree --log-level info
    sleep 0.5
    [ "$(knots)" = "$before" ]
    [ "$(grep -c 'Taking over' "$L/log/master.log")" -eq 2 ]
    old=$(knot_of app/web.1)
    kill -9 "$old"
    another() { running 2 && [ "$(knot_of app/web.1)" != "$old" ]; }
    eventually another
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 1}' | processes
    reload
    eventually running 1
}

# bats test_tags=root
@test "with a broken configuration too, by what was good last" {
    start_tree
    eventually running 2
    before=$(knots)
    kill_tree
    echo 'web: [' > "$L/processes/app.yaml"
    start_tree
    sleep 0.5
    [ "$(knots)" = "$before" ]
    kill -9 "$(knot_of app/web.0)"
    eventually running 2
}

# bats test_tags=root
@test "with --die-with-tree nothing outlives the tree, a reload is no death (A-71)" {
    start_tree --die-with-tree
    eventually running 2
    before=$(knots)
    reload
    [ "$(knots)" = "$before" ]
    kill_tree
    eventually running 0
}

# bats test_tags=root
@test "what ended meanwhile is started, what was removed meanwhile is stopped, and nothing runs twice" {
    start_tree
    eventually running 2
    stays=$(knot_of app/web.0)
    kill_tree
    kill -9 "$(knot_of app/web.1)"
    start_tree
    eventually running 2
    [ "$(knot_of app/web.0)" = "$stays" ]
    kill_tree
    : | processes
    start_tree
    eventually running 0
}

# bats test_tags=root
@test "a container without a record is found by its command line, one of a name that is taken is reported and left alone" {
    start_tree
    eventually running 2
    before=$(knots)
    kill_tree
    rm "$L/run/knots/app/web.0.json"
    start_tree
    sleep 0.5
    [ "$(knots)" = "$before" ]
    [ -e "$L/run/knots/app/web.0.json" ]
}

# Kills a container and stops the process that sets up its successor; its PID. Once more whenever it was too quick.
hold_set_up() {
    python3 - "$TREE" "$1" "$L/run/knots/$1.json" <<'END'
import json, os, signal, sys, time

def set_up(tree, name):
    for pid in open(f"/proc/{tree}/task/{tree}/children").read().split():
        try:
            words = open(f"/proc/{pid}/cmdline").read().split("\0")
            ids = [line for line in open(f"/proc/{pid}/status") if line.startswith("NSpid")][0].split()
        except (OSError, IndexError):
            continue
        if words[2:3] == [name] and len(ids) == 2:
            return int(pid)

def hold(tree, name, record):
    try:
        os.kill(json.load(open(record))["pid"], signal.SIGKILL)
    except (OSError, ValueError):
        pass
    limit = time.monotonic() + 0.3
    while time.monotonic() < limit:
        pid = set_up(tree, name)
        if pid:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.02)
            # It may have done its work before the signal came.
            if set_up(tree, name) == pid:
                return pid

for attempt in range(40):
    pid = hold(*sys.argv[1:])
    if pid:
        print(pid)
        sys.exit()
sys.exit("nobody sets it up")
END
}

# bats test_tags=root
@test "a container that is being set up while the tree is killed is taken over, whenever it is ready: it runs once" {
    start_tree --log-level info
    eventually running 2
    local delay held
    for delay in 0 0.002 0.005 0.008 0.011 0.015 0.05 0.3; do
        held=$(hold_set_up app/web.0)
        kill_tree
        (sleep "$delay"; kill -CONT "$held") 3>&- & helper=$!
        start_tree --log-level info
        wait "$helper"
        # Neither one in excess for a moment, nor one later.
        for _ in 1 2 3 4 5; do [ "$(knots | wc -l)" -le 2 ]; done
        eventually running 2
        sleep 0.1
        running 2
    done
}

# bats test_tags=root
@test "a record of another process is not believed" {
    start_tree
    eventually running 2
    kill_tree
    sleep 1000 3>&- & victim=$!
    knots | xargs kill -9
    eventually running 0
    sed -i "s/\"pid\":[0-9]*/\"pid\":$victim/" "$L/run/knots/app/web.0.json"
    start_tree
    eventually running 2
    : | processes
    reload
    eventually running 0
    kill -0 "$victim"
    kill "$victim"
}

# bats test_tags=root
@test "a fault of the tree is survived: the same process, the same containers" {
    start_tree
    eventually running 2
    before=$(knots)
    for signal in SEGV ABRT BUS; do
        kill "-$signal" "$TREE"
        sleep 0.8
        kill -0 "$TREE"
        [ "$(knots)" = "$before" ]
    done
    # In a burst, and mixed with reloads: the next program inherits what comes while it is not prepared.
    for _ in 1 2 3 4 5; do kill -SEGV "$TREE"; kill -HUP "$TREE"; sleep 0.1; done
    sleep 0.5
    kill -0 "$TREE"
    [ "$(knots)" = "$before" ]
    kill -9 "$(knot_of app/web.0)"
    eventually running 2
}

# bats test_tags=root
@test "after a fault nothing is read before somebody asks: what was good last goes on" {
    start_tree
    eventually running 2
    sleeper extra
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml}' 'extra: {image: img.v1, config: /config/extra.yaml}' | processes
    kill -SEGV "$TREE"
    eventually grep -q 'the supervisor had a fault' "$L/log/master.log"
    # Still supervised.
    victim=$(knot_of app/web.0)
    kill -9 "$victim"
    another() { [ -n "$(knot_of app/web.0)" ] && [ "$(knot_of app/web.0)" != "$victim" ]; }
    eventually another
    [ ! -e "$L/run/knots/app/extra.0.json" ]
    reload
    eventually test -e "$L/run/knots/app/extra.0.json"
}

# bats test_tags=root
@test "sockets are taken back from the containers after kill -9" {
    echo 'allow-tcp-ports: [17102]' | sandbox
    sleeper web 'tcp-ports: {17102: {fd: 5}}' 'restart-timeout: 0'
    start_tree
    eventually running 2
    socket=$(stat -Lc %i "/proc/$(knot_of app/web.0)/fd/5")
    kill_tree
    start_tree
    ls -l "/proc/$TREE/fd" | grep -q "socket:\[$socket\]" || skip 'descriptors of other processes cannot be taken here'
    kill -9 "$(knot_of app/web.0)"
    eventually running 2
    [ "$(stat -Lc %i "/proc/$(knot_of app/web.0)/fd/5")" = "$socket" ]
}
