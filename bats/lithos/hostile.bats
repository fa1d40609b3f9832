# Images, files and processes that mean no good, under lithos_tree: what they touch fails, everything else goes on.
# bats file_tags=root,young
load lithos.bash
load world.bash

setup() { setup_lithos; }

entry() { echo "$1: {image: img.v1, config: /config/$1.yaml}"; }
failed() { grep -q "ERROR.*app/$1" "$L/log/master.log"; }

# bats test_tags=root
@test "container files that are a pipe, a device, a directory, a circle, endless or huge: an error each, the others run" {
    sleeper web
    cd "$IMAGE/config"
    mkfifo pipe.yaml
    mknod zero.yaml c 1 5
    mkdir dir.yaml
    ln -s circle.yaml circle.yaml
    ln -s /proc/1/fd/0 magic.yaml
    truncate -s 5G huge.yaml
    yes '- [[[[[[[[[[[[[[[[[[[[[[[[[' 2> /dev/null | head -c 900000 > deep.yaml || true
    { echo 'a: &a [x, x, x, x, x, x, x, x, x]'; for n in b c d e f g h i j; do
        echo "$n: &$n [*$p, *$p, *$p, *$p, *$p, *$p, *$p, *$p, *$p]"; p=$n; done; } > bomb.yaml 2> /dev/null || true
    cd "$L"
    all='pipe zero dir circle magic huge deep bomb missing'
    for name in $all web; do entry "$name"; done | processes
    start_tree
    eventually running 1
    [ -n "$(knot_of app/web.0)" ]
    for name in $all; do eventually failed "$name"; done
    before=$(knots)
    reload
    [ "$(knots)" = "$before" ]
    # Not much memory went into any of that, kilobytes.
    [ "$(awk '/^VmHWM/ { print $2 }' "/proc/$TREE/status")" -le 100000 ]
}

# bats test_tags=root
@test "images whose /etc, /dev, /proc, /sys, mount points or themselves are links: nothing of the host is touched" {
    mkdir -p "$L/victim" "$L/host/data"; echo mine > "$L/victim/hosts"; cp "$L/victim/hosts" "$L/victim/resolv.conf"
    sandbox <<< "writable-paths: {/data: $L/host/data}"
    variant() { cp -a "$IMAGE" "$L/images/$1"; cd "$L/images/$1"; rm -rf "./$2"; ln -s "$3" "$2"; cd "$L"; }
    sleeper web 'volumes: {/data: !Persistent /data}'
    variant etc etc "$L/victim"
    variant dev dev "$L/victim"
    variant proc proc "$L/victim"
    variant sys sys /config
    variant data data "$L/victim"
    variant up data ../../../../../victim
    variant tmp tmp "$L/victim"
    ln -s "$L/victim" "$L/images/self"
    for name in etc dev proc sys data up tmp self; do
        echo "$name: {image: $name, config: /config/web.yaml, instances: 1}"
    done > "$L/processes/app.yaml"
    entry web >> "$L/processes/app.yaml"
    before=$(cat /proc/self/mountinfo)
    start_tree
    for name in dev proc data self; do eventually failed "$name"; done
    alive() { [ -e "$L/run/knots/app/web.0.json" ]; }
    eventually alive
    # Of what runs, nothing sees or covers the host's directory.
    for knot in $(knots); do
        ! grep -q "$L/victim" "/proc/$knot/mountinfo" || false
        [ ! -e "/proc/$knot/root$L/victim" ]
    done
    [ "$(cat "$L/victim/hosts" "$L/victim/resolv.conf")" = $'mine\nmine' ]
    [ "$(ls "$L/victim")" = $'hosts\nresolv.conf' ]
    [ "$(cat /proc/self/mountinfo)" = "$before" ]
}

# bats test_tags=root
@test "images without the directories that are needed: named, the others run" {
    sleeper web
    for name in dev proc sys; do cp -a "$IMAGE" "$L/images/no.$name"; rm -rf "$L/images/no.$name/$name"; done
    mkdir "$L/images/empty"
    { for name in dev proc sys; do echo "no-$name: {image: no.$name, config: /config/web.yaml}"; done
      echo 'empty: {image: empty, config: /config/web.yaml}'; entry web; } | processes
    start_tree
    for name in dev proc sys; do eventually grep -q "ERROR.*app/no-$name.0.*/$name" "$L/log/master.log"; done
    eventually failed empty
    eventually test -e "$L/run/knots/app/web.0.json"
    eventually running 1
}

# bats test_tags=root
@test "processes files that are a pipe, a directory, a device or endless: what runs stays, the tree answers" {
    sleeper web
    entry web | processes
    start_tree
    eventually running 1
    before=$(knots)
    for kind in pipe dir device huge; do
        rm -rf "$L/processes/app.yaml"
        case $kind in
            pipe) mkfifo "$L/processes/app.yaml" ;;
            dir) mkdir "$L/processes/app.yaml" ;;
            device) mknod "$L/processes/app.yaml" c 1 5 ;;
            huge) truncate -s 5G "$L/processes/app.yaml" ;;
        esac
        : > "$L/log/master.log"
        kill -HUP "$TREE"
        eventually grep -q 'ERROR.*app.yaml' "$L/log/master.log"
        [ "$(knots)" = "$before" ]
    done
    rm -rf "$L/processes/app.yaml"
    : | processes
    reload
    eventually running 0
}

# bats test_tags=root
@test "lithos_switch killed at any moment: the old file or the new one, whole, and the tree goes on" {
    sleeper web
    entry web | processes
    start_tree
    eventually running 1
    for n in 1 2 3 4 5 6 7 8; do
        { echo "# $n"; entry web; seq -f '# %.0f' 2000; } > "$L/new.yaml"
        lithos_switch --master "$L/master.yaml" app "$L/new.yaml" > /dev/null 2>&1 3>&- &
        sleep "0.0$n"
        kill -9 $! 2> /dev/null || true
        wait $! || true
        cmp -s "$L/new.yaml" "$L/processes/app.yaml" || ! grep -qx "# $n" "$L/processes/app.yaml"
    done
    before=$(knots)
    lithos_switch --master "$L/master.yaml" app "$L/new.yaml"
    cmp "$L/new.yaml" "$L/processes/app.yaml"
    eventually running 1
    [ "$(knots)" = "$before" ]
}

# bats test_tags=root
@test "nothing that waits relies on the clock of the day, which steps" {
    [ -n "$VAGGA_SOURCE" ] || skip 'no source here'
    # Log lines, histories, records of tools may have it; what supervises may not.
    for file in "$VAGGA_SOURCE"/src/lithos/tree/machine.rs "$VAGGA_SOURCE"/src/lithos/tree/machine/*.rs \
        "$VAGGA_SOURCE"/src/lithos/knot/supervise.rs "$VAGGA_SOURCE"/src/sys/poll.rs "$VAGGA_SOURCE"/src/sys/monotonic.rs; do
        [ -e "$file" ] || continue
        ! grep -nE 'SystemTime|CLOCK_REALTIME|UNIX_EPOCH' "$file" || false
    done
}
