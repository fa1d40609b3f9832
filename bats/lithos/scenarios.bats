# Acceptance scenarios that no other file has; SCENARIOS.md tells where each one is tested.
# bats file_tags=root,young
load lithos.bash
load world.bash

setup() { setup_lithos; }

checked() { { echo 'executable: /bin/x'; cat; } > "$L/c.yaml"; run lithos_check --check-container "$L/c.yaml"; }
good() { checked; [ "$status" -eq 0 ] && [ -z "$output" ] || { echo "$output"; false; }; }
bad() { checked; [ "$status" -eq 1 ] && contains "$output" "$1"; }

metric() { python3 "$VAGGA_BATS/fixtures/metrics.py" "$L/run/metrics" "$@"; }

# bats test_tags=root
@test "the master file is missing: every tool ends with 1 and names it (A-2)" {
    : | processes
    none=$L/none.yaml
    for tool in "lithos_tree -C $none" "lithos_check -C $none" "lithos_clean -C $none" \
        "lithos_knot --name app/web.0 --master $none --config $(instance web Daemon)" "lithos_check -C $none --explain app/web" \
        "lithos_switch --master $none app $L/processes/app.yaml" "lithos_cmd --master $none app sh"; do
        run $tool
        [ "$status" -eq 1 ] || { echo "$tool: $status"; false; }
        contains "$output" "$none: Error reading file: No such file or directory (os error 2); an empty file there means the defaults"
    done
}

# bats test_tags=root
@test "numbers, modes and tags of container files (A-6, A-9 to A-12, A-17)" {
    good <<< 'user_id: 5'
    good <<< 'user-id: 5'
    bad memory-limit <<< 'memory-limit: 1T'
    bad kill-timeout <<< 'kill-timeout: 86401'
    bad restart-timeout <<< 'restart-timeout: -1'
    bad mode <<< 'volumes: {/a: !Tmpfs {mode: 0o2777}}'
    good <<'YAML'
variables:
  p: !TcpPort
volumes:
  /a: !Tmpfs
  /b: !Persistent
  /c: !Statedir
YAML
    bad fd <<< 'tcp-ports: {80: {fd: -1}}'
}

# bats test_tags=root
@test "an explicit port with the number of an activated one (A-29)" {
    bad LISTEN_FDS <<< $'variables: {p: !TcpPort {activation: systemd}}\nenviron: {LISTEN_FDS: 1}'
    bad 3 <<< $'variables: {p: !TcpPort {activation: systemd}}\ntcp-ports: {80: {fd: 3}}'
}

# bats test_tags=root
@test "suffixes and bases are numbers, words of lists are strings (A-8, A-14)" {
    script n 'memory-limit: 10 Mi' 'fileno-limit: 1k' 'user-id: 0x10' 'kill-timeout: 1_000' <<< 'ulimit -n; id -u'
    run inside n
    [ "$output" = $'1000\n16' ]
    container a <<'YAML'
kind: Command
interactive: true
executable: /bin/echo
arguments: [60, true]
YAML
    run inside a
    [ "$output" = '60 true' ]
}

