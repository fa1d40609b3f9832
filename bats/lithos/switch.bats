# lithos_switch: check, replace, reload (A-89 to A-91).
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir -p bin sandboxes processes run images/img.v1/{dev,sys,proc,tmp,config} dev/pts
    cp "$(command -v lithos_check)" "$(command -v lithos_switch)" bin/
    : > bin/lithos_tree; : > bin/lithos_knot
    printf 'devfs-dir: %s/dev\nruntime-dir: %s/run\n' "$PWD" "$PWD" > master.yaml
    printf 'image-dir: %s/images\nallow-users: [1]\nallow-groups: [0]\n' "$PWD" > sandboxes/app.yaml
    printf 'executable: /bin/x\nuser-id: 1\n' > images/img.v1/config/web.yaml
    echo 'old: {image: img.v1, config: /config/web.yaml}' > processes/app.yaml
    echo 'web: {image: img.v1, config: /config/web.yaml}' > new.yaml
}

switch() { run --separate-stderr bin/lithos_switch --master master.yaml "$@"; }

unchanged() { grep -q '^old:' processes/app.yaml && [ "$(ls -A processes)" = app.yaml ]; }

@test "a sound file replaces the old one, with its mode, and stays (A-91)" {
    chmod 640 new.yaml
    switch app new.yaml
    [ "$status" -eq 0 ] && [[ "$stderr" == *warning*"no tree runs"* ]]
    cmp new.yaml processes/app.yaml
    [ "$(stat -c %a processes/app.yaml)" = 640 ]
    [ "$(ls -A processes)" = app.yaml ]
}

@test "a broken file changes nothing (A-89)" {
    echo 'web: [' > new.yaml
    switch app new.yaml
    [ "$status" -eq 1 ] && [[ "$stderr" == *"nothing has been changed"* ]]
    unchanged
}

@test "neither do unknown sandboxes, missing images, ports, names (A-90)" {
    switch other new.yaml
    [ "$status" -eq 1 ] && unchanged
    switch ../app new.yaml
    [ "$status" -eq 1 ] && unchanged
    switch app none.yaml
    [ "$status" -eq 1 ] && [[ "$stderr" == *none.yaml* ]] && unchanged
    sed -i s/img.v1/img.v2/ new.yaml
    switch app new.yaml
    [ "$status" -eq 1 ] && unchanged
    switch app
    [ "$status" -eq 2 ]
}

# bats test_tags=young
@test "the tree is told, and nobody else" {
    # A process of another name must not be hit, whatever the file says.
    sleep 60 3>&- & local other=$!
    echo "$other" > run/master.pid
    switch app new.yaml
    [ "$status" -eq 0 ] && [[ "$stderr" == *"sleep"* ]]
    kill -0 "$other"
    kill "$other"
    # A stand-in of the right name.
    cp "$(command -v sleep)" lithos_tree 2>/dev/null || cp /bin/sleep lithos_tree
    env --default-signal=QUIT ./lithos_tree 60 3>&- & local tree=$!
    echo "$tree" > run/master.pid
    switch -v app new.yaml
    # It ends by the signal, so it has not confirmed.
    [ "$status" -eq 3 ] && [[ "$stderr" == *"process $tree reloads"*"the tree ended"* ]]
    local ended=0
    wait "$tree" || ended=$?
    [ "$ended" -eq 131 ]
}

@test "concurrent switches leave one whole file" {
    local i
    for i in 1 2 3 4 5 6; do
        echo "p$i: {image: img.v1, config: /config/web.yaml}" > "n$i.yaml"
        bin/lithos_switch --master master.yaml app "n$i.yaml" 2>/dev/null 3>&- &
    done
    wait
    cmp "n$(grep -o '^p[1-6]' processes/app.yaml | tr -d p).yaml" processes/app.yaml
    [ "$(ls -A processes)" = app.yaml ]
}

@test "a switch that was killed leaves the old file, and the next one is not disturbed" {
    # The check never ends, so that the switch is killed in the middle of its work.
    mv bin/lithos_check bin/real
    printf '#!/bin/sh\n: > started\nexec sleep 60\n' > bin/lithos_check
    chmod 755 bin/lithos_check
    bin/lithos_switch --master master.yaml app new.yaml 3>&- & local pid=$! n
    for _ in $(seq 100); do [ -e started ] && break; sleep 0.05; done
    [ -e started ]
    local child; child=$(pgrep -P "$pid")
    kill -KILL "$pid" "$child"
    wait "$pid" || true
    grep -q '^old:' processes/app.yaml
    mv bin/real bin/lithos_check
    switch app new.yaml
    [ "$status" -eq 0 ]
    cmp new.yaml processes/app.yaml
    [ "$(ls -A processes)" = app.yaml ]
}
