# Reloading lithos_tree: what changed changes, everything else stays.
# bats file_tags=root,young

setup() {
    load lithos.bash
    load world.bash
    setup_lithos
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' | processes
}

# bats test_tags=root
@test "reloads without a change, also five in a burst, touch nothing" {
    start_tree --log-level warn
    eventually running 2
    before=$(knots)
    : > "$L/log/master.log"
    reload QUIT
    for _ in 1 2 3 4 5; do kill -HUP "$TREE"; done
    sleep 1
    [ "$(knots)" = "$before" ]
    kill -0 "$TREE"
    [ ! -s "$L/log/master.log" ]
    reload
    [ "$(knots)" = "$before" ]
}

# bats test_tags=root
@test "instances come and go, the first stays" {
    start_tree
    eventually running 2
    first=$(knot_of app/web.0)
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 1}' | processes
    reload
    eventually running 1
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 3}' | processes
    reload
    eventually running 3
    [ "$(knot_of app/web.0)" = "$first" ]
}

# bats test_tags=root
@test "another image replaces all containers without waiting; an edited container file does not" {
    sleeper web 'restart-timeout: 3600'
    start_tree
    eventually running 2
    before=$(knots)
    sleeper web 'restart-timeout: 3600' 'fileno-limit: 99'
    reload
    sleep 0.5
    [ "$(knots)" = "$before" ]
    cp -a "$IMAGE" "$L/images/img.v2"
    echo 'web: {image: img.v2, config: /config/web.yaml, instances: 2}' | processes
    reload
    replaced() { running 2 && [ -z "$(comm -12 <(knots | sort) <(sort <<< "$before"))" ]; }
    eventually replaced
}

# bats test_tags=root
@test "whatever is broken stays as it was, only what is removed is stopped" {
    start_tree
    eventually running 2
    before=$(knots)
    echo 'web: [' > "$L/processes/app.yaml"
    kill -HUP "$TREE"; sleep 0.7
    [ "$(knots)" = "$before" ]
    grep -q 'ERROR.*processes/app.yaml' "$L/log/master.log"
    echo 'web: {image: img.gone, config: /config/web.yaml, instances: 2}' | processes
    reload; sleep 0.3
    [ "$(knots)" = "$before" ]
    echo 'image-dir: [' > "$L/sandboxes/app.yaml"
    kill -HUP "$TREE"; sleep 0.7
    [ "$(knots)" = "$before" ]
    # A container of a broken sandbox that ends is restarted by the last good configuration where that is possible, and
    # a broken master file does not end the tree.
    cp "$L/master.yaml" "$L/kept"; echo 'log-level: [' > "$L/master.yaml"
    kill -HUP "$TREE"; sleep 0.7
    kill -0 "$TREE"
    [ "$(knots)" = "$before" ]
    cp "$L/kept" "$L/master.yaml"
    rm "$L/sandboxes/app.yaml"
    kill -HUP "$TREE"
    eventually running 0
    kill -0 "$TREE"
}

# bats test_tags=root
@test "options of the log and a relative path of the master file do not disturb a reload" {
    cd "$L"
    lithos_tree -C master.yaml --log-level info --log-stderr > "$L/tree.out" 2>&1 3>&- &
    TREE=$!
    eventually running 2
    before=$(knots)
    reload; reload
    [ "$(knots)" = "$before" ]
}

# bats test_tags=root
@test "a process that ends while the tree replaces itself is restarted" {
    sleeper web 'restart-timeout: 0'
    start_tree
    eventually running 2
    old=$(knot_of app/web.0)
    kill -STOP "$TREE"
    kill -9 "$old"
    kill -HUP "$TREE"
    kill -CONT "$TREE"
    another() { running 2 && [ "$(knot_of app/web.0)" != "$old" ]; }
    eventually another
}

