# Images that nobody uses: lithos_clean (A-140 to A-145).
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir -p etc/sandboxes etc/processes log run images/{img.v1,old1,old2,.hid,x.bak}
    ln -s old1 images/link
    cat > etc/master.yaml <<YAML
runtime-dir: $PWD/run
config-log-dir: $PWD/log
YAML
    sandbox app "$PWD/images"
    entry img.v1 > etc/processes/app.yaml
    line '2026-01-01T00:00:00Z' img.v1 > log/app.log
    touch -d '10 days ago' images/*
}

sandbox() { printf 'image-dir: %s\nallow-users: [1]\nallow-groups: [1]\n' "$2" > "etc/sandboxes/$1.yaml"; }
entry() { printf 'web: {image: %s, config: /c.yaml}\n' "$1"; }
line() { printf '%s {"web":{"instances":1,"image":"%s","config":"/c.yaml","kind":"Daemon"}}\n' "$1" "$2"; }
ago() { date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ; }
clean() { run --separate-stderr lithos_clean -C etc/master.yaml "$@"; }
lists() { [ "$status" -eq 0 ] && [ "$(sort <<<"$output")" = "$(printf '"%s"\n' "$@")" ] || { echo "$status: $output $stderr"; false; }; }

@test "only ordinary directories that nobody uses are listed (A-140)" {
    clean --unused
    lists "$PWD/images/old1" "$PWD/images/old2"
    clean
    lists "$PWD/images/img.v1"
}

@test "fresh directories are spared on request (A-141)" {
    mkdir images/fresh
    clean --unused --keep-recent 1h
    # The birth of a directory cannot be set back: all of them are fresh.
    [ "$status" -eq 0 ] && [ -z "$output" ]
}

@test "what a rotated history names within the days is kept, and so is the file (A-142)" {
    line "$(ago '1 hour ago')" old2 > log/app.log.1
    line "$(ago '50 days ago')" old1 > log/app.log.2
    line "$(ago '1 minute ago')" img.v1 > log/app.log
    clean --unused -D 1 --clean-logs
    # old1 was replaced an hour ago: it ended within the day.
    [ "$status" -eq 0 ] && [ -z "$output" ]
    clean --unused --clean-logs
    lists "$PWD/images/old1" "$PWD/images/old2" "$PWD/log/app.log.1" "$PWD/log/app.log.2"
    clean --unused --vmin 2 --clean-logs
    lists "$PWD/images/old1" "$PWD/log/app.log.2"
    clean --unused -D 1 --vmax 1
    lists "$PWD/images/old1" "$PWD/images/old2"
}

@test "images and logs are deleted, nothing else" {
    echo x > images/old1/file
    ln -s "$PWD/log" images/old1/esc
    line "$(ago '50 days ago')" old1 > log/app.log.1
    clean --delete-unused -v --clean-logs
    [ "$status" -eq 0 ]
    [[ "$output" == *"Deleted \"$PWD/images/old1\""* ]]
    [ "$(ls -A images | tr '\n' ' ')" = '.hid img.v1 link x.bak ' ]
    [ "$(ls log)" = app.log ]
}

# left PART: the directory was left alone, with exit code 1, and the message holds PART.
left() {
    clean --delete-unused
    [ "$status" -eq 1 ] && [ -z "$output" ] && [[ "$stderr" == *"left alone"*"$1"* ]] || { echo "$status: $stderr"; false; }
    [ -d images/old1 ] && [ -d images/old2 ]
}

@test "with neither history nor list nothing is touched (A-143)" {
    rm log/app.log
    left 'neither a history'
    echo 'config-log-dir:' >> etc/master.yaml
    sed -i '/config-log-dir: /d' etc/master.yaml
    left 'neither a history'
}

@test "a damaged line that matters excludes the directory (A-144)" {
    { echo broken; line "$(ago '1 hour ago')" img.v1; } > log/app.log
    clean --unused
    lists "$PWD/images/old1" "$PWD/images/old2"
    clean --unused -D 7
    [ "$status" -eq 1 ] && [[ "$stderr" == *'app.log": line 1 is damaged'* ]]
    echo broken >> log/app.log
    left 'line 3 is damaged'
}

@test "sandboxes that share a directory must agree (A-145)" {
    sandbox two "$PWD/images/../images"
    entry old1 > etc/processes/two.yaml
    line "$(ago '1 hour ago')" old1 > log/two.log
    clean --unused
    lists "$PWD/images/old2"
    echo 'auto-clean: false' >> etc/sandboxes/two.yaml
    left 'auto-clean'
    sed -i 's/auto-clean: false/image-dir-levels: 2/' etc/sandboxes/two.yaml
    left 'image-dir-levels'
    rm etc/sandboxes/two.yaml
    echo 'auto-clean: false' >> etc/sandboxes/app.yaml
    clean --delete-unused
    [ "$status" -eq 0 ] && [ -d images/old1 ]
}

@test "a list replaces the history; names of wrong depth are named and ignored" {
    echo "used-images-list: $PWD/list" >> etc/sandboxes/app.yaml
    printf 'old1\n\na/b\n' > list
    rm log/app.log
    clean --unused
    lists "$PWD/images/old2"
    [[ "$stderr" == *'a/b'*ignored* ]]
    rm list
    left used-images-list
}

@test "images of running containers are in use" {
    mkdir -p run/knots/app
    printf '{"name":"app/web.0","instance":"{\\"image\\":\\"old1\\"}","pid":1}' > run/knots/app/web.0.json
    clean --unused
    lists "$PWD/images/old2"
    cp "$(command -v bash)" lithos_knot
    mkfifo fifo
    ./lithos_knot -c 'read -r -t 30 <> fifo' x --name app/cmd.x.1 --config '{"image":"old2"}' 3>&- &
    pid=$!
    for _ in $(seq 50); do [ "$(cat /proc/$pid/comm)" = lithos_knot ] && break; sleep 0.05; done
    clean --unused
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    [ "$status" -eq 0 ] && [ -z "$output" ]
    echo '{' > run/knots/app/web.1.json
    left 'web.1.json'
}

@test "names of two levels" {
    mkdir -p two/{a/x,a/y,b/x}
    sandbox app "$PWD/two"
    echo 'image-dir-levels: 2' >> etc/sandboxes/app.yaml
    entry a/x > etc/processes/app.yaml
    clean --unused
    lists "$PWD/two/a/y" "$PWD/two/b/x"
}

@test "configuration that cannot be used ends with 1, wrong usage with 2" {
    echo 'image-dir: [' > etc/sandboxes/bad.yaml
    clean --delete-unused
    [ "$status" -eq 1 ] && [ -d images/old1 ]
    rm etc/sandboxes/bad.yaml
    echo 'web: {}' > etc/processes/app.yaml
    clean --delete-unused
    [ "$status" -eq 1 ] && [ -d images/old1 ]
    clean --used --unused
    [ "$status" -eq 2 ]
    clean -D x
    [ "$status" -eq 2 ]
    clean --keep-recent 5parsecs
    [ "$status" -eq 2 ]
    run lithos_clean -C nowhere.yaml
    [ "$status" -eq 1 ]
    entry img.v1 > etc/processes/app.yaml
    mv images away
    clean --unused
    [ "$status" -eq 2 ] && [[ "$stderr" == *"$PWD/images"* ]]
}
