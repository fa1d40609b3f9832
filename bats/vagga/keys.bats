#!/usr/bin/env bats
# Keys, settings and options that belong to no other topic: each shows that it has its effect.
load project

@test "banner: on standard error, after its delay, and not once the command has failed" {
    commands <<'YAML'
now: !Command { container: bb, banner: "open http://here\n", run: "sleep 0.3; echo done" }
later: !Command { container: bb, banner: "LATER", banner-delay: 1, run: "sleep 2" }
never: !Command { container: bb, banner: "NEVER", banner-delay: 1, run: "exit 3" }
group: !Supervise
  banner: "GROUP"
  banner-delay: 1
  children:
    a: !Command { container: bb, run: "sleep 2" }
failing: !Supervise
  banner: "NEVER"
  banner-delay: 1
  children:
    a: !Command { container: bb, run: "exit 4" }
YAML
    run --separate-stderr vagga now
    [ "$output" = 'done' ]
    contains "$stderr" 'open http://here'
    for name in later group; do
        begun=$(date +%s%N)
        run --separate-stderr vagga $name
        [ "$status" -eq 0 ]
        [ $((($(date +%s%N) - begun) / 1000000)) -ge 2000 ]
        grep -qx "${name^^}" <<<"$stderr" || grep -q "${name^^}" <<<"$stderr"
    done
    for name in never failing; do
        run --separate-stderr vagga $name
        [ "$status" -ne 0 ]
        lacks "$stderr" NEVER
    done
}

@test "hosts-file-path: the host's file is where the container wants it, or nowhere" {
    write_project <<'YAML'
containers:
  moved:
    setup: [ !Tar { url: ./busybox.tar } ]
    hosts-file-path: /state/hosts
    volumes: { /state: !Tmpfs }
  none:
    setup: [ !Tar { url: ./busybox.tar } ]
    hosts-file-path: ~
commands:
  moved: !Command { container: moved, run: [cat, /state/hosts] }
  none: !Command { container: none, run: "grep -c /etc/hosts /proc/mounts" }
YAML
    sed -i 's/!Tar { url: .\/busybox.tar } ]/!Tar { url: .\/busybox.tar }, !EnsureDir \/state ]/' vagga.yaml
    run --separate-stderr vagga moved
    [ "$status" -eq 0 ] || { echo "$stderr"; false; }
    [ "$output" = "$(cat /etc/hosts)" ]
    run --separate-stderr vagga none
    [ "$output" = 0 ]
}

@test "site-settings are for their project only; the project's own file comes after them" {
    commands <<'YAML'
show: !Command { container: bb, run: "echo $A $B" }
YAML
    export HOME=$BATS_TEST_TMPDIR/home
    mkdir -p "$HOME/.config/vagga" "$BATS_TEST_TMPDIR/other"
    cat > "$HOME/.config/vagga/settings.yaml" <<YAML
environ: { A: general, B: general }
site-settings:
  $PROJECT: { environ: { A: site, B: site } }
  $BATS_TEST_TMPDIR/other: { environ: { A: other } }
YAML
    run --separate-stderr vagga show
    [ "$output" = 'site site' ] || { echo "$stderr"; false; }
    echo 'environ: { B: project }' > .vagga.settings.yaml
    run --separate-stderr vagga show
    [ "$output" = 'site project' ]
}

@test "--run-multi is -m, and _dump_config --pretty says the same in lines" {
    commands <<'YAML'
hello: !Command { container: bb, run: "echo -n hello" }
world: !Command { container: bb, run: "echo world!" }
YAML
    run --separate-stderr vagga --run-multi hello world
    [ "$status" -eq 0 ]
    [ "$output" = 'helloworld!' ]
    [ "$(vagga _dump_config --pretty | wc -l)" -gt 10 ]
    [ "$(vagga _dump_config --pretty | python3 -m json.tool --sort-keys)" = "$(vagga _dump_config | python3 -m json.tool --sort-keys)" ]
}

@test "RUST_LOG and RUST_LOG_STYLE" {
    commands <<'YAML'
ok: !Command { container: bb, expect-inotify-limit: 99999999, run: "true" }
YAML
    for style in auto never; do
        RUST_LOG_STYLE=$style run --separate-stderr vagga ok
        contains "$stderr" 'warning'
        lacks "$stderr" $'\x1b['
    done
    RUST_LOG_STYLE=always run --separate-stderr vagga ok
    contains "$stderr" $'\x1b['
    RUST_LOG=error run --separate-stderr vagga ok
    lacks "$stderr" warning
}

@test "a stuck child is ended by Ctrl-\\ while the shutdown waits for it" {
    commands <<'YAML'
group: !Supervise
  kill-unresponsive-after: 30
  children:
    stuck: !Command { container: bb, run: "trap '' INT TERM; touch /work/started; exec sleep 4249" }
YAML
    play <<'PY'
import os, time
start("vagga", "group")
while not os.path.exists("started"): time.sleep(0.05)
send("\x03")
expect("SIGINT")
time.sleep(0.5)
begun = time.monotonic()
send("\x1c")
assert end() == 130
assert time.monotonic() - begun < 10
PY
}

@test "includes that never existed, and tags of nothing, are refused with a position" {
    write_project <<'YAML'
containers: !*IncludeSeq [a.yaml]
YAML
    run --separate-stderr vagga _list
    [ "$status" -eq 126 ]
    contains "$stderr" 'vagga.yaml:1:'
    contains "$stderr" IncludeSeq
}