# bats test_tags=root
@test "another copy of the binary takes over, with children and sockets" {
    echo 'allow-tcp-ports: [17101]' | sandbox
    sleeper web 'tcp-ports: {17101: {fd: 5}}'
    mkdir "$L/bin"; cp "$(command -v lithos_tree)" "$(command -v lithos_knot)" "$L/bin/"
    PATH=$L/bin:$PATH start_tree
    eventually running 2
    before=$(knots)
    socket=$(stat -Lc %i "/proc/$(knot_of app/web.0)/fd/5")
    cp "$(command -v lithos_tree)" "$L/bin/new"; mv "$L/bin/new" "$L/bin/lithos_tree"
    inode=$(stat -c %i "$L/bin/lithos_tree")
    reload
    [ "$(knots)" = "$before" ]
    [ "$(stat -Lc %i "/proc/$TREE/exe")" = "$inode" ]
    # The same socket: nobody who connects meanwhile is refused.
    ls -l "/proc/$TREE/fd" | grep -q "socket:\[$socket\]"
}

# bats test_tags=root
@test "dry run tells what a reload would do, and does nothing" {
    start_tree
    eventually running 2
    before=$(knots)
    run lithos_tree -C "$L/master.yaml" --dry-run
    [ "$output" = $'keep    app/web.0\nkeep    app/web.1' ]
    sleeper job
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml, variables: {x: y}}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    run lithos_tree -C "$L/master.yaml" --dry-run
    [ "$status" -eq 0 ]
    [ "$output" = $'start   app/job.0\nreplace app/web.0\nstop    app/web.1' ]
    [ "$(knots)" = "$before" ]
}

# bats test_tags=root
@test "a rolling upgrade starts before it stops" {
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 2, max-surge: 1}' | processes
    start_tree --log-level info
    eventually running 2
    cp -a "$IMAGE" "$L/images/img.v2"
    echo 'web: {image: img.v2, config: /config/web.yaml, instances: 2, max-surge: 1}' | processes
    : > "$L/log/master.log"
    reload
    done_rolling() { running 2 && [ "$(grep -c Stopping "$L/log/master.log")" -eq 3 ] && [ ! -e "$L/run/knots/app/web.2.json" ]; }
    eventually done_rolling
    [ "$(grep -oE '(Starting|Stopping) container "[^"]*"' "$L/log/master.log" | head -2)" = $'Starting container "app/web.2"\nStopping container "app/web.0"' ]
    grep -q img.v2 "$L/run/knots/app/web.0.json"
    grep -q img.v2 "$L/run/knots/app/web.1.json"
}

# bats test_tags=root
@test "lithos_switch says whether the tree took the file" {
    start_tree
    eventually running 2
    echo 'web: {image: img.v1, config: /config/web.yaml}' > "$L/new.yaml"
    lithos_switch --master "$L/master.yaml" app "$L/new.yaml"
    # The tree had read the file when the switch came back.
    grep -q '"begun"' "$L/run/taken.json"
    eventually running 1
    # A check that lets everything through.
    mkdir "$L/lax"
    cp "$(command -v lithos_switch)" "$L/lax/"
    printf '#!/bin/sh\nexit 0\n' > "$L/lax/lithos_check"
    chmod 755 "$L/lax/lithos_check"
    echo 'web: {image: nosuch, config: /config/web.yaml}' > "$L/new.yaml"
    run "$L/lax/lithos_switch" --master "$L/master.yaml" app "$L/new.yaml"
    [ "$status" -eq 3 ]
    [[ "$output" == *"the tree refused it"*nosuch* ]]
    running 1
}

@test "lithos_switch waits ten seconds for a tree that does not answer, then says so" {
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    kill -STOP "$TREE"
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' > "$L/new.yaml"
    before=$SECONDS
    run lithos_switch --master "$L/master.yaml" app "$L/new.yaml"
    kill -CONT "$TREE"
    [ "$status" -eq 3 ]
    contains "$output" 'the tree has not confirmed it in 10s'
    [ $((SECONDS - before)) -ge 9 ]
    [ $((SECONDS - before)) -le 20 ]
    # The file is in place, and the tree goes by it as soon as it can.
    cmp "$L/new.yaml" "$L/processes/app.yaml"
    eventually running 2
}

# bats test_tags=root
@test "a tree that was started with SIGHUP ignored, as by nohup, reloads" {
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    trap '' HUP
    start_tree
    trap - HUP
    eventually running 1
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' | processes
    reload
    eventually running 2
    reload
}
