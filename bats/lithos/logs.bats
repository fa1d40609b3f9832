# Output of processes: its form, one file or several, rotation, a full disk.
# bats file_tags=root,young

setup() {
    load lithos.bash
    load world.bash
    setup_lithos
    OUT=$L/log/stderr
    # In place of that of world.bash.
    teardown() {
        stop_tree
        if mountpoint -q "$OUT"; then umount "$OUT"; fi
    }
}

has() { grep -qE -- "$2" "$1" 2>/dev/null; }

@test "plain: the process has the file itself, no one is between them" {
    shell web 'echo one; echo two >&2; sleep 1000'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually has "$OUT/app.log" '^two$'
    has "$OUT/app.log" '^one$'
    has "$OUT/app.log" '^20[0-9-]*T[0-9:]*Z: ----- Starting "app/web.0": "/bin/sh"'
    process=$(cat "/proc/$(knot_of app/web.0)/task/$(knot_of app/web.0)/children")
    [ "$(readlink -f "/proc/${process% }/fd/1")" = "$OUT/app.log" ]
}

@test "prefix: time and name before each line, a file for each process entry" {
    printf 'output-format: prefix\noutput-log: process\n' | sandbox
    shell web 'echo one; echo two >&2; printf three; sleep 1000' 'stop-signal: KILL'
    shell job 'echo job; sleep 1000'
    printf '%s\n' 'web: {image: img.v1, config: /config/web.yaml, instances: 2}' 'job: {image: img.v1, config: /config/job.yaml}' | processes
    start_tree
    for n in 0 1; do
        eventually has "$OUT/app.web.log" "^20[0-9-]*T[0-9:]*Z app/web.$n: one\$"
        eventually has "$OUT/app.web.log" "^20[0-9-]*T[0-9:]*Z app/web.$n stderr: two\$"
    done
    eventually has "$OUT/app.job.log" 'app/job.0: job$'
    ! has "$OUT/app.web.log" job || false
    # A line without an end is written when the process ends, before what lithos says about it.
    stop_tree
    [ "$(grep -A1 'app/web.0: three$' "$OUT/app.web.log" | tail -1 | grep -cE 'three|web')" -eq 1 ]
    has "$OUT/app.web.log" 'app/web.1: three$'
}

@test "json: every line is an object, whatever the process writes" {
    echo 'output-format: json' | sandbox
    shell web 'echo quote\\\" ; printf \"\\377\\033[31m\\n\" ; head -c 20000 /dev/zero | tr \"\\000\" x; echo; echo end >&2; sleep 1000'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually has "$OUT/app.log" '"text":"end"'
    stop_tree
    python3 - "$OUT/app.log" <<'PY'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert all(line["name"] == "app/web.0" and line["time"].endswith("Z") for line in lines), lines
texts = [line["text"] for line in lines if line.get("stream") == "stdout"]
assert texts[0] == 'quote"', texts[0]
assert texts[1] == "\ufffd\x1b[31m", texts[1]
assert "".join(texts[2:]) == "x" * 20000, [len(text) for text in texts]
assert [line.get("partial", False) for line in lines if set(line.get("text", "-")) == {"x"}] == [True, True, False]
assert any(line["event"].startswith("Starting") for line in lines if "event" in line)
PY
}

@test "a process that writes fast loses nothing and does not grow its supervisor" {
    echo 'output-format: prefix' | sandbox
    shell web 'seq 200000; echo end; sleep 1000'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually has "$OUT/app.log" 'app/web.0: end$'
    [ "$(sed -n 's/.* app\/web.0: \([0-9]*\)$/\1/p' "$OUT/app.log" | md5sum)" = "$(seq 200000 | md5sum)" ]
    [ "$(awk '/^Anonymous:/ {print $2}' "/proc/$(knot_of app/web.0)/smaps_rollup")" -lt 1000 ]
}