# bats test_tags=root
@test "a missing executable: step and error are logged, and it is tried once per second (A-57)" {
    printf '%s\n' 'executable: /bin/missing' 'restart-timeout: 0' | container web
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree --log-level info
    twice() { [ "$(grep -c 'ERROR.*app/web.0" could not be started: execute "/bin/missing": No such file' "$L/log/master.log")" -ge 2 ]; }
    begin=$(date +%s%N)
    eventually twice
    [ $(($(date +%s%N) - begin)) -ge 800000000 ]
    running 0
}

# bats test_tags=root
@test "exit 0 is a failure of a daemon unless it is normal, TERM to the process is none (A-63, A-65)" {
    shell web 'exit 0' 'restart-timeout: 60'
    shell fine 'exit 0' 'restart-timeout: 60' 'normal-exit-codes: [0]'
    sleeper job 'restart-timeout: 0'
    for name in web fine job; do echo "$name: {image: img.v1, config: /config/$name.yaml}"; done | processes
    start_tree --log-level info
    eventually grep -q 'ERROR.*"app/web.0" .*exited with code 0' "$L/log/master.log"
    eventually grep -q 'INFO.*"app/fine.0" .*exited with code 0' "$L/log/master.log"
    eventually running 1
    old=$(knot_of app/job.0)
    service() { cat "/proc/$old/task/$old/children" | grep -q .; }
    eventually service
    kill -TERM $(cat "/proc/$old/task/$old/children")
    another() { running 1 && [ "$(knot_of app/job.0)" != "$old" ]; }
    eventually another
    grep -q 'INFO.*"app/job.0" .*killed by signal SIGTERM\[15\]' "$L/log/master.log"
    counted() { [ "$(metric processes.app.$1 deaths)$(metric processes.app.$1 failures)" = "$2" ]; }
    eventually counted web 11
    eventually counted fine 10
    eventually counted job 10
}

# bats test_tags=root
@test "what ignores TERM and is not wanted any more is killed in its time, said, and not restarted (A-67)" {
    shell web "trap '' TERM; touch /state/on; while :; do sleep 1; done" 'kill-timeout: 1' \
        'volumes: {/state: !Statedir {mode: 0o777}}' 'restart-timeout: 0'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree --log-level info
    eventually test -e "$L/run/state/app/web.0/on"
    : | processes
    reload
    running 1
    eventually running 0
    grep -q 'Process "app/web.0" did not respond to SIGTERM in 1s, uptime .*Killing' "$L/log/stderr/app.log"
    eventually grep -q 'ERROR.*"app/web.0" .*killed by signal SIGKILL' "$L/log/master.log"
    [ "$(starts app/web.0)" -eq 1 ]
    [ ! -e "$L/run/state/app/web.0" ]
}

# bats test_tags=root
@test "lithos_switch to another image: TERM, then the same name with the new image; no failure (A-83)" {
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree --log-level info
    eventually running 1
    cp -a "$IMAGE" "$L/images/img.v2"
    echo 'web: {image: img.v2, config: /config/web.yaml}' > "$L/new.yaml"
    run lithos_switch --master "$L/master.yaml" app "$L/new.yaml"
    [ "$status" -eq 0 ] || { echo "$output"; false; }
    new() { running 1 && grep -q img.v2 "$L/run/knots/app/web.0.json"; }
    eventually new
    [ "$(grep -c 'Container "app/web.0" (pid' "$L/log/master.log")" -eq 1 ]
    ! grep -q ERROR "$L/log/master.log" || false
}

# bats test_tags=root
@test "the order of variables is no change (A-85)" {
    sleeper web 'variables: {a: !Name , b: !Name }'
    echo 'web: {image: img.v1, config: /config/web.yaml, variables: {a: x, b: y}}' | processes
    start_tree
    eventually running 1
    before=$(knots)
    echo 'web: {variables: {b: y, a: x}, config: /config/web.yaml, image: img.v1}' | processes
    reload
    [ "$(knots)" = "$before" ]
    run lithos_tree -C "$L/master.yaml" --dry-run
    [ "$output" = 'keep    app/web.0' ]
}

# bats test_tags=root
@test "a relative path of the master file and a missing image (A-94)" {
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    cd "$L"
    lithos_tree -C master.yaml > "$L/tree.out" 2>&1 3>&- &
    TREE=$!
    eventually running 1
    before=$(knots)
    mv "$IMAGE" "$L/images/away"
    reload
    reload
    kill -0 "$TREE"
    [ "$(knots)" = "$before" ]
    grep -q 'ERROR.*img.v1' "$L/log/master.log"
}

# bats test_tags=root
@test "a reload leaves a running command alone, its state directory too (A-125)" {
    script sh <<< 'echo started; while [ ! -e /tmp/end ]; do sleep 0.05; done; echo ended'
    sed -i 's|/tmp/end|/data/end|' "$IMAGE/config/sh.sh"
    mkdir "$L/host/data"
    sandbox <<< "writable-paths: {/data: $L/host/data}"
    echo 'volumes: {/data: !Persistent /data}' >> "$IMAGE/config/sh.yaml"
    echo 'sh: {kind: Command, image: img.v1, config: /config/sh.yaml}' | processes
    start_tree
    lithos_cmd --master "$L/master.yaml" app sh < /dev/null > "$L/out" 2>&1 3>&- & pid=$!
    eventually grep started "$L/out"
    reload
    reload
    ls -d "$L"/run/state/app/cmd.sh.*
    touch "$L/host/data/end"
    wait "$pid"; pid=
    grep -q ended "$L/out"
    ! ls -d "$L"/run/state/app/cmd.sh.* 2> /dev/null || false
}

# bats test_tags=root
@test "history: one line per sandbox and reload, rotated when it is long (A-147, A-148)" {
    echo 'web: {image: img.v1, config: /config/web.yaml, instances: 0, variables: {b: y, a: x}}' | processes
    start_tree
    eventually test -s "$L/log/config/app.log"
    reload
    [ "$(history_lines)" -eq 2 ]
    [[ "$(tail -1 "$L/log/config/app.log")" =~ ^[0-9T:Z-]+\ \{\"web\":\{\"instances\":0,\"image\":\"img.v1\",\"config\":\"/config/web.yaml\",\"variables\":\{\"a\":\"x\",\"b\":\"y\"\},\"kind\":\"Daemon\"\}\}$ ]]
    echo old > "$L/log/config/app.log.1"; echo older > "$L/log/config/app.log.100"
    truncate -s 10485761 "$L/log/config/app.log"
    kill -HUP "$TREE"
    small() { [ "$(stat -c %s "$L/log/config/app.log")" -lt 1000 ]; }
    eventually small
    [ "$(stat -c %s "$L/log/config/app.log.1")" -eq 10485761 ]
    [ "$(cat "$L/log/config/app.log.2")" = old ]
    [ ! -e "$L/log/config/app.log.101" ]
}

# bats test_tags=root
@test "state directories of the dead are removed at the start, with a warning (A-149)" {
    : | processes
    mkdir -p "$L/run/state/app/cmd.sh.999999999/x" "$L/run/state/app/old.7" "$L/run/state/app/cmd.sh.$$" "$L/run/state/gone/web.0"
    start_tree
    [ "$(ls "$L/run/state" "$L/run/state/app" | tr '\n' ' ')" = "$L/run/state: app  $L/run/state/app: cmd.sh.$$ " ]
    [ "$(grep -c 'WARN.*removed the state directory' "$L/log/master.log")" -eq 3 ]
}

# bats test_tags=root
@test "the table of scenarios names tests that exist, and every scenario" {
    run /usr/bin/python3 "$VAGGA_BATS/fixtures/scenarios.py" "$VAGGA_BATS/lithos" "$VAGGA_SOURCE" \
        A-=1-36,40-74,80-95,100-110,115-118,120-125,130-150,160-166
    [ "$status" -eq 0 ] || { echo "$output"; false; }
}