@test "a full disk stops nobody, and what was lost is said once there is room" {
    mkdir -p "$OUT"
    mount -t tmpfs -o size=64k logs "$OUT"
    echo 'output-format: prefix' | sandbox
    shell web 'seq 20000; echo x > /tmp/written; while sleep 0.1; do echo again; done' 'volumes: {/tmp: !Tmpfs {size: 65536}}'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    knot=$(eventually knot_of app/web.0; knot_of app/web.0)
    eventually test -n "$knot"
    process() { cat "/proc/$(knot_of app/web.0)/task/$(knot_of app/web.0)/children"; }
    written() { local p; p=$(process); [ -e "/proc/${p% }/root/tmp/written" ]; }
    eventually written
    : > "$OUT/app.log"
    eventually has "$OUT/app.log" '[0-9]+ lines of output were lost'
    eventually has "$OUT/app.log" 'app/web.0: again$'
}

@test "logs are rotated by size while the process goes on writing to them, and the oldest go" {
    printf 'output-rotate-size: 20000\noutput-rotate-keep: 2\n' | sandbox
    shell web 'n=0; while true; do n=$((n + 1)); echo line $n of the process; [ $((n % 500)) = 0 ] && sleep 0.3; done'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    mkdir -p "$OUT"
    seq 10000 > "$OUT/app.log"
    start_tree
    eventually test -s "$OUT/app.log.1"
    has "$OUT/app.log.1" '^5000$'
    eventually has "$OUT/app.log" '^line [0-9]+ of the process$'
    # A reload looks at once; three of them put more aside than is kept.
    for _ in 1 2 3; do
        large() { [ "$(stat -c %s "$OUT/app.log")" -gt 20000 ]; }
        eventually large
        reload
        sleep 0.3
    done
    [ -s "$OUT/app.log.2" ] && [ ! -e "$OUT/app.log.3" ] && [ ! -e "$OUT/app.log.new" ]
    ! has "$OUT/app.log.1" '^5000$' || false
    stop_tree
    # On ext4 and xfs nothing is lost, not even in the middle of a line.
    case $(stat -f -c %T "$OUT") in ext2/ext3|xfs) ;; *) skip "this file system can only truncate" ;; esac
    cat "$OUT/app.log.2" "$OUT/app.log.1" "$OUT/app.log" | sed -n 's/^line \([0-9]*\) of the process$/\1/p' > numbers
    [ "$(wc -l < numbers)" -gt 100 ]
    [ "$(cat numbers)" = "$(seq "$(head -1 numbers)" "$(tail -1 numbers)")" ]
}

@test "while the sandbox file is broken its logs are rotated by the rules read last, also by another tree" {
    printf 'output-rotate-size: 5000\noutput-rotate-keep: 9\n' | sandbox
    sleeper web
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually running 1
    echo 'nonsense: [' >> "$L/sandboxes/app.yaml"
    seq 10000 > "$OUT/app.log"
    kill -HUP "$TREE"
    eventually has "$L/log/master.log" 'configuration: sandbox app'
    eventually test -s "$OUT/app.log.1"
    kill -9 "$TREE"; wait "$TREE" || true
    seq 10000 > "$OUT/app.log"
    start_tree
    eventually test -s "$OUT/app.log.2"
    # Mended, without rules.
    sandbox < /dev/null
    reload
    seq 10000 > "$OUT/app.log"
    reload
    sleep 0.3
    [ ! -e "$OUT/app.log.3" ]
}

@test "output survives the death of the tree and a reload without a lost line" {
    echo 'output-format: prefix' | sandbox
    shell web 'n=0; while sleep 0.02; do n=$((n + 1)); echo line $n; done'
    echo 'web: {image: img.v1, config: /config/web.yaml}' | processes
    start_tree
    eventually has "$OUT/app.log" 'line 5$'
    reload
    kill -9 "$TREE"; wait "$TREE" || true
    eventually has "$OUT/app.log" 'line 40$'
    start_tree
    eventually has "$OUT/app.log" 'line 60$'
    sed -n 's/.*app\/web.0: line \([0-9]*\)$/\1/p' "$OUT/app.log" > numbers
    [ "$(cat numbers)" = "$(seq "$(wc -l < numbers)")" ]
}
